package oss

// writes are the operations that change something; the others read.
var writes = map[Op]bool{
	PutObject: true, CopyObject: true, AppendObject: true, DeleteObject: true, DeleteMultipleObjects: true,
	PutSymlink: true, InitiateMultipartUpload: true, UploadPart: true, UploadPartCopy: true,
	CompleteMultipartUpload: true, AbortMultipartUpload: true,
}

// ownerOnly are the operations that no ACL opens to strangers.
var ownerOnly = map[Op]bool{
	ListBuckets: true, PutBucket: true, DeleteBucket: true, GetBucketInfo: true, GetBucketStat: true,
	GetBucketLocation: true, GetBucketACL: true, PutBucketACL: true, GetBucketVersioning: true,
	PutBucketVersioning: true, PutObjectACL: true, GetObjectACL: true, PutObjectTagging: true,
	GetObjectTagging: true, DeleteObjectTagging: true, RestoreObject: true,
}

func anonymousForbidden() *Error {
	return accessDenied("Anonymous access is forbidden for this operation.", "0003-00000001")
}

// authorize decides what a request without a signature may do; one that is
// signed may do all. Whether an object may be read depends on the object, which
// checkRead looks at.
func (s *Server) authorize(x *exchange, b *bucket) error {
	if !x.anon {
		return nil
	}
	if b == nil || ownerOnly[x.op] {
		return anonymousForbidden()
	}
	acl := b.getInfo().ACL
	switch {
	case writes[x.op] && acl != "public-read-write":
		return anonymousForbidden()
	case !writes[x.op] && x.key == "" && acl == "private":
		return anonymousForbidden()
	}
	return nil
}

// checkRead decides whether a request may read an object.
func (s *Server) checkRead(x *exchange, b *bucket, o *object) error {
	if !x.anon {
		return nil
	}
	acl := o.acl
	if acl == "" || acl == "default" {
		acl = b.getInfo().ACL
	}
	if acl == "private" {
		return accessDenied("You have no right to access this object because of bucket acl.", "0003-00000001")
	}
	return nil
}
