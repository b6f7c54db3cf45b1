// Package oss is a server that clients of Alibaba Cloud OSS cannot tell from
// the service, as far as objects go.
//
// It checks signatures of versions 1, 2 and 4, in headers and in URLs, and the
// tokens of STS; it keeps the limits of the service and refuses what the
// service refuses, with the same status and code; and it stores what it is
// given, for a restart to find. What it is not is a service for many users: a
// key that the authority knows may do everything.
//
//	s, err := oss.New(dir, oss.Options{Authority: a})
//	...
//	defer s.Close()
//	s.CreateBucket("photos")
//	srv := httptest.NewServer(s)
//
// # Storage
//
// An object is a file under dir/data; one that came in parts is one file per
// part. Bodies of up to 16 KiB share files of 1 MiB, which are removed when
// nothing in them is in use. The metadata is in memory, and behind it in one
// SQLite database, dir/meta.db. That and the shared files are a few milliseconds
// late and complete after [Server.Close]; a process that is killed loses those
// milliseconds and nothing else. Bodies are streamed: the size of an object costs
// no memory.
//
// A put becomes visible at once and whole, when its last byte has been stored:
// of several puts of one key the last to be completed wins, and a reader goes
// on reading the object that it began with.
//
// # Operations
//
// Faults and the log name an operation as the documentation of the service
// does:
//
//	ListBuckets PutBucket DeleteBucket GetBucketInfo GetBucketStat GetBucketLocation
//	GetBucketAcl PutBucketAcl GetBucketVersioning PutBucketVersioning
//	ListObjects ListObjectsV2 ListObjectVersions ListMultipartUploads ListLiveChannel
//	DeleteMultipleObjects
//	PutObject CopyObject AppendObject GetObject HeadObject GetObjectMeta DeleteObject
//	PutObjectACL GetObjectACL PutObjectTagging GetObjectTagging DeleteObjectTagging
//	PutSymlink GetSymlink RestoreObject
//	InitiateMultipartUpload UploadPart UploadPartCopy CompleteMultipartUpload
//	AbortMultipartUpload ListParts
//	Unsupported (an operation of OSS that is answered 501) Unknown (none of OSS, 405)
//
// # Faults
//
// [Server.Faults] lets things go wrong for the requests that fit, by operation,
// bucket and key: delays, throttling, cut connections, answers that are lost,
// pages of HTML, wrong sums. [Server.Requests] is the log to check afterwards
// what a client did about it. [Server.Control] offers both to another process.
//
//	s.Faults().Add(oss.Fault{Op: oss.UploadPart, Skip: 2, Count: 1, Reset: oss.ResetRequest})
package oss
