package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// clockError is how far this machine's clock may be from the service's for an
// upload to be recognised as one that was begun after a certain time.
const clockError = time.Minute

// mostPending bounds how many unfinished uploads are looked at once.
const mostPending = 10_000

// abandon aborts an upload that is remembered. Where only the intent to begin
// it is, it aborts what was begun under the key since: nobody else writes to
// this agent's keys. A role that may not list uploads cannot, which doctor
// tells.
func (u *Uploader) abandon(ctx context.Context, j *Job, up state.Upload) error {
	l := u.link(j)
	if up.ID != "" {
		return l.abort(ctx, up.Key, up.ID)
	}
	var list []Pending
	err := u.gate.pass(ctx, forPart, func() (_ int64, err error) {
		list, err = l.Pending(ctx, up.Key, mostPending)
		return 0, err
	})
	switch {
	case mayNotLook(err):
		u.opt.Logger.InfoContext(ctx, "an upload may have been left, for the role may not list them", "path", j.Path, "key", up.Key)
		return nil
	case err != nil:
		return err
	}
	for _, p := range list {
		if p.Key != up.Key || p.Began.Before(up.Began.Add(-clockError)) {
			continue
		}
		if err := l.abort(ctx, p.Key, p.ID); err != nil {
			return err
		}
		u.opt.Logger.InfoContext(ctx, "aborted an upload that a crash had left", "path", j.Path, "key", p.Key)
	}
	return nil
}

// Tidy aborts the unfinished uploads that nothing else would come across: of
// files that are not there any more, that are not taken any more, and that are
// small now. It asks the bucket only if the index remembers such uploads.
func (u *Uploader) Tidy(ctx context.Context, t *Target, taken func(path string, size int64) bool) error {
	all, err := t.Index.Uploads().All(ctx)
	if err != nil {
		return fmt.Errorf("look up uploads: %w", err)
	}
	var errs []error
	for _, up := range all {
		v, err := t.Tree.Stat(up.Path)
		goesOn := err != nil || v.Size > u.opt.PartSize && taken(up.Path, v.Size)
		if goesOn && !errors.Is(err, ErrVanished) {
			continue
		}
		if err := t.Tree.Present(); err != nil {
			return err
		}
		j := &Job{Target: t, Path: up.Path, Key: up.Key}
		if err := u.drop(ctx, j, up.Upload); err != nil {
			errs = append(errs, err)
			continue
		}
		u.opt.Logger.InfoContext(ctx, "aborted the upload of a file that is gone, small or left out now", "path", up.Path, "key", up.Key)
	}
	return errors.Join(errs...)
}

// Strangers returns those of the unfinished uploads in list that are none of
// ours: they are left alone.
func Strangers(list []Pending, ours []state.PathUpload) []Pending {
	ids, keys := make(map[string]bool), make(map[string]time.Time)
	for _, up := range ours {
		if up.ID != "" {
			ids[up.ID] = true
		} else {
			keys[up.Key] = up.Began
		}
	}
	var others []Pending
	for _, p := range list {
		began, beginning := keys[p.Key]
		if ids[p.ID] || beginning && !p.Began.Before(began.Add(-clockError)) {
			continue
		}
		others = append(others, p)
	}
	return others
}
