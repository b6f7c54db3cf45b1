package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite golden files and generated documentation")

// TestMistakes loads each file of testdata/mistakes, which holds configuration
// files and, after "-- want --", what Load says of them.
func TestMistakes(t *testing.T) {
	files, err := filepath.Glob("testdata/mistakes/*.txt")
	if err != nil || len(files) == 0 {
		t.Fatalf("no test files: %v", err)
	}
	for _, name := range files {
		t.Run(filepath.Base(name), func(t *testing.T) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			input, want, _ := strings.Cut(strings.ReplaceAll(string(b), "\r\n", "\n"), "-- want --\n")
			path := write(t, input)
			c, err := Load(path)
			if c != nil {
				t.Error("Load returned a configuration with its mistakes")
			}
			got := hints(path, err)
			if *update {
				// Written on a system whose paths begin with /, it is good for all.
				got = regexp.MustCompile(`(?m)(^|[ "])/(\w)`).ReplaceAllString(got, "$1@/$2")
				got = strings.ReplaceAll(got, `job.prefix: "@/`, `job.prefix: "/`) // which is no path
				if err := os.WriteFile(name, []byte(input+"-- want --\n"+got), 0o644); err != nil {
					t.Fatal(err)
				}
				return
			}
			if diff := cmp.Diff(native(want), got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// hints returns each mistake of err on a line, with its hint on another.
func hints(path string, err error) string {
	var b strings.Builder
	for _, e := range Mistakes(err) {
		b.WriteString(report(path, e) + "\n")
		if e.Hint != "" {
			b.WriteString("\thint: " + e.Hint + "\n")
		}
	}
	return b.String()
}

func TestMistakesOfOtherErrors(t *testing.T) {
	if got := Mistakes(nil); got != nil {
		t.Errorf("Mistakes(nil) = %v", got)
	}
	if got := Mistakes(errors.New("other")); got != nil {
		t.Errorf("Mistakes of another error = %v", got)
	}
}

// No mistake tells what an access key was, whatever it is called, where it
// stands and what else is wrong with it.
func TestAccessKeyIsNotEchoed(t *testing.T) {
	names := []string{
		"access_key_id", "access_key_secret", "accessKeyID", "AccessKeyId", "ACCESS-KEY-SECRET", `"access key"`,
		"ak", "SK", "sk", "secret_key", "secretKey", "security_token", "SecurityToken", "sts-token", "session_token",
		"alibaba_cloud_access_key_id", "aws_secret_access_key", "secret", "accessId", "access_id", "key_id",
	}
	const key = "Zm9vYmFyc2VjcmV0a2V5MTIz"
	for _, name := range names {
		for where, text := range map[string]string{
			"top":          name + ` = "VALUE"`,
			"section":      "[oss]\n" + name + ` = "VALUE"`,
			"job":          "[[job]]\n" + name + ` = "VALUE"`,
			"metadata":     "[[job]]\nmetadata = { " + name + ` = "VALUE" }`,
			"dotted":       "credentials." + name + `.x = "VALUE"`,
			"unknown":      "[a.b.c]\n" + name + ` = "VALUE"`,
			"inline array": "[oss]\nx = [[{ " + name + ` = "VALUE" }]]`,
			"number":       "[oss]\n" + name + ` = 12345678901234567`,
			"table":        "[oss." + name + "]\nx = \"VALUE\"",
			"syntax":       "[oss]\n" + name + ` = "VALUE\q"`,
			"unquoted":     "[oss]\n" + name + ` = VALUE`,
			"too large":    "[oss]\n" + name + ` = 99999999999999999999`,
		} {
			_, err := Load(write(t, strings.ReplaceAll(text, "VALUE", key)))
			if err == nil {
				t.Errorf("%s at %s: taken", name, where)
				continue
			}
			if where != "syntax" && where != "unquoted" && where != "too large" && !errors.Is(err, ErrAccessKey) {
				t.Errorf("%s at %s: %v, want ErrAccessKey", name, where, err)
			}
			if s := err.Error(); strings.Contains(s, key) || strings.Contains(s, "1234567") || strings.Contains(s, "99999") {
				t.Errorf("%s at %s: the error tells the key: %s", name, where, s)
			}
		}
	}
}

// An access key is refused by its look as well, under a name that may be there.
func TestAccessKeyByValue(t *testing.T) {
	for _, value := range []string{"LTAI5tExampleExampleExa", "STS.NUExampleExample1", "x/LTAI5tExampleExampleExa/"} {
		for _, text := range []string{
			"[credentials]\nrole = 'VALUE'", "[[job]]\nprefix = 'VALUE'", "[[job]]\nfilter = ['- a', '- VALUE']",
			"[[job]]\ntags = { a = 'VALUE' }", "[oss]\nendpoint = 'https://VALUE:secret@example.com'",
		} {
			_, err := Load(write(t, strings.ReplaceAll(text, "VALUE", value)))
			if !errors.Is(err, ErrAccessKey) {
				t.Errorf("%q: %v, want ErrAccessKey", text, err)
			} else if strings.Contains(err.Error(), value) {
				t.Errorf("%q: the error tells the key: %v", text, err)
			}
		}
	}
	for _, value := range []string{"LTAI", "LTAI5t", "STS.example.com", "vLTAI5tExampleExampleExa"} {
		if holdsAccessKey(value) {
			t.Errorf("%q is taken for an access key", value)
		}
	}
}

// No key of ours, and nothing else that people write, is taken for an access key.
func TestKeysAreNoAccessKeys(t *testing.T) {
	for _, s := range sections {
		for _, k := range append(s.keys, key{name: s.name}, key{name: "task"}, key{name: "keep"}, key{name: "token-bucket"}) {
			if isAccessKey(k.name) {
				t.Errorf("%q is taken for an access key", k.name)
			}
		}
	}
}

func TestLikely(t *testing.T) {
	known := []string{"bucket", "max_uploads", "max_size", "min_size", "region"}
	for name, want := range map[string]string{
		"buckets": "bucket", "bukcet": "bucket", "Bucket": "bucket", "maxUploads": "max_uploads", "max-upload": "max_uploads",
		"max_siz": "max_size", "regions": "region", "": "", "x": "", "completely_different": "", "bandwidth": "",
		strings.Repeat("bucket", 50): "",
	} {
		if got := likely(name, known); got != want {
			t.Errorf("likely(%q) = %q, want %q", name, got, want)
		}
	}
}
