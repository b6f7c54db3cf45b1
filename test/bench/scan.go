package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/watch"
	"github.com/osssync/osssync/test/sandbox/box"
)

const (
	scanRounds = 3
	watchLimit = "/proc/sys/fs/inotify/max_user_watches"
)

// wideTree and bushyTree: what it costs to find that nothing has changed in a
// large tree, beside find, and how much memory an agent needs that knows it.
func wideTree(ctx context.Context, b *bench) error { return b.scans(ctx, 1000) }

func bushyTree(ctx context.Context, b *bench) error { return b.scans(ctx, 200_000) }

func (b *bench) scans(ctx context.Context, dirs int) error {
	dirs = max(1, dirs*b.files/1_000_000)
	tree, err := b.largeTree(ctx, b.files, dirs)
	if err != nil {
		return err
	}
	lower, err := raiseWatches(dirs)
	if err != nil {
		return err
	}
	defer lower()
	w, err := b.known(ctx, tree)
	if err != nil {
		return err
	}
	defer w.Close()
	// This one reads the index, and notes that every directory is in order.
	if _, _, err := b.sync(ctx, w, 0); err != nil {
		return err
	}
	pass, restart, err := b.starts(ctx, w, tree)
	if err != nil {
		return err
	}
	rescan, used, err := b.rescans(ctx, w, tree, scanRounds)
	if err != nil {
		return err
	}
	none, err := b.idle(ctx)
	if err != nil {
		return err
	}
	fmt.Printf("  %-44s %s\n", "osssync, a rescan / find", rescan)
	fmt.Printf("  %-44s %s\n", "osssync run, until it watches / find", restart)
	fmt.Printf("  %-44s %s\n", "osssync sync, from start to end / find", pass)
	fmt.Printf("  %-44s %10.0f MiB, %.0f at most\n", "osssync run, more memory than with no files",
		float64(used.rest-none.rest)/(1<<20), float64(used.most-none.most)/(1<<20))
	return nil
}

// A comparison is how long something took of ours, beside find, in turns.
type comparison struct{ ours, find []time.Duration }

func (c *comparison) add(ours, find time.Duration) {
	c.ours, c.find = append(c.ours, ours), append(c.find, find)
}

func (c comparison) String() string {
	var each []string
	for i := range c.ours {
		each = append(each, fmt.Sprintf("%.2f", c.ours[i].Seconds()/c.find[i].Seconds()))
	}
	ours, find := median(slices.Clone(c.ours)), median(slices.Clone(c.find))
	return fmt.Sprintf("%10.2f  (%.2f s / %.2f s; each: %s)", ours.Seconds()/find.Seconds(), ours.Seconds(), find.Seconds(), strings.Join(each, " "))
}

// starts measures a whole pass and the time from an agent's start until it has
// scanned and watches.
func (b *bench) starts(ctx context.Context, w *world, tree string) (pass, restart comparison, err error) {
	for range scanRounds {
		theirs, err := find(ctx, tree)
		if err != nil {
			return pass, restart, err
		}
		begun := time.Now()
		a, err := b.start(ctx, w)
		if err != nil {
			return pass, restart, err
		}
		if _, err := a.scanned(); err != nil {
			return pass, restart, errors.Join(err, a.stop())
		}
		restart.add(time.Since(begun), theirs)
		if err := a.stop(); err != nil {
			return pass, restart, err
		}
		ours, _, err := b.sync(ctx, w, 0)
		if err != nil {
			return pass, restart, err
		}
		pass.add(ours, theirs)
	}
	return pass, restart, nil
}

// A need is how much resident memory an agent uses, bytes: when it has nothing
// to do, and at most.
type need struct{ rest, most int64 }

// rescans measures the scans that a running agent is asked for, and how much
// memory it uses.
func (b *bench) rescans(ctx context.Context, w *world, tree string, rounds int) (rescan comparison, used need, err error) {
	a, err := b.start(ctx, w)
	if err != nil {
		return rescan, used, err
	}
	_, err = a.scanned()
	for i := 0; i < rounds && err == nil; i++ {
		var theirs, ours time.Duration
		if theirs, err = find(ctx, tree); err != nil {
			break
		}
		if err = a.rescan(ctx); err != nil {
			break
		}
		if ours, err = a.scanned(); err == nil {
			rescan.add(ours, theirs)
		}
	}
	time.Sleep(time.Second) // until it rests
	used.rest, _ = a.memory.now()
	err = errors.Join(err, a.stop())
	used.most = a.peak
	return rescan, used, err
}

