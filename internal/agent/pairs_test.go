package agent

import (
	"context"
	"errors"
	"iter"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
)

// shows yields objects of these keys, then err if there is one.
func shows(err error, keys ...string) iter.Seq2[Object, error] {
	return func(yield func(Object, error) bool) {
		for _, key := range keys {
			if !yield(Object{Key: key, Size: 1, ETag: "E"}, nil) {
				return
			}
		}
		if err != nil {
			yield(Object{}, err)
		}
	}
}

// TestPairs merges an index with listings. Where a listing breaks off or is out
// of order nothing may look as if it were missing behind that.
func TestPairs(t *testing.T) {
	db, err := state.Open(t.Context(), t.TempDir(), state.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	r, err := db.Root(t.Context(), state.RootKey{Source: "/s", Bucket: "b", Prefix: "p/"})
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"a/b", "a-b", "a", "c"} {
		if err := r.Record(t.Context(), path, state.Entry{Version: state.Version{Size: 1}, ETag: "e"}); err != nil {
			t.Fatal(err)
		}
	}
	broken := errors.New("broken")
	for _, tt := range []struct {
		name string
		list iter.Seq2[Object, error]
		want string // = both, - only in the index, + only in the bucket
		fail bool
	}{
		{"equal", shows(nil, "p/a", "p/a-b", "p/a/b", "p/c"), "=a =a-b =a/b =c", false},
		{"empty", shows(nil), "-a -a-b -a/b -c", false},
		{"more", shows(nil, "p/", "p/0", "p/a.", "p/a/b", "p/a/b/c", "p/d"), "+ +0 -a -a-b +a. =a/b +a/b/c -c +d", false},
		{"broken at once", shows(broken), "", true},
		{"broken later", shows(broken, "p/a"), "=a", true},
		{"broken at the end", shows(broken, "p/a", "p/a-b", "p/a/b", "p/c"), "=a =a-b =a/b =c", true},
		{"out of order", shows(nil, "p/c", "p/a"), "-a -a-b -a/b =c", true},
		{"twice", shows(nil, "p/a", "p/a"), "=a", true},
		{"of another prefix", shows(nil, "q/a"), "", true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var got []string
			var failed error
			for p, err := range pairs(t.Context(), r.View, tt.list) {
				switch {
				case err != nil:
					failed = err
				case p.entry == nil:
					got = append(got, "+"+p.path)
				case p.object == nil:
					got = append(got, "-"+p.path)
				case !p.agree():
					t.Errorf("%s: %+v and %+v do not agree", p.path, p.entry, p.object)
				default:
					got = append(got, "="+p.path)
				}
			}
			if diff := cmp.Diff(tt.want, strings.Join(got, " ")); diff != "" || failed != nil != tt.fail {
				t.Errorf("error %v (-want +got):\n%s", failed, diff)
			}
		})
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for _, err := range pairs(ctx, r.View, shows(nil)) {
		if !errors.Is(err, context.Canceled) {
			t.Errorf("cancelled: %v", err)
		}
	}
}
