package creds

import "testing"

// TestSafeCode holds back what a hostile service puts in the place of a code.
func TestSafeCode(t *testing.T) {
	for code, want := range map[string]string{
		"NoPermission":                  "NoPermission",
		"InvalidAccessKeyId.NotFound":   "InvalidAccessKeyId.NotFound",
		"3vK8yQzAbCdEfGhIjKlMnOpQrStUv": "an error",
		"a b":                           "an error",
		"":                              "an error",
	} {
		if got := safeCode(code); got != want {
			t.Errorf("safeCode(%q) = %q, want %q", code, got, want)
		}
	}
}
