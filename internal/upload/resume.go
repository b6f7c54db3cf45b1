package upload

import (
	"context"
	"errors"
	"fmt"

	"github.com/osssync/osssync/internal/state"
)

// resume takes up the upload that is remembered of the file. It returns nil
// where there is none that can go on, and done where it turns out that it was
// completed, though the answer was lost.
func (u *Uploader) resume(ctx context.Context, r *reading, res *Result) (t *transfer, done bool, err error) {
	j := r.job
	old, err := j.Target.Index.Uploads().Get(ctx, r.path)
	if err != nil {
		return nil, false, fmt.Errorf("look up %s: %w", r.path, err)
	}
	if old == nil {
		return nil, false, nil
	}
	if old.ID == "" { // it was about to begin
		return nil, false, u.drop(ctx, j, *old)
	}
	if !r.continues(*old) || old.PartSize > u.opt.Memory {
		u.opt.Logger.InfoContext(ctx, "file or its properties changed since its upload began, starting over", "path", r.path, "key", old.Key)
		return nil, false, u.drop(ctx, j, *old)
	}
	r.Size = old.Version.Size
	var there []state.Part
	err = u.gate.pass(ctx, forPart, func() (n int64, err error) {
		there, err = j.Target.Bucket.Parts(ctx, old.Key, old.ID)
		return 0, err
	})
	switch {
	case errors.Is(err, Missing):
		if done, err = u.completed(ctx, r, res); done || err != nil {
			return nil, done, err
		}
		return nil, false, u.drop(ctx, j, *old)
	case err != nil:
		return nil, false, err
	}
	t = newTransfer(u, r, *old)
	t.believe(there)
	u.opt.Logger.InfoContext(ctx, "upload resumed", "path", r.path, "key", j.Key, "parts", len(t.there))
	return t, false, nil
}

// continues reports whether an upload that began earlier can go on with the
// file as it is. Of a file that is still being written, the snapshot that was
// begun is finished, if all of it is still there.
func (r *reading) continues(up state.Upload) bool {
	if up.Header != 0 && up.Header != r.job.Target.Object.digest(r.path) {
		return false // the object gets what it was begun with
	}
	if up.Key != r.job.Key || up.PartSize < leastPart || up.Version.Size > largestFile ||
		(up.Version.Size+up.PartSize-1)/up.PartSize > mostParts {
		return false
	}
	if r.job.Live {
		return up.Version.FileID == r.FileID && up.Version.Size <= r.Size && up.Version.Size > up.PartSize
	}
	return up.Version == r.Version
}

// completed finds out whether an upload that the server does not know any more
// has become the object.
func (u *Uploader) completed(ctx context.Context, r *reading, res *Result) (bool, error) {
	if r.job.Live {
		return false, nil // the file is not what was sent any more
	}
	stored, err := u.link(r.job).head(ctx, r.job.Key)
	if errors.Is(err, Missing) || mayNotLook(err) || err == nil && stored.Size != r.Size {
		return false, nil // where nobody may ask, it is not known
	}
	if err != nil {
		return false, err
	}
	crc, err := u.sum(ctx, r)
	if err != nil {
		return false, err
	}
	e := r.entry(crc)
	if !holds(stored, e) {
		return false, nil
	}
	if err := r.verify(); err != nil {
		return false, err
	}
	e.ETag = stored.ETag
	res.Action = Upload
	if err := u.record(ctx, r, e, res); err != nil {
		return true, err
	}
	return true, u.forgetUpload(ctx, r.job)
}

func (u *Uploader) forgetUpload(ctx context.Context, j *Job) error {
	if err := j.Target.Index.Uploads().Drop(ctx, j.Path); err != nil {
		return fmt.Errorf("record %s: %w", j.Path, err)
	}
	return nil
}

// believe keeps the parts that both sides know alike, or that the server alone
// knows, but with a CRC-64. Whether they are those of the file is seen when it
// is read.
func (t *transfer) believe(there []state.Part) {
	known := make(map[int]state.Part, len(t.up.Parts))
	for _, p := range t.up.Parts {
		known[p.Number] = p
	}
	for _, p := range there {
		if p.Number < 1 || p.Number > len(t.parts) || p.Size != t.length(p.Number) {
			continue
		}
		k, ok := known[p.Number]
		switch {
		case ok && k.Size == p.Size && k.ETag == p.ETag && (p.CRC64 == 0 || p.CRC64 == k.CRC64):
			t.there[p.Number] = k
		case p.CRC64 != 0:
			t.there[p.Number] = p
		}
	}
}
