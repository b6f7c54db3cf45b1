package watch

import (
	"context"
	"errors"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"
)

func defaultWorkers() int { return min(max(runtime.NumCPU(), 2), 8) }

const maxUnread = 1000 // names in Scan.Unread

// A pass reads directories, all of the tree or some, and hands them over.
type pass struct {
	sink    Sink
	opt     Options
	src     source // nil if none is to be told
	root    *root
	number  uint64 // of the scan, 0 for a look
	changed bool   // hand over a directory that is not watched only if it changed
	readers chan *reader

	files, dirs, special atomic.Int64

	mu      sync.Mutex
	failed  int64
	unread  []string
	reasons []error // of unread
}

// reason returns why the first directory was not read, nil if all were.
func (p *pass) reason() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.failed == 0 {
		return nil
	}
	return p.reasons[0]
}

// ScanOnce scans the tree below root once, without watching it. It returns an
// error only for what ends the scan: ctx is done, or the sink failed. What
// could not be read, be it the root, is told in [Scan].
func ScanOnce(ctx context.Context, root string, s Sink, opt Options) error {
	sum, err := scan(ctx, root, s, opt.withDefaults(), nil, 1)
	if err != nil {
		return err
	}
	return s.Scanned(ctx, sum)
}

// List reads one directory below root, without watching it. Its error wraps
// [fs.ErrNotExist] if there is no such directory.
func List(root, dir string, opt Options) (Listing, error) {
	opt = opt.withDefaults()
	r, err := openRoot(root, opt.FollowSymlinks)
	if err != nil {
		return Listing{}, err
	}
	defer r.close()
	d, err := r.open(dir)
	if err != nil {
		if isGone(err) && !errors.Is(err, fs.ErrNotExist) {
			err = &fs.PathError{Op: "open", Path: dir, Err: fs.ErrNotExist}
		}
		return Listing{}, err
	}
	defer d.close()
	l, err := newReader(opt).read(r, d)
	if err != nil {
		return Listing{}, err
	}
	return *l, nil
}

// scan hands over the whole tree and sums it up.
func scan(ctx context.Context, path string, s Sink, opt Options, src source, number uint64) (Scan, error) {
	start := time.Now()
	r, err := openRoot(path, opt.FollowSymlinks)
	if err != nil {
		return Scan{Number: number, Err: err}, nil
	}
	defer r.close()
	p := newPass(s, opt, src, r)
	p.number = number
	if err := p.run(ctx, []string{""}, true, opt.Workers); err != nil {
		return Scan{}, err
	}
	sum := Scan{
		Number:   number,
		Complete: p.failed == 0,
		Unread:   p.unread,
		Reasons:  p.reasons,
		Failed:   p.failed,
		Why:      p.reason(),
		Root:     r.whole(),
		Files:    p.files.Load(),
		Dirs:     p.dirs.Load(),
		Special:  p.special.Load(),
		Took:     time.Since(start),
	}
	if len(p.unread) > 0 && p.unread[0] == "" && p.dirs.Load() == 0 {
		sum.Err = p.reason()
	}
	return sum, nil
}

func newPass(s Sink, opt Options, src source, r *root) *pass {
	return &pass{sink: s, opt: opt, src: src, root: r, readers: make(chan *reader, opt.Workers)}
}

// run reads directories and, if deep, all below them.
func (p *pass) run(ctx context.Context, dirs []string, deep bool, workers int) error {
	f := &frontier{dirs: dirs}
	f.more.L = &f.mu
	g, ctx := errgroup.WithContext(ctx)
	for range workers {
		g.Go(func() error {
			rd := p.reader()
			defer p.putReader(rd)
			for {
				dir, ok := f.next()
				if !ok {
					return ctx.Err()
				}
				err := ctx.Err()
				var below []string
				if err == nil {
					below, err = p.visit(ctx, rd, dir, deep)
				}
				f.add(below)
				if err != nil {
					f.stop()
					return err
				}
			}
		})
	}
	return g.Wait()
}

