package upload

import (
	"context"
	"errors"
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/osssync/osssync/internal/state"
)

// afterUpload deletes or moves a file whose entry is durable, if the job's
// properties say so and the file is still what was sent. The entry is forgotten
// first: a file that vanishes while it has an entry is a deletion, which a
// mirror would repeat on the object. If the file cannot be done away with, the
// entry is put back.
//
// An entry that is racy, as that of a snapshot is, does not prove that the file
// holds no more than was sent: a write in the same tick of the clock leaves the
// version as it was. Such a file stays until it has been compared again.
func (u *Uploader) afterUpload(ctx context.Context, r *reading, e state.Entry, res *Result) error {
	after := r.job.Target.Object.AfterUpload
	dest, move := strings.CutPrefix(after, "move:")
	if e.Racy || !move && after != "delete" {
		return nil
	}
	leaving, err := r.tree.leave(r.path, e)
	if err != nil {
		return err
	}
	defer leaving.Close()
	ix := r.job.Target.Index
	if err := ix.Forget(ctx, r.path); err != nil {
		return fmt.Errorf("record %s: %w", r.path, err)
	}
	res.Entry = nil
	if move {
		err = leaving.move(filepath.Join(dest, filepath.FromSlash(r.path)))
	} else {
		err = leaving.remove()
	}
	if err == nil {
		return nil
	}
	if recordErr := ix.Record(ctx, r.path, e); recordErr != nil {
		return errors.Join(err, fmt.Errorf("record %s: %w", r.path, recordErr))
	}
	res.Entry = &e
	return err
}

// A leaving is a file that is about to leave its tree. It is reached through
// the handle of its directory, so that a renamed or replaced directory does not
// make another file of it.
type leaving struct {
	tree  *Tree
	dir   *os.Root
	base  string
	path  string // in the tree
	entry state.Entry
}

// leave prepares a file for leaving. It fails with ErrChanged unless the file
// is the one of the entry, and with ErrBusy if a program writes to it.
func (t *Tree) leave(path string, e state.Entry) (*leaving, error) {
	name, base := split(path)
	if !t.follow && name != "." {
		if err := t.onlyDirs(name); err != nil {
			return nil, &FileError{"open", path, t.explain(err)}
		}
	}
	dir, err := t.root.OpenRoot(filepath.FromSlash(name))
	if err != nil {
		return nil, &FileError{"open", path, t.explain(err)}
	}
	l := &leaving{tree: t, dir: dir, base: base, path: path, entry: e}
	f, err := l.open()
	if err != nil {
		dir.Close()
		return nil, err
	}
	return l, f.Close()
}

// Close closes the directory.
func (l *leaving) Close() error { return l.dir.Close() }

// open opens the file if it is still the one of the entry.
func (l *leaving) open() (*os.File, error) {
	fi, err := l.dir.Lstat(l.base)
	if err == nil && !fi.Mode().IsRegular() {
		err = ErrChanged
	}
	if err != nil {
		return nil, &FileError{"stat", l.path, l.tree.explain(err)}
	}
	f, err := l.dir.OpenFile(l.base, os.O_RDONLY|openFlags, 0)
	if err != nil {
		return nil, &FileError{"open", l.path, l.tree.explain(err)}
	}
	in, err := fstat(f)
	if err == nil && in.Version != l.entry.Version {
		err = ErrChanged
	}
	if err == nil && l.tree.lastWriters(f, in.device) == Writing {
		err = ErrBusy
	}
	if err != nil {
		f.Close()
		return nil, &FileError{"stat", l.path, cause(err)}
	}
	return f, nil
}

// unchanged looks at the file once more.
func (l *leaving) unchanged() error {
	f, err := l.open()
	if err != nil {
		return err
	}
	return f.Close()
}

func (l *leaving) remove() error {
	if err := l.unchanged(); err != nil {
		return err
	}
	if err := l.dir.Remove(l.base); err != nil {
		return &FileError{"delete", l.path, cause(err)}
	}
	return nil
}

// otherNames is how many names are tried for a file at whose destination there
// is one already.
const otherNames = 1000

// move moves the file to a path outside the tree. What is there already stays,
// and the file gets a number behind its name.
func (l *leaving) move(dest string) error {
	dest = destination(dest)
	if err := os.MkdirAll(filepath.Dir(dest), 0o755); err != nil {
		return &FileError{"move", l.path, err}
	}
	if err := l.unchanged(); err != nil {
		return err
	}
	err := freeName(dest, func(name string) error { return renameNew(l, name) })
	if isOtherDevice(err) {
		return l.moveAcross(dest)
	}
	if err != nil {
		return &FileError{"move", l.path, err}
	}
	return nil
}

// freeName calls place with dest, then with numbered names, until it finds one
// that is free.
func freeName(dest string, place func(name string) error) error {
	name := dest
	for n := 1; ; n++ {
		err := place(name)
		if !errors.Is(err, fs.ErrExist) || n > otherNames {
			return err
		}
		name = dest + "." + strconv.Itoa(n)
	}
}

// moveAcross moves the file to another file system: it is removed here when a
// copy with the CRC-64 of the object is durable there.
func (l *leaving) moveAcross(dest string) error {
	src, err := l.open()
	if err != nil {
		return err
	}
	defer src.Close()
	tmp, err := os.CreateTemp(filepath.Dir(dest), ".osssync-*")
	if err != nil {
		return &FileError{"move", l.path, err}
	}
	defer os.Remove(tmp.Name()) // fails when it has got its final name
	err = l.copyTo(tmp, src)
	if err = errors.Join(err, tmp.Close()); err != nil {
		return &FileError{"move", l.path, err}
	}
	placed := ""
	err = freeName(dest, func(name string) error { placed = name; return placeNew(tmp.Name(), name) })
	if err != nil {
		return &FileError{"move", l.path, err}
	}
	if err = syncDir(filepath.Dir(dest)); err != nil {
		err = &FileError{"move", l.path, err}
	} else {
		err = l.remove()
	}
	if err != nil { // the next attempt would not know the copy
		err = errors.Join(err, os.Remove(placed))
	}
	return err
}

func (l *leaving) copyTo(dst, src *os.File) error {
	sum := crc64.New((*crc64.Table)(&slicing[0]))
	if _, err := io.Copy(io.MultiWriter(dst, sum), src); err != nil {
		return err
	}
	if sum.Sum64() != l.entry.CRC64 {
		return ErrChanged
	}
	fi, err := src.Stat()
	if err != nil {
		return err
	}
	return errors.Join(dst.Chmod(fi.Mode().Perm()), os.Chtimes(dst.Name(), fi.ModTime(), fi.ModTime()), dst.Sync())
}
