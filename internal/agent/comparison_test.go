package agent

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// What a listing alone says stays an assumption, however often the bucket is
// listed again before a worker has read the file. What a snapshot says is right
// if the listing shows the object that it tells of.
func TestComparisonTwice(t *testing.T) {
	ctx, source := t.Context(), t.TempDir()
	if err := os.WriteFile(filepath.Join(source, "f"), []byte("12345"), 0o600); err != nil {
		t.Fatal(err)
	}
	tree, err := upload.OpenTree(source, false)
	if err != nil {
		t.Fatal(err)
	}
	defer tree.Close()
	filter, err := plan.ParseFilter(nil)
	if err != nil {
		t.Fatal(err)
	}
	object := &Object{Key: "p/f", Size: 5, ETag: "E", Modified: time.Now()}
	snapshot := state.Entry{Version: state.Version{Size: 5, MTime: 1}, CRC64: 7, ETag: "E", Assumed: true}
	for name, tt := range map[string]struct {
		before  *state.Entry
		assumed bool
	}{"listed": {nil, true}, "snapshot": {&snapshot, false}} {
		db, err := state.Open(ctx, t.TempDir(), state.Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer db.Close()
		root, err := db.Root(ctx, state.RootKey{Source: source, Bucket: "b", Prefix: "p/"})
		if err != nil {
			t.Fatal(err)
		}
		c := &comparison{line: &line{job: &config.Job{Name: "docs"}, root: root, tree: tree, filter: filter, prefix: "p/"}}
		e := tt.before
		for range 3 {
			if err := c.take(ctx, pair{path: "f", entry: e, object: object}); err != nil {
				t.Fatal(err)
			}
			if err := c.flush(ctx); err != nil {
				t.Fatal(err)
			}
			if e, err = root.Lookup(ctx, "f"); err != nil || e == nil || e.Assumed != tt.assumed {
				t.Errorf("%s: %+v, %v, want assumed %t", name, e, err, tt.assumed)
			}
		}
	}
}
