package plan

import (
	"context"
	"errors"
	"slices"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// page is how many files of a directory are read from the index at once.
const page = 1000

// ErrClosed is returned for a lane that has been closed.
var ErrClosed = errors.New("lane closed")

// errFull ends an intake that may not block.
var errFull = errors.New("no room for another path")

// scan is a lane's knowledge of full scans.
type scan struct {
	number uint64 // of the newest that has begun
	done   uint64 // of the newest that has ended
	once   bool   // one has ended
	seq    uint64 // sequence number of what it finds
	owed   uint64 // hint that only a scan begun later answers; 0: none
	owing  uint64 // hint that the running scan answers; 0: none

	unchanged, before int64 // files found as the index has them: by this scan, by the one before
}

// running says whether a scan has begun and not ended.
func (s *scan) running() bool { return s.number != s.done }

// Listed takes what one directory holds and makes due what differs from the
// index, also what is no longer there. A directory that was found unchanged
// before and has the same digest costs nothing. Listed blocks while the workers
// have enough to do with what the scan has found; it returns ctx.Err(), ErrClosed,
// an error of the index, or what ended the lane for good.
func (l *Lane) Listed(ctx context.Context, li Listing) error {
	if err := l.loadDigests(ctx); err != nil {
		return err
	}
	q := l.q
	q.mu.Lock()
	if err := l.ended(); err != nil {
		q.mu.Unlock()
		return err
	}
	seq := l.begin(li.Scan)
	if li.Dir == "" {
		l.gone.empty = l.holdsNothing(li)
	}
	if l.digest.compare(li.Dir, li.Digest) {
		if li.Scan != 0 {
			l.scan.unchanged += int64(len(li.Files))
		}
		q.mu.Unlock()
		return nil
	}
	q.mu.Unlock()

	in := intake{lane: l, seq: seq, block: true}
	same, err := l.merge(ctx, li, &in)
	q.mu.Lock()
	if li.Scan != 0 {
		l.scan.unchanged += int64(same)
	}
	proven := l.digest.compared(li.Dir, li.Digest, err == nil && in.put == 0)
	q.mu.Unlock()
	if proven && l.opt.SetDigest != nil && !q.opt.DryRun {
		err = l.opt.SetDigest(ctx, li.Dir, l.digest.salted(li.Digest))
	}
	return err
}

// begin notes that a scan has begun, and returns the sequence number for what a
// listing of it finds. The mutex is held.
func (l *Lane) begin(number uint64) uint64 {
	s := &l.scan
	if number == 0 {
		l.sequence++
		return l.sequence
	}
	if number != s.number {
		l.sequence++
		s.number, s.seq = number, l.sequence
		if s.owed != 0 {
			s.owing = s.owed
			s.seq, s.owed = s.owed, 0
		}
		s.before, s.unchanged = s.unchanged, 0
		l.gone.lost = 0
	}
	return s.seq
}

// intake is where a comparison puts what it finds.
type intake struct {
	lane  *Lane
	seq   uint64
	block bool // wait for room; else errFull
	put   int  // paths put in
}

// found makes a path due that a comparison found to differ.
func (in *intake) found(ctx context.Context, path string, size int64, gone bool) error {
	l := in.lane
	q := l.q
	q.mu.Lock()
	defer q.mu.Unlock()
	in.put++
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
	q.nudge(now)
	return nil
}

// merge compares a listing with the index, both in byte order, and puts what
// differs into in. It returns how many files are as the index has them.
func (l *Lane) merge(ctx context.Context, li Listing, in *intake) (same int, err error) {
	var known []state.Named
	files, after, more := li.Files, "", true
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
			return same, l.mergeDirs(ctx, li, in)
		case len(known) == 0 || len(files) > 0 && files[0].Name < known[0].Name:
			f, files = &files[0], files[1:]
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
		return false, in.found(ctx, join(dir, k.Name), 0, true)
	}
	path := join(dir, f.Name)
	disk := state.Version{Size: f.Size, MTime: f.MTime, CTime: f.CTime, FileID: f.FileID}
	r := Rules{Deletes: l.opt.Deletes}
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
	return false, in.found(ctx, path, f.Size, false)
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
				if err := in.found(ctx, join(dir, f.Name), 0, true); err != nil {
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

// Scanned ends a full scan. Whatever could not be read counts as unknown: after
// an incomplete scan nothing is deleted or forgotten. Files that failed and whose
// memory was not dropped are tried again at once.
func (l *Lane) Scanned(ctx context.Context, s Scan) error {
	files, _, err := l.indexed(ctx)
	if err != nil {
		return err
	}
	q := l.q
	q.mu.Lock()
	if err := l.ended(); err != nil {
		q.mu.Unlock()
		return err
	}
	sc := &l.scan
	sc.number = max(sc.number, s.Number)
	sc.done, sc.once = sc.number, true
	if sc.owing != 0 {
		l.renumberAll(sc.owing, settled)
		sc.owing = 0
	}
	l.scanEnded()
	adopt := l.judgeScan(s, files)
	l.retryFaults(q.now())
	l.tally.swept(s.Complete)
	l.gone.asked = false
	l.gone.last = min(l.gone.last, q.now()-gatherQuiet) // the scan has seen them all
	l.signal()
	if at, ok := l.judgeAt(); ok {
		q.nudge(at)
	}
	q.mu.Unlock()
	if adopt {
		return l.setRoot(ctx, s.Root)
	}
	return nil
}

// indexed returns how much the index holds, or zero where that is not known.
func (l *Lane) indexed(ctx context.Context) (files, bytes int64, err error) {
	if l.opt.Count == nil {
		return 0, 0, nil
	}
	return l.opt.Count(ctx)
}

// judgeScan remembers what a scan says of the source, and returns true when its
// root is to be taken for the source. The mutex is held.
func (l *Lane) judgeScan(s Scan, indexed int64) (adopt bool) {
	g := &l.gone
	g.rootErr = s.Err
	g.unread, g.unreadOne = 0, ""
	if s.Err != nil {
		return false
	}
	if !s.Complete {
		g.unread = max(1, len(s.Unread))
		if len(s.Unread) > 0 {
			g.unreadOne = s.Unread[0]
		}
	}
	if !g.empty {
		g.allowEmpty = false
	}
	switch {
	case !s.Complete || s.Root == state.Identity{}:
	case g.root == state.Identity{} || g.root != s.Root && indexed == 0:
		adopt = g.root != s.Root && (!g.empty || indexed == 0)
	case g.root == s.Root:
		g.otherSeen = 0
	case !l.destroys() && !g.empty:
		// Where the bucket loses nothing, a source that was made anew, as build
		// directories are, is believed when it is still there at the next scan.
		if g.other != s.Root {
			g.other, g.otherSeen = s.Root, 0
		}
		g.otherSeen++
		adopt = g.otherSeen >= 2
	}
	if adopt {
		g.root, g.otherSeen = s.Root, 0
	}
	if g.count == 0 && s.Complete && g.root == s.Root && (!g.empty || indexed == 0 || g.allowEmpty) && !g.frozen {
		g.hold = HoldError{}
	}
	return adopt
}

// retryFaults makes due at once what waits because of its file, not because of
// the bucket. The mutex is held.
func (l *Lane) retryFaults(now time.Duration) {
	for _, it := range l.items {
		if it.stage == waiting && it.fault && it.stuck == 0 {
			it.notBefore = 0
			l.waitUntil(it, now)
		}
	}
}
