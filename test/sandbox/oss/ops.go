package oss

import (
	"net/http"
	"slices"
)

// An Op is one operation of the service, under the name its documentation
// gives it.
type Op string

// The operations that the server knows. Those of a name the service does not
// have are Unknown, for a request that no operation fits, and Unsupported, for
// one that OSS knows and this server refuses with 501.
const (
	ListBuckets           Op = "ListBuckets"
	PutBucket             Op = "PutBucket"
	DeleteBucket          Op = "DeleteBucket"
	GetBucketInfo         Op = "GetBucketInfo"
	GetBucketStat         Op = "GetBucketStat"
	GetBucketLocation     Op = "GetBucketLocation"
	GetBucketACL          Op = "GetBucketAcl"
	PutBucketACL          Op = "PutBucketAcl"
	GetBucketVersioning   Op = "GetBucketVersioning"
	PutBucketVersioning   Op = "PutBucketVersioning"
	ListObjects           Op = "ListObjects"
	ListObjectsV2         Op = "ListObjectsV2"
	ListObjectVersions    Op = "ListObjectVersions"
	ListMultipartUploads  Op = "ListMultipartUploads"
	ListLiveChannel       Op = "ListLiveChannel"
	DeleteMultipleObjects Op = "DeleteMultipleObjects"

	PutObject     Op = "PutObject"
	CopyObject    Op = "CopyObject"
	AppendObject  Op = "AppendObject"
	GetObject     Op = "GetObject"
	HeadObject    Op = "HeadObject"
	GetObjectMeta Op = "GetObjectMeta"
	DeleteObject  Op = "DeleteObject"

	PutObjectACL        Op = "PutObjectACL"
	GetObjectACL        Op = "GetObjectACL"
	PutObjectTagging    Op = "PutObjectTagging"
	GetObjectTagging    Op = "GetObjectTagging"
	DeleteObjectTagging Op = "DeleteObjectTagging"
	PutSymlink          Op = "PutSymlink"
	GetSymlink          Op = "GetSymlink"
	RestoreObject       Op = "RestoreObject"

	InitiateMultipartUpload Op = "InitiateMultipartUpload"
	UploadPart              Op = "UploadPart"
	UploadPartCopy          Op = "UploadPartCopy"
	CompleteMultipartUpload Op = "CompleteMultipartUpload"
	AbortMultipartUpload    Op = "AbortMultipartUpload"
	ListParts               Op = "ListParts"

	Unsupported Op = "Unsupported"
	Unknown     Op = "Unknown"
)

// scope says what a route is about.
type scope int

const (
	service scope = iota
	onBucket
	onObject
)

func scopeOf(t target) scope {
	switch {
	case t.bucket == "":
		return service
	case t.key == "":
		return onBucket
	}
	return onObject
}

// A route finds the operation of a request: the first of the table whose
// method, scope and parameter fit. An empty sub fits every request.
type route struct {
	method string
	scope  scope
	sub    string
	op     Op
}

var routes = []route{
	{http.MethodGet, onBucket, "acl", GetBucketACL},
	{http.MethodGet, onBucket, "bucketInfo", GetBucketInfo},
	{http.MethodGet, onBucket, "stat", GetBucketStat},
	{http.MethodGet, onBucket, "location", GetBucketLocation},
	{http.MethodGet, onBucket, "versioning", GetBucketVersioning},
	{http.MethodGet, onBucket, "versions", ListObjectVersions},
	{http.MethodGet, onBucket, "uploads", ListMultipartUploads},
	{http.MethodGet, onBucket, "live", ListLiveChannel},
	{http.MethodPut, onBucket, "acl", PutBucketACL},
	{http.MethodPut, onBucket, "versioning", PutBucketVersioning},
	{http.MethodPost, onBucket, "delete", DeleteMultipleObjects},

	{http.MethodPost, onObject, "append", AppendObject},
	{http.MethodPost, onObject, "uploads", InitiateMultipartUpload},
	{http.MethodPost, onObject, "uploadId", CompleteMultipartUpload},
	{http.MethodPost, onObject, "restore", RestoreObject},
	{http.MethodPut, onObject, "uploadId", UploadPart},
	{http.MethodPut, onObject, "partNumber", UploadPart},
	{http.MethodPut, onObject, "acl", PutObjectACL},
	{http.MethodPut, onObject, "tagging", PutObjectTagging},
	{http.MethodPut, onObject, "symlink", PutSymlink},
	{http.MethodGet, onObject, "uploadId", ListParts},
	{http.MethodGet, onObject, "acl", GetObjectACL},
	{http.MethodGet, onObject, "tagging", GetObjectTagging},
	{http.MethodGet, onObject, "symlink", GetSymlink},
	{http.MethodGet, onObject, "objectMeta", GetObjectMeta},
	{http.MethodHead, onObject, "objectMeta", GetObjectMeta},
	{http.MethodDelete, onObject, "uploadId", AbortMultipartUpload},
	{http.MethodDelete, onObject, "tagging", DeleteObjectTagging},
}

