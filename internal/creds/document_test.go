package creds

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func TestCodeNotSuccess(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		b.fake.answer("GET credential", 200, `{"Code":"Fail"}`)
		b.start(t)
		_, err := b.Get(t.Context())
		wantKind(t, err, BadResponse)
		if !strings.Contains(err.Error(), "Fail") {
			t.Errorf("error %q does not name the code", err)
		}
		time.Sleep(5 * time.Minute)
		if n := b.fake.count("PUT"); n > 20 {
			t.Errorf("%d attempts in 5 minutes", n)
		}
		b.fake.heal()
		time.Sleep(time.Minute)
		b.want(t, "STS.app.1")
	})
}

// Each member absent, null, of another type, empty, with white space or a
// control character, and twice.
func TestCredentialDocuments(t *testing.T) {
	now := time.Date(2026, 1, 2, 12, 0, 0, 0, time.UTC)
	good := map[string]string{
		"AccessKeyId": `"STS.x"`, "AccessKeySecret": `"` + secretMark + `"`, "SecurityToken": `"` + tokenMark + `"`,
		"Expiration": `"2026-01-02T18:00:00Z"`, "Code": `"Success"`, "LastUpdated": `"2026-01-02T12:00:00Z"`,
	}
	build := func(key, value string) []byte {
		var parts []string
		for k, v := range good {
			if k == key {
				v = value
			}
			if v != "" {
				parts = append(parts, fmt.Sprintf("%q:%s", k, v))
			}
		}
		return []byte("{" + strings.Join(parts, ",") + "}")
	}
	if _, err := parseCredential(build("", ""), "app", now); err != nil {
		t.Fatalf("good document: %v", err)
	}
	values := map[string]string{
		"absent": "", "null": "null", "number": "12", "object": `{"a":1}`, "list": `["x"]`, "bool": "true",
		"empty": `""`, "space": `"a b"`, "newline": `"a\nb"`, "NUL": `"a\u0000b"`, "not ASCII": `"ä"`, "huge": `"` + strings.Repeat("x", 40<<10) + `"`,
		"twice": good["Code"] + `,"Code":"Success","AccessKeyId":"a","AccessKeySecret":"b","SecurityToken":"c","Expiration":"d"`,
	}
	for key := range good {
		for what, value := range values {
			_, err := parseCredential(build(key, value), "app", now)
			if key == "LastUpdated" && what != "twice" {
				if err != nil {
					t.Errorf("%s %s: %v; want it ignored", key, what, err)
				}
				continue
			}
			if kindOf(err) != BadResponse {
				t.Errorf("%s %s: error %v", key, what, err)
				continue
			}
			noSecrets(t, err.Error())
		}
	}
	lower := []byte(strings.ReplaceAll(string(build("", "")), "AccessKeyId", "accesskeyid"))
	if _, err := parseCredential(lower, "app", now); kindOf(err) != BadResponse {
		t.Errorf("key in another case: %v", err)
	}
}

func TestNotOneJSONObject(t *testing.T) {
	one := credentialJSON("app", 1, time.Now().Add(time.Hour))
	for _, body := range []string{"", " ", "null", `"x"`, "[]", "{", one[:len(one)-1], one + one, one + "x", "[" + one + "]", "\x00" + one, "{\"a\" 1}", "{1:2}", strings.Repeat("[", 100_000)} {
		if _, err := parseCredential([]byte(body), "app", time.Now()); kindOf(err) != BadResponse {
			t.Errorf("%.40q: error %v", body, err)
		}
	}
	if _, err := parseCredential([]byte("\r\n"+one+"\n \t"), "app", time.Now()); err != nil {
		t.Errorf("white space around: %v", err)
	}
}

func TestCodeOfAnyCase(t *testing.T) {
	body := strings.Replace(credentialJSON("app", 1, time.Now().Add(time.Hour)), `"Success"`, `"SUCCESS"`, 1)
	if _, err := parseCredential([]byte(body), "app", time.Now()); err != nil {
		t.Error(err)
	}
}

func TestCodeIsNotEchoedBlindly(t *testing.T) {
	_, err := parseCredential([]byte(`{"Code":"<script>alert(1)</script>"}`), "app", time.Now())
	wantKind(t, err, BadResponse)
}

// An answer as long as is allowed, and one byte more.
func TestBodyLimit(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		good := credentialJSON("app", 1, time.Now().Add(time.Hour))
		b.fake.answer("GET credential", 200, good+strings.Repeat(" ", maxBody+1-len(good)))
		_, err := b.Get(t.Context())
		wantKind(t, err, BadResponse)
		b.fake.answer("GET credential", 200, good+strings.Repeat(" ", maxBody-len(good)))
		time.Sleep(time.Minute)
		b.want(t, "STS.app.1")
	})
}

func TestLongToken(t *testing.T) {
	bubble(t, func(t *testing.T) {
		b := newBench(t)
		long := strings.Repeat("t", 16<<10)
		b.fake.answer("GET credential", 200, strings.Replace(credentialJSON("app", 1, time.Now().Add(time.Hour)), tokenMark+".app.1", long, 1))
		s, err := b.Get(t.Context())
		if err != nil || s.SecurityToken.Reveal() != long {
			t.Errorf("a token of 16 KiB: %v", err)
		}
	})
}