func (p *pass) reader() *reader {
	select {
	case rd := <-p.readers:
		return rd
	default:
		return newReader(p.opt)
	}
}

func (p *pass) putReader(rd *reader) {
	select {
	case p.readers <- rd:
	default:
	}
}

// maxStale bounds how often a directory is tried again that is replaced each
// time just while it is being watched.
const maxStale = 5

// visit reads one directory and returns those to read next.
func (p *pass) visit(ctx context.Context, rd *reader, dir string, deep bool) ([]string, error) {
	var l *Listing
	var err error
	for range maxStale {
		if l, err = p.read(rd, dir); !errors.Is(err, errStale) {
			break
		}
	}
	switch {
	case errors.Is(err, errUnknown):
		return nil, nil // whoever forgot the parent has marked it
	case err != nil && isGone(err) && dir != "":
		if p.src != nil {
			p.src.gone(dir)
		}
		return nil, p.sink.Listed(ctx, Listing{Dir: dir, Scan: p.number})
	case err != nil:
		p.notRead(dir, err)
		return nil, nil
	}
	p.dirs.Add(1)
	p.files.Add(int64(len(l.Files)))
	p.special.Add(int64(l.Special))
	below := p.below(l, deep)
	if p.changed && p.same(l) {
		return below, nil
	}
	if err := p.sink.Listed(ctx, *l); err != nil {
		return nil, err
	}
	if p.src != nil {
		p.src.listed(dir, l.Digest)
	}
	return below, nil
}

// read watches a directory, if there is a source, and then lists it. In this
// order every file is either in the listing or reported.
func (p *pass) read(rd *reader, dir string) (*Listing, error) {
	d, err := p.root.open(dir)
	if err != nil {
		return nil, err
	}
	defer d.close()
	if p.src != nil {
		err := p.src.enter(d)
		if err != nil && (p.number == 0 || !errors.Is(err, errUnknown)) {
			return nil, err // a scan goes on: it lists what it finds
		}
	}
	l, err := rd.read(p.root, d)
	if err != nil {
		return nil, err
	}
	l.Scan = p.number
	return l, nil
}

// same reports whether a directory that is not watched is as it was at the
// last look.
func (p *pass) same(l *Listing) bool {
	if p.src == nil {
		return false
	}
	digest, unwatched := p.src.last(l.Dir)
	return unwatched && digest == l.Digest
}

// below returns the paths of the directories to go on with: in a deep pass all,
// else those that the source has not heard of.
func (p *pass) below(l *Listing, deep bool) []string {
	var below []string
	for _, name := range l.Dirs {
		dir := join(l.Dir, name)
		if deep || p.src == nil || !p.src.known(dir) {
			below = append(below, dir)
		}
	}
	return below
}

func (p *pass) notRead(dir string, err error) {
	if p.src != nil {
		p.src.unread(dir)
	}
	p.opt.Logger.Debug("directory not read", "dir", dir, "err", err)
	p.mu.Lock()
	defer p.mu.Unlock()
	p.failed++
	if len(p.unread) < maxUnread {
		p.unread = append(p.unread, dir)
		p.reasons = append(p.reasons, err)
	}
}

// A frontier holds the directories that a pass has still to read. The newest
// come first, which keeps it short.
type frontier struct {
	mu   sync.Mutex
	more sync.Cond
	dirs []string
	busy int // workers that may add some
	over bool
}

// next waits for a directory. It returns false when there will be no more.
func (f *frontier) next() (string, bool) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(f.dirs) == 0 && f.busy > 0 && !f.over {
		f.more.Wait()
	}
	if len(f.dirs) == 0 || f.over {
		return "", false
	}
	last := len(f.dirs) - 1
	dir := f.dirs[last]
	f.dirs[last] = ""
	f.dirs = f.dirs[:last]
	f.busy++
	return dir, true
}

// add ends what next began.
func (f *frontier) add(dirs []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.busy--
	f.dirs = append(f.dirs, dirs...)
	f.more.Broadcast()
}

func (f *frontier) stop() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.over = true
	f.more.Broadcast()
}