// plain are the operations of requests without a sub-resource.
var plain = []route{
	{http.MethodGet, service, "", ListBuckets},
	{http.MethodPut, onBucket, "", PutBucket},
	{http.MethodDelete, onBucket, "", DeleteBucket},
	{http.MethodGet, onBucket, "", ListObjects},
	{http.MethodPut, onObject, "", PutObject},
	{http.MethodGet, onObject, "", GetObject},
	{http.MethodHead, onObject, "", HeadObject},
	{http.MethodDelete, onObject, "", DeleteObject},
}

// unsupported are the sub-resources of OSS that this server refuses. A request
// that has one must not be mistaken for the plain one: to answer "?lifecycle"
// with a list of objects would be worse than to refuse it.
var unsupported = map[string]bool{
	"cors": true, "logging": true, "website": true, "referer": true, "lifecycle": true, "replication": true,
	"replicationProgress": true, "replicationLocation": true, "cname": true, "qos": true, "qosInfo": true,
	"live": true, "vod": true, "policy": true, "encryption": true, "requestPayment": true, "inventory": true,
	"inventoryId": true, "worm": true, "wormId": true, "wormExtend": true, "transferAcceleration": true,
	"regions": true, "cloudboxes": true, "metaQuery": true, "resourceGroup": true, "rtc": true, "style": true,
	"styleName": true, "accessmonitor": true, "responseHeader": true, "asyncFetch": true, "x-oss-process": true,
	"x-oss-async-process": true, "img": true, "udf": true, "policyStatus": true, "publicAccessBlock": true,
	"httpsConfig": true, "archiveDirectRead": true, "redundancyTransition": true, "userDefinedLogFieldsConfig": true,
	"tagging": true, "comp": true, "policy-status": true, "clean": true, "cleanRestoredObject": true,
}

// operation returns the operation of a request.
func operation(r *http.Request, t target) Op {
	sc := scopeOf(t)
	if len(t.query) > 0 {
		for i := range routes {
			if rt := &routes[i]; rt.method == r.Method && rt.scope == sc && t.query.has(rt.sub) {
				return refine(rt.op, r, t)
			}
		}
		for _, p := range t.query {
			if unsupported[p.name] {
				return Unsupported
			}
		}
	}
	for i := range plain {
		if rt := &plain[i]; rt.method == r.Method && rt.scope == sc {
			return refine(rt.op, r, t)
		}
	}
	return Unknown
}

// refine tells apart the operations that differ in a header or a value.
func refine(op Op, r *http.Request, t target) Op {
	switch {
	case op == PutObject && r.Header.Get("X-Oss-Copy-Source") != "":
		return CopyObject
	case op == UploadPart && r.Header.Get("X-Oss-Copy-Source") != "":
		return UploadPartCopy
	case op == ListObjects && t.query.get("list-type") == "2":
		return ListObjectsV2
	}
	return op
}

// Ops returns all operations, as tests and the control handler name them.
func Ops() []Op {
	ops := []Op{ListBuckets, PutBucket, Unsupported, Unknown}
	for op := range handlers {
		ops = append(ops, op)
	}
	slices.Sort(ops)
	return ops
}
