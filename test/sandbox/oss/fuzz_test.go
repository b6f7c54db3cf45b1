package oss_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
)

// fuzzServer answers without a network.
func fuzzServer(f *testing.F) http.Handler {
	s := start(f)
	return s.Server
}

// serve sends a request that a real server could have parsed, and checks that
// the answer is one.
func serve(t *testing.T, h http.Handler, r *http.Request) *httptest.ResponseRecorder {
	t.Helper()
	w := httptest.NewRecorder()
	h.ServeHTTP(w, r)
	if w.Code < 200 || w.Code > 599 {
		t.Errorf("%s %s: status %d", r.Method, r.RequestURI, w.Code)
	}
	if w.Header().Get("X-Oss-Request-Id") == "" {
		t.Errorf("%s %s: no request id", r.Method, r.RequestURI)
	}
	return w
}

// FuzzRequest sends any request line and host. Without a signature none may
// store anything.
func FuzzRequest(f *testing.F) {
	for _, seed := range [][3]string{
		{"GET", "/", "127.0.0.1"},
		{"PUT", "/test-bucket/a%2Fb//../c", "127.0.0.1:80"},
		{"GET", "/test-bucket?prefix=a+b&delimiter=%2F&max-keys=3&encoding-type=url", "localhost"},
		{"POST", "/test-bucket/k?uploadId=1&partNumber=-1", "x"},
		{"HEAD", "/k?versionId=null", "test-bucket.localhost"},
		{"GET", "http://other/test-bucket/k?acl", "test-bucket.127-0-0-1.nip"},
		{"DELETE", "/test-bucket/%zz", "[::1]:1"},
		{"GET", "/test-bucket/%00?%", ""},
		{"GET", "*", "."},
		{"POST", "/test-bucket?delete", "127.0.0.1"},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	h := fuzzServer(f)
	f.Fuzz(func(t *testing.T, method, uri, host string) {
		r := &http.Request{Method: method, RequestURI: uri, Host: host, URL: &url.URL{}, Header: http.Header{}, Body: http.NoBody}
		w := serve(t, h, r)
		if w.Code < 300 {
			t.Errorf("%s %s at %s: status %d without a signature", method, uri, host, w.Code)
		}
	})
}

// FuzzSignature sends any claim to be someone. None is right, for the secret is
// not among the seeds.
func FuzzSignature(f *testing.F) {
	for _, seed := range [][3]string{
		{"OSS " + keyID + ":c2lnbmF0dXJl", "", ""},
		{"OSS " + keyID, "", "Mon, 02 Jan 2006 15:04:05 GMT"},
		{"OSS2 AccessKeyId:" + keyID + ",AdditionalHeaders:host;date,Signature:eA==", "a=b&%7C", ""},
		{"OSS4-HMAC-SHA256 Credential=" + keyID + "/20260102/cn-hangzhou/oss/aliyun_v4_request, AdditionalHeaders=host, Signature=00", "", "20260102T000000Z"},
		{"OSS4-HMAC-SHA256 Credential=////,Signature=", "", ""},
		{"", "OSSAccessKeyId=" + keyID + "&Expires=4102444800&Signature=eA%3D%3D&security-token=x", ""},
		{"", "x-oss-signature-version=OSS2&x-oss-access-key-id=" + keyID + "&x-oss-expires=4102444800&x-oss-signature=x", ""},
		{"", "x-oss-signature-version=OSS4-HMAC-SHA256&x-oss-credential=" + keyID +
			"%2F20260102%2Fcn-hangzhou%2Foss%2Faliyun_v4_request&x-oss-date=20260102T000000Z&x-oss-expires=60&x-oss-signature=00", ""},
		{"Bearer x", "", ""},
	} {
		f.Add(seed[0], seed[1], seed[2])
	}
	h := fuzzServer(f)
	f.Fuzz(func(t *testing.T, authorization, query, date string) {
		r := httptest.NewRequest("PUT", "/", strings.NewReader("content"))
		r.RequestURI = "/" + name + "/k?" + query
		r.Header.Set("Authorization", authorization)
		r.Header.Set("X-Oss-Date", date)
		r.Header.Set("X-Oss-Content-Sha256", "UNSIGNED-PAYLOAD")
		if w := serve(t, h, r); w.Code < 300 {
			t.Errorf("%q, %q, %q: status %d", authorization, query, date, w.Code)
		}
	})
}
