package oss

import (
	"crypto/hmac"
	"crypto/sha256"
	"slices"
	"strings"
)

// readV2 reads "AccessKeyId:id,AdditionalHeaders:a;b,Signature:value".
func readV2(x *exchange, h string) (*signature, *Error) {
	sig := &signature{version: 2, date: x.header("Date"), token: x.header("X-Oss-Security-Token")}
	for part := range strings.SplitSeq(h, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), ":")
		if !ok {
			return nil, badAuthorization(h)
		}
		switch name {
		case "AccessKeyId":
			sig.keyID = value
		case "AdditionalHeaders":
			sig.extra = value
		case "Signature":
			sig.value = value
		}
	}
	if sig.keyID == "" || sig.value == "" {
		return nil, badAuthorization(h)
	}
	return sig, nil
}

func readPresignedV2(x *exchange) (*signature, *Error) {
	sig := &signature{
		version: 2, presigned: true,
		keyID: x.query.get("x-oss-access-key-id"),
		value: x.query.get("x-oss-signature"),
		date:  x.query.get("x-oss-expires"),
		extra: x.query.get("x-oss-additional-headers"),
		token: x.query.get("security-token"),
	}
	if sig.keyID == "" || sig.value == "" || sig.date == "" {
		return nil, accessDenied("Query-string authentication requires the x-oss-signature, x-oss-expires and x-oss-access-key-id parameters.", "0002-00000061")
	}
	if sig.token == "" {
		sig.token = x.header("X-Oss-Security-Token")
	}
	return sig, nil
}

func proveV2(x *exchange, sig *signature, secret string) proof {
	b := make([]byte, 0, 512)
	b = append(b, x.r.Method...)
	b = append(b, '\n')
	b = append(b, x.header("Content-Md5")...)
	b = append(b, '\n')
	b = append(b, x.header("Content-Type")...)
	b = append(b, '\n')
	b = append(b, sig.date...)
	b = append(b, '\n')
	extra := additional(sig.extra)
	b = signedHeaders(b, x, false, func(lower string) bool {
		return isOSSHeader(lower) || slices.Contains(extra, lower)
	})
	b = append(b, strings.Join(extra, ";")...)
	b = append(b, '\n')
	b = append(b, "%2F"...)
	if x.bucket != "" {
		b = appendEscaped(b, x.bucket, false)
		b = append(b, "%2F"...)
		b = appendEscaped(b, x.key, false)
	}
	if q := signedQuery(nil, x.query); len(q) > 0 {
		b = append(b, '?')
		b = append(b, q...)
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(b)
	return proof{sum: base64Sum(mac.Sum(nil)), stringToSign: string(b)}
}

// additional returns the names of the additional headers, sorted, in lower
// case.
func additional(list string) []string {
	if list == "" {
		return nil
	}
	names := strings.Split(strings.ToLower(list), ";")
	slices.Sort(names)
	return slices.Compact(names)
}