// idle returns what an agent needs whose source is empty.
func (b *bench) idle(ctx context.Context) (need, error) {
	dir, err := os.MkdirTemp(b.dir, "empty-")
	if err != nil {
		return need{}, err
	}
	w, err := b.world(0, dir)
	if err != nil {
		return need{}, err
	}
	defer w.Close()
	_, used, err := b.rescans(ctx, w, dir, scanRounds)
	return used, err
}

// known returns a world whose index holds every file of a tree as it is, as if
// all had been sent. The index is kept beside the tree.
func (b *bench) known(ctx context.Context, tree string) (*world, error) {
	w, err := b.world(0, tree)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(b.cache, "state-"+filepath.Base(tree))
	text := w.ConfigWith(map[string]map[string]any{"agent": {"state_dir": dir}}, box.Job{"name": "bench", "source": tree})
	if err := os.WriteFile(w.config, []byte(text), 0o644); err != nil {
		return nil, errors.Join(err, w.Close())
	}
	if _, err := os.Stat(dir); err == nil {
		// A token that is kept there is of a sandbox that is no more.
		if err := os.RemoveAll(filepath.Join(dir, "credentials")); err != nil {
			return nil, errors.Join(err, w.Close())
		}
		return w, nil
	}
	fmt.Printf("  making an index of it\n")
	half := dir + ".half"
	err = os.RemoveAll(half)
	if err == nil {
		err = b.fill(ctx, half, tree, w.Bucket)
	}
	if err == nil {
		err = os.Rename(half, dir)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	return w, nil
}

// fill has an index made by a process of its own, for the sandbox in this one
// uses SQLite in another way.
func (b *bench) fill(ctx context.Context, dir, tree, bucket string) error {
	exe, err := os.Executable()
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, exe, "-fill", dir, "-path", tree, "-base", bucket)
	cmd.Stderr = os.Stderr
	return cmd.Run()
}

func fillIndex(ctx context.Context, dir, tree, bucket string) (err error) {
	db, err := state.Open(ctx, dir, state.Options{})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, db.Close()) }()
	root, err := db.Root(ctx, state.RootKey{Source: tree, Bucket: bucket})
	if err != nil {
		return err
	}
	f := &filler{root: root}
	if err := watch.ScanOnce(ctx, tree, f, watch.Options{}); err != nil {
		return err
	}
	return root.RecordAll(ctx, f.files)
}

// A filler records every file that it is shown.
type filler struct {
	root  *state.Root
	mu    sync.Mutex
	files []state.Located
}

func (f *filler) Hint(string, watch.Cause) {}

func (f *filler) Listed(ctx context.Context, l watch.Listing) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, file := range l.Files {
		v := state.Version{Size: file.Size, MTime: file.MTime, CTime: file.CTime, FileID: file.FileID}
		f.files = append(f.files, state.Located{Path: filepath.ToSlash(filepath.Join(l.Dir, file.Name)), Entry: state.Entry{Version: v, Uploaded: time.Now()}})
	}
	if len(f.files) < 10_000 {
		return nil
	}
	files := f.files
	f.files = nil
	return f.root.RecordAll(ctx, files)
}

func (f *filler) Scanned(ctx context.Context, s watch.Scan) error {
	return errors.Join(s.Err, f.root.SetIdentity(ctx, state.Identity{Device: s.Root.Device, FileID: s.Root.FileID}),
		f.root.SetVerified(ctx, true))
}

// raiseWatches lets every directory be watched, where that needs a limit that
// may be raised for as long.
func raiseWatches(dirs int) (lower func(), err error) {
	text, err := os.ReadFile(watchLimit)
	if err != nil {
		return func() {}, nil // there is no such limit here
	}
	now, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || now > dirs+1000 {
		return func() {}, err
	}
	if err := os.WriteFile(watchLimit, []byte(strconv.Itoa(2*dirs)), 0o644); err != nil {
		fmt.Printf("  some of the directories are not watched, for the limit of %d cannot be raised: %v\n", now, err)
		return func() {}, nil
	}
	return func() {
		if err := os.WriteFile(watchLimit, text, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, "bench: limit of watches not restored:", err)
		}
	}, nil
}
