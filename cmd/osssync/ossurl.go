package main

import (
	"path/filepath"
	"strings"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

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
	if err := config.CheckBucket(bucket); err != nil {
		return ossURL{}, usageErrorf("%s: %w", s, err)
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

// parseNewURL is parseURL for the object that a file becomes, "-" for one without
// a name. A URL that ends in "/" gets the file's.
func parseNewURL(s, file string) (ossURL, error) {
	u, err := parseURL(s)
	if err != nil {
		return u, err
	}
	if u.key == "" || strings.HasSuffix(u.key, "/") {
		if file == "-" {
			return u, usageErrorf("%s: the key is missing", s)
		}
		u.key += filepath.Base(file)
	}
	if _, err := plan.Key("", u.key); err != nil {
		return u, usageErrorf("oss://%s: %w", u.bucket, err)
	}
	return u, nil
}

func (u ossURL) String() string { return "oss://" + u.bucket + "/" + u.key }
