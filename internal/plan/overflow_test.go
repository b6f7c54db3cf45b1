package plan

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/osssync/osssync/internal/state"
)

// A directory that was remembered in place of its paths, and is gone when it is
// listed, is looked at through the index.
func TestOverflowOfVanishedDirectory(t *testing.T) {
	sim(t, Options{}, mirror, func(t *testing.T, w *world, q *Queue, l *Lane) {
		w.write("k")
		for _, p := range []string{"d/a", "d/e/b"} {
			w.write(p)
			w.sent(p)
			w.remove(p)
		}
		q.mu.Lock()
		if l.remember("d", 1) {
			t.Error("a scan is asked for")
		}
		q.mu.Unlock()
		var got []string
		for job := try(t, q, time.Minute); job != nil; job = try(t, q, time.Minute) {
			got = append(got, job.Path)
			q.Done(job, w.do(job))
		}
		slices.Sort(got)
		if diff := cmp.Diff([]string{"d/a", "d/e/b"}, got); diff != "" {
			t.Error(diff)
		}
	})
}

// Of more paths than can be remembered only the directories are, and nothing is
// lost.
func TestOverflow(t *testing.T) {
	for _, list := range []bool{true, false} {
		t.Run(fmt.Sprint(list), func(t *testing.T) { testOverflow(t, list) })
	}
}

// A crowd is a world with many files, in which a directory is found fast.
type crowd struct {
	*world
	names map[string][]string // by directory, sorted
}

func newCrowd(w *world, files int) *crowd {
	c := &crowd{w, map[string][]string{}}
	for i := range files {
		dir, name := fmt.Sprintf("d%02d", i%40), fmt.Sprintf("f%06d", i)
		c.names[dir] = append(c.names[dir], name)
		w.disk[join(dir, name)] = state.Version{Size: 1, MTime: int64(i), CTime: int64(i), FileID: state.FileID{uint64(i) + 1}}
	}
	return c
}

func (c *crowd) list(_ context.Context, dir string) (Listing, error) {
	li := Listing{Dir: dir, Digest: 1}
	for _, name := range c.names[dir] {
		v := c.disk[join(dir, name)]
		li.Files = append(li.Files, File{name, v.Size, v.MTime, v.CTime, v.FileID})
	}
	if dir == "" {
		li.Dirs = slices.Sorted(maps.Keys(c.names))
	}
	return li, nil
}

func (c *crowd) Files(_ context.Context, dir, after string, limit int) ([]state.Named, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	var list []state.Named
	for _, name := range c.names[dir] {
		if e, ok := c.index[join(dir, name)]; ok && name > after && len(list) < limit {
			list = append(list, state.Named{Name: name, Entry: e})
		}
	}
	return list, nil
}

func (c *crowd) Dirs(context.Context, string) ([]string, error) { return nil, nil }

func testOverflow(t *testing.T, list bool) {
	const files = maxActive + 5_000
	var rescans atomic.Int64
	sim(t, Options{}, nil, func(t *testing.T, w *world, q *Queue, _ *Lane) {
		c := newCrowd(w, files)
		o := w.options()
		o.Index, o.List = c, nil
		if list {
			o.List = c.list
		}
		o.Rescan = func() { rescans.Add(1) }
		l := q.Lane(o)
		for dir, names := range c.names {
			for _, name := range names {
				l.Hint(join(dir, name), Moved)
			}
		}
		seq := l.Sequence()
		if s, _ := l.Status(t.Context()); len(l.items) > maxActive || s.Pending > maxActive {
			t.Errorf("%d paths remembered", len(l.items))
		}
		if list == (rescans.Load() != 0) {
			t.Errorf("%d scans asked for", rescans.Load())
		}
		ctx, cancel := context.WithCancel(t.Context())
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				for {
					job, err := q.Next(ctx)
					if err != nil {
						return
					}
					q.Done(job, w.do(job))
				}
			})
		}
		if !list {
			for _, dir := range append([]string{""}, slices.Sorted(maps.Keys(c.names))...) {
				li, _ := c.list(ctx, dir)
				li.Scan = 1
				if err := l.Listed(ctx, li); err != nil {
					t.Error(err)
				}
			}
		}
		if err := l.Scanned(ctx, Scan{Number: 1, Complete: true, Root: w.id}); err != nil {
			t.Error(err)
		}
		if failures, err := l.WaitFor(t.Context(), seq); err != nil || len(failures) != 0 {
			t.Errorf("WaitFor: %v, %v", failures, err)
		}
		if n := len(w.index); n != files {
			t.Errorf("%d of %d sent when the barrier fell", n, files)
		}
		cancel()
		wg.Wait()
	})
}
