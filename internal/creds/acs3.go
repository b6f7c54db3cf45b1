package creds

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"net/url"
	"slices"
	"strings"
)

const acs3 = "ACS3-HMAC-SHA256"

// signACS3 signs a request of Alibaba Cloud's RPC style, which has no path and
// its parameters in the query. The headers to sign are all that begin with
// "x-acs-", which must be set, the content type where there is one, and the
// host.
func signACS3(req *http.Request, body []byte, id string, secret Secret) {
	req.Header.Set("x-acs-content-sha256", hexSHA256(body))
	signed := map[string]string{"host": req.Host}
	for k, v := range req.Header {
		if k := strings.ToLower(k); strings.HasPrefix(k, "x-acs-") || k == "content-type" {
			signed[k] = strings.TrimSpace(v[0])
		}
	}
	var names []string
	for k := range signed {
		names = append(names, k)
	}
	slices.Sort(names)

	var canonical strings.Builder
	canonical.WriteString(req.Method + "\n/\n" + canonicalQuery(req.URL.Query()) + "\n")
	for _, k := range names {
		canonical.WriteString(k + ":" + signed[k] + "\n")
	}
	list := strings.Join(names, ";")
	canonical.WriteString("\n" + list + "\n" + hexSHA256(body))

	mac := hmac.New(sha256.New, []byte(secret.Reveal()))
	mac.Write([]byte(acs3 + "\n" + hexSHA256([]byte(canonical.String()))))
	req.Header.Set("Authorization",
		acs3+" Credential="+id+",SignedHeaders="+list+",Signature="+hex.EncodeToString(mac.Sum(nil)))
}

// canonicalQuery encodes by RFC 3986, in the order of the keys.
func canonicalQuery(q url.Values) string {
	return strings.NewReplacer("+", "%20", "*", "%2A", "%7E", "~").Replace(q.Encode())
}

func hexSHA256(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
