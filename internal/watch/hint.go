package watch

import (
	"context"
	"errors"
	"os"
	"strings"
)

// pass reads some directories. A root that is not there is left to control.
func (w *Watcher) pass(ctx context.Context, src source, dirs []string, deep, changed bool, workers int) error {
	r, err := openRoot(w.root, w.opt.FollowSymlinks)
	if err != nil {
		w.rootLost(err)
		return nil
	}
	defer r.close()
	p := newPass(w.sink, w.opt, src, r)
	p.changed = changed
	err = p.run(ctx, dirs, deep, workers)
	if why := p.reason(); why != nil {
		// A scan will tell the sink; until then it should not be a secret.
		w.opt.Logger.WarnContext(ctx, "directories not read", "dirs", p.failed, "err", why)
	}
	return err
}

// look lists the directories that are pending.
func (w *Watcher) look(ctx context.Context) error {
	for {
		d, err := w.pending.takeDir(ctx)
		if err != nil {
			return err
		}
		if !w.excluded(d.dir) {
			err = w.pass(ctx, w.source(), []string{d.dir}, d.deep, false, 1)
		}
		w.pending.done(d.era)
		if err != nil {
			return err
		}
	}
}

// excluded reports whether a directory, or one that holds it, is excluded.
func (w *Watcher) excluded(dir string) bool {
	for i := range len(dir) {
		if dir[i] == '/' && w.opt.Exclude(dir[:i]) {
			return true
		}
	}
	return dir != "" && w.opt.Exclude(dir)
}

// hint hands over the paths that are pending.
func (w *Watcher) hint(ctx context.Context) error {
	for {
		b, err := w.pending.takeFiles(ctx)
		if err != nil {
			return err
		}
		w.hintAll(b)
		w.pending.done(b.era)
	}
}

func (w *Watcher) hintAll(b *bucket) {
	var r *root // opened only if something has to be looked at
	for name, m := range b.names {
		if m&markLook == 0 && !isUnnamed(name) {
			w.hintOne(b, name, m)
			continue
		}
		if r == nil {
			var err error
			if r, err = openRoot(w.root, w.opt.FollowSymlinks); err != nil {
				w.rootLost(err)
				return
			}
			defer r.close()
		}
		isDir, err := r.kindOf(join(b.dir, name))
		switch {
		case err == nil && isDir:
			w.hintDir(b, name, m)
		case errors.Is(err, os.ErrNotExist) && isUnnamed(name):
			w.pending.again(b.dir, false, b.era)
		case errors.Is(err, os.ErrNotExist):
			w.hintOne(b, name, m&^markCause|mark(Removed))
		default:
			w.hintOne(b, name, m)
		}
	}
}

// hintOne hints a path that is not a directory's.
func (w *Watcher) hintOne(b *bucket, name string, m mark) {
	path, cause := join(b.dir, name), Cause(m&markCause)
	w.sink.Hint(path, cause)
	if cause == Removed && m&markTree != 0 {
		w.pending.again(path, true, b.era)
	}
}

// hintDir has a new directory listed.
func (w *Watcher) hintDir(b *bucket, name string, m mark) {
	path := join(b.dir, name)
	if m&markGone != 0 {
		w.sink.Hint(path, Removed) // a file, perhaps
	}
	if !w.excluded(path) {
		w.pending.again(path, true, b.era)
	}
}

// isUnnamed reports whether a name is what the kernel calls a file that was
// made without one: "#" and its inode number. It keeps that name in events
// even after it was linked into the tree.
func isUnnamed(name string) bool {
	return len(name) > 1 && name[0] == '#' && strings.Trim(name[1:], "0123456789") == ""
}
