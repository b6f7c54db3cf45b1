package watch

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

// The tree against a map of paths.
func TestTree(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	tr := newTree()
	root := tr.add(0, "", 1, 1)
	if root != rootID {
		t.Fatalf("the root is %d", root)
	}
	type entry struct {
		ino     uint64
		watched bool
	}
	model := map[string]entry{"": {ino: 1}}
	serial := uint64(1)
	for range 20000 {
		paths := make([]string, 0, 4)
		for p := range model { // some at random
			if paths = append(paths, p); len(paths) == cap(paths) {
				break
			}
		}
		path := paths[r.IntN(len(paths))]
		switch r.IntN(12) {
		case 0:
			if path == "" {
				continue
			}
			var dropped, want []string
			tr.drop(tr.find(path), func(p string) { dropped = append(dropped, p) })
			for p, e := range model {
				if p == path || strings.HasPrefix(p, path+"/") {
					if e.watched {
						want = append(want, p)
					}
					delete(model, p)
				}
			}
			slices.Sort(dropped)
			slices.Sort(want)
			if !slices.Equal(dropped, want) {
				t.Fatalf("drop of %q: %q, want %q", path, dropped, want)
			}
		case 1, 2, 3:
			e := model[path]
			e.watched = !e.watched
			model[path] = e
			tr.setWatched(tr.find(path), e.watched)
		default:
			name := fmt.Sprint("n", r.IntN(4))
			child := join(path, name)
			if _, there := model[child]; there || strings.Count(child, "/") > 8 {
				continue
			}
			serial++
			tr.add(tr.find(path), name, 1, serial)
			model[child] = entry{ino: serial}
		}
	}
	watched := 0
	for p, e := range model {
		id := tr.find(p)
		if id == 0 || tr.path(id) != p || tr.at(id).ino != e.ino {
			t.Errorf("find(%q) = %d, path %q", p, id, tr.path(id))
		}
		if got := tr.byInode(1, e.ino); (got != 0) != e.watched || got != 0 && got != id {
			t.Errorf("byInode of %q = %d, want %d", p, got, id)
		}
		if e.watched {
			watched++
		}
	}
	if tr.count != len(model) || tr.watched != watched || tr.find("none/such") != 0 {
		t.Errorf("count %d of %d, watched %d of %d", tr.count, len(model), tr.watched, watched)
	}
	tr.drop(rootID, func(string) {})
	if tr.count != 0 || tr.names.count != 0 || tr.inodes.count != 0 || tr.find("") != 0 {
		t.Errorf("not empty after all was dropped: %d nodes, %d names, %d inodes", tr.count, tr.names.count, tr.inodes.count)
	}
	if id := tr.add(0, "", 1, 1); id != rootID {
		t.Errorf("the next root is %d", id)
	}
}
