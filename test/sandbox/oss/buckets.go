package oss

import (
	"net/http"
	"slices"
	"strings"
)

// CreateBucket makes a private bucket of the Standard class. It does nothing if
// there is one of that name.
func (s *Server) CreateBucket(name string) error {
	if !validBucket(name) {
		return &Error{Status: 400, Code: "InvalidBucketName", Message: "The specified bucket is not valid.", EC: "0015-00000001"}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.buckets[name] == nil {
		s.addBucket(name, bucketInfo{s.authority.Now().UnixNano(), "private", "Standard", "LRS", ""})
	}
	return nil
}

// addBucket adds a bucket under the lock.
func (s *Server) addBucket(name string, info bucketInfo) {
	s.buckets[name] = newBucket(name, info, s.store, s.blobs)
	s.store.set(bucketRecord(name), info)
}

func (s *Server) putBucket(x *exchange) error {
	info := bucketInfo{x.now.UnixNano(), "private", "Standard", "LRS", ""}
	body, err := x.readDocument()
	if err != nil {
		return err
	}
	if len(body) > 0 {
		var conf struct {
			StorageClass       string `xml:"StorageClass"`
			DataRedundancyType string `xml:"DataRedundancyType"`
		}
		if err := decodeXML(body, &conf); err != nil {
			return err
		}
		if conf.StorageClass != "" {
			info.Class = conf.StorageClass
		}
		if conf.DataRedundancyType != "" {
			info.Redundancy = conf.DataRedundancyType
		}
	}
	acl := x.header("X-Oss-Acl")
	if acl != "" {
		info.ACL = acl
	}
	if err := info.check(); err != nil {
		return err
	}
	return s.makeBucket(x, info, acl != "")
}

// check checks a bucket that is to be made.
func (i *bucketInfo) check() error {
	if _, ok := classes[i.Class]; !ok {
		return invalidArgument("The storage class you specified is not valid.", "StorageClass", i.Class, "0016-00000511")
	}
	if i.Redundancy != "LRS" && i.Redundancy != "ZRS" {
		return invalidArgument("The data redundancy type you specified is not valid.", "DataRedundancyType", i.Redundancy, "0016-00000512")
	}
	if !acls[i.ACL] || i.ACL == "default" {
		return invalidACL("x-oss-acl", i.ACL)
	}
	return nil
}

// makeBucket makes the bucket. To make one that is there already succeeds, and
// changes its ACL if one is given, but not its class.
func (s *Server) makeBucket(x *exchange, info bucketInfo, setACL bool) error {
	s.mu.Lock()
	old := s.buckets[x.bucket]
	if old == nil {
		if len(s.buckets) >= maxBuckets {
			s.mu.Unlock()
			return &Error{Status: 400, Code: "TooManyBuckets", Message: "You have attempted to create more buckets than allowed.", EC: "0015-00000102"}
		}
		s.addBucket(x.bucket, info)
	}
	s.mu.Unlock()
	if old != nil {
		if c := old.getInfo().Class; c != info.Class && info.Class != "Standard" {
			return (&Error{Status: 409, Code: "BucketAlreadyExists",
				Message: "The requested bucket name is not available.", EC: "0015-00000104"}).with("BucketName", x.bucket)
		}
		if setACL {
			old.change(func(i *bucketInfo) { i.ACL = info.ACL })
		}
	}
	x.set("Location", "/"+x.bucket)
	x.done(http.StatusOK)
	return nil
}

func (s *Server) deleteBucket(x *exchange, b *bucket) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	b.mu.Lock()
	defer b.mu.Unlock()
	if len(b.objects) > 0 || len(b.uploads) > 0 {
		return (&Error{Status: 409, Code: "BucketNotEmpty", Message: "The bucket you tried to delete is not empty.",
			EC: "0015-00000301"}).with("BucketName", b.name)
	}
	b.gone = true
	delete(s.buckets, b.name)
	s.store.remove(bucketRecord(b.name))
	x.done(http.StatusNoContent)
	return nil
}

func (s *Server) listBuckets(x *exchange) error {
	l, err := readListing(x, "marker", "max-keys", 100)
	if err != nil {
		return err
	}
	if strings.ContainsFunc(l.prefix, func(r rune) bool { return !validBucket("a" + string(r) + "a") }) {
		return invalidArgument("The prefix is not that of a bucket.", "prefix", l.prefix, "0015-00000002")
	}
	s.mu.RLock()
	var names []string
	for name := range s.buckets {
		if strings.HasPrefix(name, l.prefix) && name > l.after {
			names = append(names, name)
		}
	}
	s.mu.RUnlock()
	slices.Sort(names)
	truncated := len(names) > l.max
	names = names[:min(len(names), l.max)]
	var d document
	d.start()
	d.open("ListAllMyBucketsResult")
	d.text("Prefix", l.prefix)
	d.text("Marker", l.after)
	d.int("MaxKeys", int64(l.max))
	d.bool("IsTruncated", truncated)
	if truncated {
		d.text("NextMarker", names[len(names)-1])
	}
	d.owner()
	d.open("Buckets")
	for _, name := range names {
		if b := s.bucket(name); b != nil {
			info := b.getInfo()
			d.open("Bucket")
			s.describeBucket(&d, name, info)
			d.close("Bucket")
		}
	}
	d.close("Buckets")
	d.close("ListAllMyBucketsResult")
	x.document(&d)
	return nil
}

