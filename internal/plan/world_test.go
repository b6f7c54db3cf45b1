package plan

import (
	"cmp"
	"context"
	"errors"
	"io"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A world is a disk and an index in memory: it is a lane's Tree and Index.
type world struct {
	mu       sync.Mutex
	disk     map[string]state.Version
	index    map[string]state.Entry
	statErr  map[string]error
	slow     map[string]time.Duration // looks that take long
	indexErr error
	id       state.Identity
	absent   error
	stamp    int64
	reads    int // of the index
}

func newWorld() *world {
	return &world{
		disk: map[string]state.Version{}, index: map[string]state.Entry{}, statErr: map[string]error{},
		id: state.Identity{Device: 1, FileID: state.FileID{2}}, stamp: 1_000_000_001,
	}
}

func (w *world) Stat(path string) (state.Version, error) {
	w.mu.Lock()
	slow := w.slow[path]
	w.mu.Unlock()
	time.Sleep(slow)
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.statErr[path]; err != nil {
		return state.Version{}, &upload.FileError{Op: "stat", Path: path, Err: err}
	}
	if v, ok := w.disk[path]; ok {
		return v, nil
	}
	return state.Version{}, &upload.FileError{Op: "stat", Path: path, Err: upload.ErrVanished}
}

func (w *world) Identity() (state.Identity, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.id, nil
}

func (w *world) Present() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.absent
}

func (w *world) Lookup(_ context.Context, path string) (*state.Entry, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	if e, ok := w.index[path]; ok {
		return &e, w.indexErr
	}
	return nil, w.indexErr
}

func (w *world) Files(_ context.Context, dir, after string, limit int) ([]state.Named, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.reads++
	var list []state.Named
	for path, e := range w.index {
		if d, name := split(path); d == dir && name > after {
			list = append(list, state.Named{Name: name, Entry: e})
		}
	}
	slices.SortFunc(list, func(a, b state.Named) int { return cmp.Compare(a.Name, b.Name) })
	return list[:min(limit, len(list))], w.indexErr
}

func (w *world) Dirs(_ context.Context, dir string) ([]string, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	var list []string
	for path := range w.index {
		if rest, ok := strings.CutPrefix(path, dir+"/"); ok || dir == "" {
			if dir == "" {
				rest = path
			}
			if name, _, deep := strings.Cut(rest, "/"); deep {
				list = append(list, name)
			}
		}
	}
	slices.Sort(list)
	return slices.Compact(list), w.indexErr
}

func (w *world) count(context.Context) (int64, int64, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return int64(len(w.index)), 0, nil
}

// write makes or changes a file; its id stays if it has one.
func (w *world) write(path string) state.Version {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stamp += 1001
	v := w.disk[path]
	v.Size, v.MTime, v.CTime = v.Size+1, w.stamp, w.stamp
	if v.FileID == (state.FileID{}) {
		v.FileID = state.FileID{uint64(w.stamp)}
	}
	w.disk[path] = v
	return v
}

// rename is rename(2).
func (w *world) rename(from, to string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.stamp += 1001
	v := w.disk[from]
	v.CTime = w.stamp
	delete(w.disk, from)
	w.disk[to] = v
}

func (w *world) remove(path string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	delete(w.disk, path)
}

// sent puts what is on disk into the index, as if it had been uploaded.
func (w *world) sent(paths ...string) {
	w.mu.Lock()
	defer w.mu.Unlock()
	for _, path := range paths {
		w.index[path] = state.Entry{Version: w.disk[path], CRC64: 1, ETag: "E"}
	}
}

func (w *world) known(path string) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	_, ok := w.index[path]
	return ok
}

