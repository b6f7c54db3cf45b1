package main

import "strings"

// An ossURL is what oss://BUCKET/KEY names. The key is taken as it stands:
// nothing in it is decoded or cleaned.
type ossURL struct{ bucket, key string }

func parseURL(s string) (ossURL, error) {
	rest, ok := strings.CutPrefix(s, "oss://")
	if !ok {
		return ossURL{}, usageErrorf("%s: not of the form oss://BUCKET/KEY", s)
	}
	bucket, key, _ := strings.Cut(rest, "/")
	if bucket == "" {
		return ossURL{}, usageErrorf("%s: the bucket is missing", s)
	}
	return ossURL{bucket, key}, nil
}

// parseObjectURL is parseURL for what must name an object.
func parseObjectURL(s string) (ossURL, error) {
	u, err := parseURL(s)
	if err == nil && u.key == "" {
		err = usageErrorf("%s: the key is missing", s)
	}
	return u, err
}

func (u ossURL) String() string { return "oss://" + u.bucket + "/" + u.key }
