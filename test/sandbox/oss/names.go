package oss

import (
	"strings"
	"unicode/utf8"
)

// The limits of the service.
const (
	maxKey       = 1023      // bytes of a key
	maxPut       = 5 << 30   // bytes of a put, an append and a part
	minPart      = 100 << 10 // bytes of a part, but the last
	maxParts     = 10_000    // the highest part number
	maxMultipart = 53_687_091_200_000
	maxMeta      = 8 << 10 // bytes of user metadata, names and values
	maxBuckets   = 100
	maxDelete    = 1000 // keys of one removal
	maxList      = 1000 // entries of one page
	maxTags      = 10
	maxTagKey    = 128 // characters
	maxTagValue  = 256
	maxCopy      = 5 << 30 // bytes of a copy in one request
)

// validBucket reports whether name can be a bucket's: 3 to 63 lower-case
// letters, digits and hyphens, with a letter or digit at both ends.
func validBucket(name string) bool {
	if len(name) < 3 || len(name) > 63 || name[0] == '-' || name[len(name)-1] == '-' {
		return false
	}
	for i := range len(name) {
		c := name[i]
		if !('a' <= c && c <= 'z' || '0' <= c && c <= '9' || c == '-') {
			return false
		}
	}
	return true
}

// validKey reports whether key can be an object's: 1 to 1023 bytes of UTF-8
// that start with neither a slash nor a backslash.
func validKey(key string) bool {
	return key != "" && len(key) <= maxKey && key[0] != '/' && key[0] != '\\' && utf8.ValidString(key)
}

// A tag is one pair of an object's or a bucket's tags.
type tag struct {
	Key   string `xml:"Key"`
	Value string `xml:"Value"`
}

func checkTags(tags []tag) *Error {
	if len(tags) > maxTags {
		return invalidTag("Object tags cannot be greater than 10.")
	}
	for i, t := range tags {
		if t.Key == "" || utf8.RuneCountInString(t.Key) > maxTagKey || !validTag(t.Key) {
			return invalidTag("The TagKey you have provided is invalid.")
		}
		if utf8.RuneCountInString(t.Value) > maxTagValue || !validTag(t.Value) {
			return invalidTag("The TagValue you have provided is invalid.")
		}
		for _, u := range tags[:i] {
			if t.Key == u.Key {
				return invalidTag("Cannot provide multiple Tags with the same key.")
			}
		}
	}
	return nil
}

func invalidTag(message string) *Error {
	return &Error{Status: 400, Code: "InvalidTag", Message: message, EC: "0026-00000301"}
}

// validTag reports whether s has only the characters a tag may have.
func validTag(s string) bool {
	for i := range len(s) {
		c := s[i]
		if !('a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || strings.IndexByte(" +-=._:/", c) >= 0) {
			return false
		}
	}
	return true
}
