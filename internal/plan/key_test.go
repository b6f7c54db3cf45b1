package plan

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestKey(t *testing.T) {
	tests := []struct {
		name, prefix, rel string
		want              string
		err               error
	}{
		{"plain", "", "a/b.txt", "a/b.txt", nil},
		{"prefixed", "logs/i-1/", "a b", "logs/i-1/a b", nil},
		{"prefix without a slash", "logs-", "a", "logs-a", nil},
		{"Chinese", "", "日志/一.txt", "日志/一.txt", nil},
		{"control characters are the user's", "", "a\nb\x7f", "a\nb\x7f", nil},
		{"backslash inside", "", `a\b`, `a\b`, nil},
		{"backslash after a prefix", "p/", `\b`, `p/\b`, nil},
		{"longest", "p/", strings.Repeat("x", 1021), "p/" + strings.Repeat("x", 1021), nil},
		{"too long by one", "p/", strings.Repeat("x", 1022), "", ErrKeyLength},
		{"too long in bytes, not in characters", "", strings.Repeat("一", 342), "", ErrKeyLength},
		{"empty", "", "", "", ErrKeyLength},
		{"only a prefix", "p/", "", "", ErrKeyLength},
		{"begins with a slash", "/p/", "a", "", ErrKeyStart},
		{"begins with a backslash", "", `\a`, "", ErrKeyStart},
		{"Latin-1", "", "caf\xe9", "", ErrKeyEncoding},
		{"surrogate half", "", "a\xed\xa0\x80", "", ErrKeyEncoding},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got, err := Key(tt.prefix, tt.rel)
			if got != tt.want || !errors.Is(err, tt.err) {
				t.Fatalf("Key(%q, %q) = %q, %v, want %q, %v", tt.prefix, tt.rel, got, err, tt.want, tt.err)
			}
			var ke *KeyError
			if err != nil && (!errors.As(err, &ke) || ke.Path != tt.rel) {
				t.Errorf("error %#v is no *KeyError of %q", err, tt.rel)
			}
		})
	}
}

// A file that would lie among the deleted ones of its job fails and says so.
func TestKeyTrash(t *testing.T) {
	var events []Event
	report := Options{Report: func(e Event) { events = append(events, e) }}
	opt := func(o *LaneOptions) { o.Deletes, o.TrashPrefix = Trash, ".trash/" }
	sim(t, report, opt, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("a")
		w.write(".trash/a")
		if err := w.scan(t.Context(), l, 1); err != nil {
			t.Fatal(err)
		}
		if got := drain(t, q, w.do); !slices.Equal(got, []string{"upload a"}) {
			t.Errorf("did %q", got)
		}
		s, err := l.Status(t.Context())
		if err != nil || len(s.Failures) != 1 || s.Failures[0].Path != ".trash/a" || !errors.Is(s.Failures[0].Err, ErrKeyTrash) {
			t.Errorf("status %+v, %v", s, err)
		}
	})
}

func FuzzKey(f *testing.F) {
	f.Add("p/", "a/b")
	f.Add("", "\\x")
	f.Add("", "\xff")
	f.Fuzz(func(t *testing.T, prefix, rel string) {
		key, err := Key(prefix, rel)
		if err != nil {
			if key != "" || strings.Contains(err.Error(), "\n") {
				t.Errorf("Key(%q, %q) = %q, %q", prefix, rel, key, err)
			}
			return
		}
		if key != prefix+rel || !utf8.ValidString(key) || len(key) == 0 || len(key) > 1023 || key[0] == '/' || key[0] == '\\' {
			t.Errorf("Key(%q, %q) = %q", prefix, rel, key)
		}
	})
}
