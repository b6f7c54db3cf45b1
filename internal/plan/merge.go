package plan

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// yieldAfter is how many paths are put in before the workers may run, which would
// else wait for 10 ms, should a scan have every processor.
const yieldAfter = 16

// page is how many files of a directory are read from the index at once.
const page = 1000

// errFull ends an intake that may not block.
var errFull = errors.New("no room for another path")

// intake is where a comparison puts what it finds.
type intake struct {
	lane  *Lane
	seq   uint64
	block bool // wait for room; else errFull
	put   int  // paths put in
}

// found makes a path due that a comparison found to differ. seen is what it saw
// of a file that the index does not know; nil of any other.
func (in *intake) found(ctx context.Context, path string, size int64, gone bool, seen *state.Version) error {
	l := in.lane
	q := l.q
	if in.put++; in.put%yieldAfter == 0 {
		runtime.Gosched()
	}
	q.mu.Lock()
	defer q.mu.Unlock()
	it := l.items[path]
	if it == nil || it.stage == resting {
		if in.block {
			if err := l.waitRoom(ctx); err != nil {
				return err
			}
		} else if !l.fits() {
			return errFull
		}
		it = l.items[path] // the mutex was not held
	}
	if err := l.ended(); err != nil {
		return err
	}
	now := q.now()
	if it != nil && it.stage != resting {
		if it.stage == busy || it.stage == parked && !gone {
			l.hint(path, Moved, in.seq, now)
		}
		return nil
	}
	if it == nil {
		it = &item{lane: l, path: path}
		l.items[path] = it
	} else {
		seen = nil // something was done about it, which the comparison may have missed
	}
	it.since, it.first, it.size = now, now, size
	l.ask(it, in.seq)
	l.setScan(it, in.block)
	if gone {
		l.schedule(it, Removed, now)
		return nil
	}
	it.cause = Moved
	l.move(it, backlog)
	it.seen = seen
	q.nudge(now)
	return nil
}

// merge compares a listing, which it sorts, with the index, both in byte order, and puts what
// differs into in. It returns how many files are as the index has them.
func (l *Lane) merge(ctx context.Context, li Listing, in *intake) (same int, err error) {
	var known []state.Named
	byName := func(a, b File) int { return strings.Compare(a.Name, b.Name) }
	if !slices.IsSortedFunc(li.Files, byName) {
		slices.SortFunc(li.Files, byName)
	}
	// Before the index is read: what ends in between is found there.
	if err := l.foundUnderWay(ctx, li.Dir, li.holds, in); err != nil {
		return 0, err
	}
	files, after, more := li.Files, "", true
	var fresh []*File // last, when all that vanished from here is known
	within := l.opt.Filter.within(li.Dir)
	for {
		if len(known) == 0 && more {
			if known, err = l.opt.Index.Files(ctx, li.Dir, after, page); err != nil {
				return same, err
			}
			if more = len(known) == page; len(known) > 0 {
				after = known[len(known)-1].Name
			}
		}
		var f *File
		var k *state.Named
		switch {
		case len(files) == 0 && len(known) == 0:
			return same, l.mergeNew(ctx, li, within, fresh, in)
		case len(known) == 0 || len(files) > 0 && files[0].Name < known[0].Name:
			fresh = append(fresh, &files[0])
			files = files[1:]
			continue
		case len(files) == 0 || files[0].Name > known[0].Name:
			k, known = &known[0], known[1:]
		default:
			f, files = &files[0], files[1:]
			k, known = &known[0], known[1:]
		}
		equal, err := l.compare(ctx, li.Dir, within, f, k, in)
		if err != nil {
			return same, err
		}
		if equal {
			same++
		}
	}
}

// compare decides about one name of a directory, f on disk and k in the index.
func (l *Lane) compare(ctx context.Context, dir string, within int, f *File, k *state.Named, in *intake) (same bool, err error) {
	if f == nil {
		return false, in.found(ctx, join(dir, k.Name), 0, true, nil)
	}
	path := join(dir, f.Name)
	disk := state.Version{Size: f.Size, MTime: f.MTime, CTime: f.CTime, FileID: f.FileID}
	r := Rules{Deletes: l.opt.Deletes, Leaving: l.consumes()}
	taken, rule := l.opt.Filter.decide(within, path, false)
	if taken {
		taken, rule = l.opt.Filter.sized(f.Size, rule)
	}
	if !taken {
		r.Excluded = rule
	}
	var known *state.Entry
	if k != nil {
		known = &k.Entry
		if taken && (l.opt.Expand != nil || known.Key != "") {
			key, err := l.key(path, f.MTime)
			r.Rekeyed = err == nil && key != l.keyOf(path, known)
		}
	}
	if Decide(&disk, known, r).Action == upload.Skip {
		return known != nil, nil
	}
	if known == nil {
		return false, in.found(ctx, path, f.Size, false, &disk)
	}
	return false, in.found(ctx, path, f.Size, false, nil)
}

// mergeNew ends merge with the directories and files that the index lacks, or that
// are there no more.
func (l *Lane) mergeNew(ctx context.Context, li Listing, within int, fresh []*File, in *intake) error {
	if err := l.mergeDirs(ctx, li, in); err != nil {
		return err
	}
	for _, f := range fresh {
		if _, err := l.compare(ctx, li.Dir, within, f, nil, in); err != nil {
			return err
		}
	}
	return nil
}

// mergeDirs looks for directories that the index knows and the listing lacks.
func (l *Lane) mergeDirs(ctx context.Context, li Listing, in *intake) error {
	known, err := l.opt.Index.Dirs(ctx, li.Dir)
	if err != nil {
		return err
	}
	for _, name := range known {
		if _, ok := slices.BinarySearch(li.Dirs, name); ok {
			continue
		}
		if err := l.below(ctx, join(li.Dir, name), in); err != nil {
			return err
		}
	}
	return nil
}

// below puts everything that the index holds below dir into in, to be looked at.
// If what is there cannot even be looked at, nothing is known of it, and it is
// left alone.
func (l *Lane) below(ctx context.Context, dir string, in *intake) error {
	if err := l.foundUnderWay(ctx, dir, func(string) bool { return false }, in); err != nil {
		return err
	}
	dirs := []string{dir}
	for len(dirs) > 0 {
		dir := dirs[len(dirs)-1]
		dirs = dirs[:len(dirs)-1]
		children, err := l.opt.Index.Dirs(ctx, dir)
		if err != nil {
			return err
		}
		for _, name := range slices.Backward(children) {
			dirs = append(dirs, join(dir, name))
		}
		for after, more := "", true; more; {
			files, err := l.opt.Index.Files(ctx, dir, after, page)
			if err != nil {
				return err
			}
			more = len(files) == page
			for i, f := range files {
				if after == "" && i == 0 && !l.visible(join(dir, f.Name)) {
					more = false
					break
				}
				if err := in.found(ctx, join(dir, f.Name), 0, true, nil); err != nil {
					return err
				}
			}
			if more {
				after = files[len(files)-1].Name
			}
		}
	}
	return nil
}

// visible says whether a look at the path tells what is there.
func (l *Lane) visible(path string) bool {
	_, err := l.opt.Tree.Stat(path)
	return err == nil || vanished(err) || errors.Is(err, upload.ErrNotRegular)
}
