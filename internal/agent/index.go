package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// An index is what jobs get their part of the index from.
type index interface {
	// attach fills in what a lane needs of the index.
	attach(ctx context.Context, key state.RootKey, opt *plan.LaneOptions) error
	Close() error
}

// openIndex opens the index for changes, which only one process can do.
func (a *Agent) openIndex(ctx context.Context) (index, error) {
	db, err := state.Open(ctx, a.config().StateDir(), state.Options{Logger: a.log, OnRebuild: a.roster.doubt})
	if err != nil {
		return nil, &indexError{err}
	}
	if r := db.Rebuilt(); r != nil {
		a.log.WarnContext(ctx, "index was rebuilt", "err", r.Cause, "path", r.SetAside, "files", r.Salvaged+r.Snapshot)
	}
	return writable{db}, nil
}

// A writable is the index of the process that owns it.
type writable struct{ *state.DB }

func (w writable) attach(ctx context.Context, key state.RootKey, opt *plan.LaneOptions) error {
	root, err := w.Root(ctx, key)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if opt.Root, _, err = root.Identity(ctx); err != nil {
		return fmt.Errorf("index: %w", err)
	}
	verified, err := root.Verified(ctx)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	opt.Target.Index = record{root}
	opt.Index, opt.Count, opt.SetRoot = root, root.Count, root.SetIdentity
	opt.Digests, opt.SetDigest = root.Digests, root.SetDigest
	opt.Damaged = func() bool { return root.BadRows() > 0 }
	opt.Frozen = !verified
	return nil
}

// A record is a root of the index as the workers use it.
type record struct{ *state.Root }

// Uploads implements upload.Index.
func (r record) Uploads() upload.Uploads { return r.Root.Uploads() }

// A noting is an index that tells of each object that it has recorded.
type noting struct {
	upload.Index
	note func(key string)
}

// Record implements upload.Index.
func (n noting) Record(ctx context.Context, path string, e state.Entry) error {
	err := n.Index.Record(ctx, path, e)
	if err == nil {
		n.note(e.Key)
	}
	return err
}

// readIndex opens the index for a look, whoever owns it.
func (a *Agent) readIndex(ctx context.Context) (index, error) {
	r, err := state.OpenReader(ctx, a.config().StateDir())
	if errors.Is(err, fs.ErrNotExist) {
		return nothing{}, nil
	}
	if err != nil {
		return nil, &indexError{err}
	}
	return readable{r}, nil
}

// An indexError says that the index cannot be opened.
type indexError struct{ err error }

func (e *indexError) Error() string { return "index: " + e.err.Error() }

// Unwrap returns the cause.
func (e *indexError) Unwrap() error { return e.err }

// Hint returns StateDirHint where it is the directory's fault.
func (e *indexError) Hint() string {
	if _, ok := errors.AsType[*fs.PathError](e.err); ok {
		return StateDirHint
	}
	return ""
}

// StateDirHint is the way out where the state directory cannot be used.
const StateDirHint = "give the state directory to the user that osssync runs as, run it as the user who has it, or name another: agent.state_dir"

// A readable is the index of another process, or of none.
type readable struct{ *state.Reader }

func (r readable) attach(ctx context.Context, key state.RootKey, opt *plan.LaneOptions) error {
	view, err := r.Root(ctx, key)
	if err != nil {
		return fmt.Errorf("index: %w", err)
	}
	if view == nil {
		return nothing{}.attach(ctx, key, opt)
	}
	opt.Index, opt.Count, opt.Digests = view, view.Count, view.Digests
	opt.Root, _, err = view.Identity(ctx)
	return err
}

// Nothing is the index before the first run.
type nothing struct{}

func (nothing) attach(_ context.Context, _ state.RootKey, opt *plan.LaneOptions) error {
	opt.Index = nothing{}
	return nil
}

// Lookup implements plan.Index, as do Files and Dirs.
func (nothing) Lookup(context.Context, string) (*state.Entry, error) { return nil, nil }

func (nothing) Files(context.Context, string, string, int) ([]state.Named, error) { return nil, nil }

func (nothing) Dirs(context.Context, string) ([]string, error) { return nil, nil }

func (nothing) Close() error { return nil }
