package agent

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"slices"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/watch"
)

// errReplaced ends the watching of a source that is not the directory that was
// opened, so that the job begins again with the one that is there now.
var errReplaced = errors.New("source was replaced by another directory")

// errUnread is what is known of a directory that could not be read.
var errUnread = errors.New("directory could not be read: nothing is known of the files in it")

// longScan is how long a scan takes that leaves so much garbage that it is worth
// giving the memory back at once: the next one may be an hour away.
const longScan = time.Second

// A sink hands what the watcher finds to the job's lane.
type sink struct {
	lane    *plan.Lane
	opened  state.Identity                  // of the source
	scanned func(ctx context.Context) error // hears of whole scans
	job     string
	report  func(plan.Event)
	log     *slog.Logger
}

// Hint implements watch.Sink.
func (s *sink) Hint(path string, c watch.Cause) { s.lane.Hint(path, cause(c)) }

func cause(c watch.Cause) plan.Cause {
	switch c {
	case watch.Closed:
		return plan.Closed
	case watch.Moved:
		return plan.Moved
	case watch.Removed:
		return plan.Removed
	}
	return plan.Changed
}

// Listed implements watch.Sink.
func (s *sink) Listed(ctx context.Context, l watch.Listing) error {
	files := filesPool.Get().(*[]plan.File)
	li := listing(l, (*files)[:0])
	err := s.lane.Listed(ctx, li)
	if cap(li.Files) <= maxPooled {
		clear(li.Files) // of the names
		*files = li.Files
		filesPool.Put(files)
	}
	return err
}

// filesPool holds the memory of listings that the lane is done with, which would
// else be most of the garbage of a scan of many small directories.
var filesPool = sync.Pool{New: func() any { return new([]plan.File) }}

const maxPooled = 4096 // files of a listing

// listing returns a listing as the lane takes it, with the files in memory of the
// caller's.
func listing(l watch.Listing, files []plan.File) plan.Listing {
	files = slices.Grow(files, len(l.Files))
	for _, f := range l.Files {
		files = append(files, plan.File{Name: f.Name, Size: f.Size, MTime: f.MTime, CTime: f.CTime, FileID: f.FileID})
	}
	return plan.Listing{Dir: l.Dir, Digest: l.Digest, Files: files, Dirs: l.Dirs, Scan: l.Scan}
}

// Scanned implements watch.Sink.
func (s *sink) Scanned(ctx context.Context, sc watch.Scan) error {
	root := state.Identity{Device: sc.Root.Device, FileID: sc.Root.FileID}
	s.tell(ctx, sc)
	if sc.Took > longScan {
		debug.FreeOSMemory()
	}
	err := s.lane.Scanned(ctx, plan.Scan{
		Number: sc.Number, Complete: sc.Complete, Unread: sc.Unread, Root: root, Err: sc.Err,
	})
	switch {
	case err != nil:
		return err
	case sc.Err == nil && root != s.opened:
		return errReplaced
	case sc.Complete:
		return s.scanned(ctx)
	}
	return nil
}

// tell reports what could not be read as it does files.
func (s *sink) tell(ctx context.Context, sc watch.Scan) {
	if sc.Err != nil {
		s.report(plan.Event{Job: s.job, Err: fmt.Errorf("read source: %w", sc.Err), Final: true})
		return
	}
	for i, dir := range sc.Unread {
		s.report(plan.Event{Job: s.job, Path: dir, Err: fmt.Errorf("%w: %w", errUnread, sc.Reasons[i]), Final: true})
	}
	if sc.Why != nil {
		s.log.WarnContext(ctx, "directories not read", "job", s.job, "dirs", sc.Failed, "err", sc.Why)
	}
	s.log.InfoContext(ctx, "scanned", "job", s.job, "files", sc.Files, "dirs", sc.Dirs, "took", sc.Took)
}