// list lists a directory.
func (w *world) list(_ context.Context, dir string) (Listing, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	li := Listing{Dir: dir, Digest: 1}
	for path, v := range w.disk {
		rest, ok := strings.CutPrefix(path, dir+"/")
		if dir == "" {
			rest, ok = path, true
		}
		name, _, deep := strings.Cut(rest, "/")
		switch {
		case !ok:
		case deep:
			li.Dirs = append(li.Dirs, name)
		default:
			li.Files = append(li.Files, File{name, v.Size, v.MTime, v.CTime, v.FileID})
			li.Digest += uint64(v.CTime) * uint64(len(name)+int(name[0]))
		}
	}
	slices.Sort(li.Dirs)
	li.Dirs = slices.Compact(li.Dirs)
	slices.SortFunc(li.Files, func(a, b File) int { return cmp.Compare(b.Name, a.Name) }) // any order will do
	if len(li.Files)+len(li.Dirs) == 0 && dir != "" {
		return li, upload.ErrVanished
	}
	return li, nil
}

// scan hands the whole disk to the lane as the watcher's full scan does.
func (w *world) scan(ctx context.Context, l *Lane, number uint64) error {
	for dirs := []string{""}; len(dirs) > 0; dirs = dirs[1:] {
		li, err := w.list(ctx, dirs[0])
		if err != nil {
			return err
		}
		li.Scan = number
		if err := l.Listed(ctx, li); err != nil {
			return err
		}
		for _, name := range li.Dirs {
			dirs = append(dirs, join(dirs[0], name))
		}
	}
	return l.Scanned(ctx, Scan{Number: number, Complete: true, Root: w.id})
}

// do does a job as the uploader would.
func (w *world) do(job *upload.Job) upload.Result {
	w.mu.Lock()
	defer w.mu.Unlock()
	switch job.Action {
	case upload.Upload, upload.Copy:
		v, ok := w.disk[job.Path]
		if !ok {
			return upload.Result{Action: job.Action, Err: &upload.FileError{Op: "open", Path: job.Path, Err: upload.ErrVanished}}
		}
		e := state.Entry{Version: v, CRC64: 1, ETag: "E"}
		w.index[job.Path] = e
		return upload.Result{Action: job.Action, Entry: &e, Bytes: v.Size}
	default:
		delete(w.index, job.Path)
		return upload.Result{Action: job.Action}
	}
}

// options returns the options of a lane in this world.
func (w *world) options() LaneOptions {
	return LaneOptions{
		Target: &upload.Target{Name: "job"}, Tree: w, Index: w, List: w.list, Count: w.count, Root: w.id,
		Settle: time.Second, MaxWait: time.Minute, MaxDeletes: Limit{Count: 1000}, Renames: true,
	}
}

// try returns the next job if one comes within d.
func try(t *testing.T, q *Queue, d time.Duration) *upload.Job {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), d)
	defer cancel()
	job, err := q.Next(ctx)
	if err != nil && !errors.Is(err, context.DeadlineExceeded) && !errors.Is(err, io.EOF) {
		t.Fatal(err)
	}
	return job
}

// next returns the next job, which must come within an hour.
func next(t *testing.T, q *Queue) *upload.Job {
	t.Helper()
	job := try(t, q, time.Hour)
	if job == nil {
		t.Fatal("no job")
	}
	return job
}

// none fails if a job comes within d.
func none(t *testing.T, q *Queue, d time.Duration) {
	t.Helper()
	if job := try(t, q, d); job != nil {
		t.Fatalf("unexpected job: %v %s (%s)", job.Action, job.Path, job.Reason)
	}
}

// drain does all jobs until the queue is empty, and returns "action path" for each.
func drain(t *testing.T, q *Queue, do func(*upload.Job) upload.Result) []string {
	t.Helper()
	q.Drain()
	var did []string
	for {
		job := try(t, q, time.Hour)
		if job == nil {
			slices.Sort(did)
			return did
		}
		q.Done(job, do(job))
		did = append(did, actionNames[job.Action]+" "+job.Path)
	}
}

var actionNames = map[upload.Action]string{
	upload.Skip: "skip", upload.Upload: "upload", upload.Touch: "touch", upload.Copy: "copy",
	upload.Delete: "delete", upload.Trash: "trash", upload.Forget: "forget",
}
