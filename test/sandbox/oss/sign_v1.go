package oss

import (
	"crypto/hmac"
	"crypto/sha1"
	"sort"
	"strings"
)

// signedParameters are those of the query that version 1 signs.
var signedParameters = tableOf(
	"acl", "uploads", "location", "cors", "logging", "website", "referer", "lifecycle", "delete", "append",
	"tagging", "objectMeta", "uploadId", "partNumber", "security-token", "position", "img", "style", "styleName",
	"replication", "replicationProgress", "replicationLocation", "cname", "bucketInfo", "comp", "qos", "live",
	"status", "vod", "startTime", "endTime", "symlink", "x-oss-process", "response-content-type",
	"x-oss-traffic-limit", "response-content-language", "response-expires", "response-cache-control",
	"response-content-disposition", "response-content-encoding", "udf", "udfName", "udfImage", "udfId",
	"udfImageDesc", "udfApplication", "udfApplicationLog", "restore", "callback", "callback-var", "qosInfo",
	"policy", "stat", "encryption", "versions", "versioning", "versionId", "requestPayment",
	"x-oss-request-payer", "sequential", "inventory", "inventoryId", "continuation-token", "asyncFetch", "worm",
	"wormId", "wormExtend", "withHashContext", "x-oss-enable-md5", "x-oss-enable-sha1", "x-oss-enable-sha256",
	"x-oss-hash-ctx", "x-oss-md5-ctx", "transferAcceleration", "regionList", "cloudboxes", "x-oss-ac-source-ip",
	"x-oss-ac-subnet-mask", "x-oss-ac-vpc-id", "x-oss-ac-forward-allow", "metaQuery", "resourceGroup", "rtc",
	"x-oss-async-process", "responseHeader",
)

func tableOf(names ...string) map[string]bool {
	m := make(map[string]bool, len(names))
	for _, n := range names {
		m[n] = true
	}
	return m
}

// readV1 reads "id:signature".
func readV1(x *exchange, h string) (*signature, *Error) {
	i := strings.LastIndexByte(h, ':')
	if i <= 0 || i == len(h)-1 {
		return nil, badAuthorization(h)
	}
	sig := &signature{version: 1, keyID: strings.TrimSpace(h[:i]), value: strings.TrimSpace(h[i+1:])}
	sig.token = x.header("X-Oss-Security-Token")
	// Clients that cannot set Date, those in browsers, sign x-oss-date instead.
	if sig.date = x.header("X-Oss-Date"); sig.date == "" {
		sig.date = x.header("Date")
	}
	return sig, nil
}

func readPresignedV1(x *exchange) (*signature, *Error) {
	sig := &signature{
		version: 1, presigned: true,
		keyID: x.query.get("OSSAccessKeyId"),
		value: x.query.get("Signature"),
		date:  x.query.get("Expires"),
		token: x.query.get("security-token"),
	}
	if sig.keyID == "" || sig.value == "" || sig.date == "" {
		return nil, accessDenied("Query-string authentication requires the Signature, Expires and OSSAccessKeyId parameters.", "0002-00000061")
	}
	if sig.token == "" {
		sig.token = x.header("X-Oss-Security-Token")
	}
	return sig, nil
}

func proveV1(x *exchange, sig *signature, secret string) proof {
	p := sumV1(x, sig.date, secret)
	// A client that sends both dates may have signed either.
	if d := x.header("Date"); !sig.presigned && p.sum != sig.value && d != "" && d != sig.date {
		if q := sumV1(x, d, secret); q.sum == sig.value {
			return q
		}
	}
	return p
}

func sumV1(x *exchange, date, secret string) proof {
	b := make([]byte, 0, 512)
	b = append(b, x.r.Method...)
	b = append(b, '\n')
	b = append(b, x.header("Content-Md5")...)
	b = append(b, '\n')
	b = append(b, x.header("Content-Type")...)
	b = append(b, '\n')
	b = append(b, date...)
	b = append(b, '\n')
	b = signedHeaders(b, x, false, isOSSHeader)
	b = append(b, '/')
	if x.bucket != "" {
		b = append(b, x.bucket...)
		b = append(b, '/')
		b = append(b, x.key...)
	}
	b = appendSubresources(b, x.query)
	mac := hmac.New(sha1.New, []byte(secret))
	mac.Write(b)
	return proof{sum: base64Sum(mac.Sum(nil)), stringToSign: string(b)}
}

func isOSSHeader(lower string) bool { return strings.HasPrefix(lower, "x-oss-") }

// appendSubresources appends the signed parameters, unescaped and sorted.
func appendSubresources(b []byte, q query) []byte {
	var room [8]parameter
	signed := room[:0]
	for _, p := range q {
		if signedParameters[p.name] {
			signed = append(signed, p)
		}
	}
	sort.SliceStable(signed, func(i, j int) bool { return signed[i].name < signed[j].name })
	for i, p := range signed {
		if i == 0 {
			b = append(b, '?')
		} else {
			b = append(b, '&')
		}
		b = append(b, p.name...)
		if p.value != "" {
			b = append(b, '=')
			b = append(b, p.value...)
		}
	}
	return b
}