// location is the region as the service writes it.
func (s *Server) location() string { return "oss-" + s.region }

// endpoint returns the host of the service, as a list of buckets has it. The
// real one's names lead nowhere here, so they are those of its domain only
// where the sandbox has none.
func (s *Server) endpoint(network string) string {
	if s.hosts.domain != "" {
		return s.hosts.domain
	}
	return s.location() + network + ".aliyuncs.com"
}

// describeBucket writes what lists of buckets and GetBucketInfo share.
func (s *Server) describeBucket(d *document, name string, info bucketInfo) {
	d.time("CreationDate", info.Created)
	d.text("ExtranetEndpoint", s.endpoint(""))
	d.text("IntranetEndpoint", s.endpoint("-internal"))
	d.text("Location", s.location())
	d.text("Name", name)
	d.text("Region", s.region)
	d.text("StorageClass", info.Class)
}

func (s *Server) getBucketInfo(x *exchange, b *bucket) error {
	info := b.getInfo()
	var d document
	d.start()
	d.open("BucketInfo")
	d.open("Bucket")
	d.text("AccessMonitor", "Disabled")
	s.describeBucket(&d, b.name, info)
	d.text("DataRedundancyType", info.Redundancy)
	d.text("TransferAcceleration", "Disabled")
	d.text("CrossRegionReplication", "Disabled")
	if info.Versioning != "" {
		d.text("Versioning", info.Versioning)
	}
	d.owner()
	d.open("AccessControlList")
	d.text("Grant", info.ACL)
	d.close("AccessControlList")
	d.open("ServerSideEncryptionRule")
	d.text("SSEAlgorithm", "None")
	d.close("ServerSideEncryptionRule")
	d.open("BucketPolicy")
	d.text("LogBucket", "")
	d.text("LogPrefix", "")
	d.close("BucketPolicy")
	d.close("Bucket")
	d.close("BucketInfo")
	x.document(&d)
	return nil
}

func (s *Server) getBucketStat(x *exchange, b *bucket) error {
	b.mu.RLock()
	var size, objects, uploads int64
	for _, v := range b.objects {
		for _, o := range v {
			size += o.size
		}
		if o := v[len(v)-1]; !o.marker {
			objects++
		}
	}
	uploads = int64(len(b.uploads))
	b.mu.RUnlock()
	var d document
	d.start()
	d.open("BucketStat")
	d.int("Storage", size)
	d.int("ObjectCount", objects)
	d.int("MultipartUploadCount", uploads)
	d.int("LiveChannelCount", 0)
	d.int("LastModifiedTime", x.now.Unix())
	d.close("BucketStat")
	x.document(&d)
	return nil
}

func (s *Server) getBucketLocation(x *exchange, _ *bucket) error {
	var d document
	d.start()
	d.text("LocationConstraint", s.location())
	x.document(&d)
	return nil
}

func (s *Server) getBucketACL(x *exchange, b *bucket) error {
	writeACL(x, b.getInfo().ACL)
	return nil
}

func (s *Server) putBucketACL(x *exchange, b *bucket) error {
	acl := x.header("X-Oss-Acl")
	if !acls[acl] || acl == "default" {
		return invalidACL("x-oss-acl", acl)
	}
	b.change(func(i *bucketInfo) { i.ACL = acl })
	x.done(http.StatusOK)
	return nil
}

// listLiveChannel answers with the empty list that is right for a bucket into
// which nothing can be streamed; tools that empty a bucket ask for it.
func (s *Server) listLiveChannel(x *exchange, _ *bucket) error {
	var d document
	d.start()
	d.open("ListLiveChannelResult")
	d.int("MaxKeys", 100)
	d.bool("IsTruncated", false)
	d.close("ListLiveChannelResult")
	x.document(&d)
	return nil
}

// SetBucketACL sets a bucket's ACL: "private", "public-read" or
// "public-read-write". The last lets clients that do not sign do nearly all.
func (s *Server) SetBucketACL(name, acl string) error {
	s.mu.RLock()
	b := s.buckets[name]
	s.mu.RUnlock()
	if b == nil {
		return noSuchBucket(name)
	}
	if !acls[acl] || acl == "default" {
		return invalidACL("x-oss-acl", acl)
	}
	b.change(func(i *bucketInfo) { i.ACL = acl })
	return nil
}
