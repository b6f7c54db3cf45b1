package upload

import (
	"context"
	"errors"
	"fmt"

	"github.com/osssync/osssync/internal/state"
)

// Limits of the service.
const (
	leastPart   = 100 << 10 // bytes, of every part but the last
	mostParts   = 10_000
	largestPart = 5 << 30 // bytes
	largestFile = mostParts * largestPart
)

// block returns how much of a file is read at once to be summed.
func (u *Uploader) block() int64 { return min(1<<20, u.opt.PartSize) }

// uploadLarge sends a file in parts, or finds that this is not needed. What
// arrives is remembered, so that a later call goes on where this one ended.
func (u *Uploader) uploadLarge(ctx context.Context, r *reading, res *Result) error {
	if r.Size > largestFile {
		return &FileError{"read", r.path, fmt.Errorf("%d bytes are more than an object can hold", r.Size)}
	}
	if k := r.job.Known; k != nil && k.Size == r.Size && !r.job.Live {
		done, err := u.touchLarge(ctx, r, res)
		if done || err != nil {
			return err
		}
	}
	t, done, err := u.resume(ctx, r, res)
	if done || err != nil {
		return err
	}
	if t == nil {
		if t, err = u.create(ctx, r); err != nil {
			return err
		}
	}
	if t.base, err = u.baseOf(ctx, r.job, t.up); err != nil {
		return err
	}
	return t.run(ctx, res)
}

// touchLarge reads the whole file and, if the server holds these bytes
// already, records the new version of it.
func (u *Uploader) touchLarge(ctx context.Context, r *reading, res *Result) (done bool, err error) {
	crc, err := u.sum(ctx, r)
	if err != nil {
		return false, err
	}
	e := r.entry(crc)
	same, err := u.same(ctx, r.job, e, nil)
	if same == nil || err != nil {
		return false, err
	}
	if err := r.verify(); err != nil {
		return false, err
	}
	if err := u.discard(ctx, r.job); err != nil {
		return false, err
	}
	sums, err := u.kept(ctx, r.job, r.path)
	if err != nil {
		return false, err
	}
	if err := u.touch(ctx, r, e, *same, res); err != nil || res.Entry == nil {
		return true, err
	}
	return true, u.carrySums(ctx, r.job, sums, e)
}

// sum returns the CRC-64 of the whole file.
func (u *Uploader) sum(ctx context.Context, r *reading) (uint64, error) {
	buf, err := u.memory.get(ctx, u.block())
	if err != nil {
		return 0, err
	}
	defer u.memory.put(buf)
	var crc uint64
	for off := int64(0); off < r.Size; {
		p := buf.data[:min(u.block(), r.Size-off)]
		if err := errors.Join(ctx.Err(), r.fill(p, off)); err != nil {
			return 0, err
		}
		crc, off = extend(crc, p), off+int64(len(p))
	}
	return crc, nil
}

// create begins a new upload and remembers it before a part is sent. That it is
// about to begin is remembered even before, so that what a crash leaves is found.
func (u *Uploader) create(ctx context.Context, r *reading) (*transfer, error) {
	j := r.job
	size := partSize(r.Size, u.opt.PartSize)
	if size > u.opt.Memory {
		return nil, &FileError{"read", r.path, fmt.Errorf("%d bytes need parts of %d, more than the memory limit of %d", r.Size, size, u.opt.Memory)}
	}
	up := state.Upload{Key: j.Key, Version: r.Version, PartSize: size, Began: r.opened, Header: j.Target.Object.digest(r.path)}
	if err := u.open(ctx, j, &up, j.Target.Object.header(r.path, r.info)); err != nil {
		return nil, err
	}
	return newTransfer(u, r, up), nil
}

// open begins an upload at the server between two entries in the index: one
// that tells the key and the time, and one that tells the id too.
func (u *Uploader) open(ctx context.Context, j *Job, up *state.Upload, h Header) error {
	ix := j.Target.Index.Uploads()
	if err := ix.Begin(ctx, j.Path, *up); err != nil {
		return fmt.Errorf("record %s: %w", j.Path, err)
	}
	err := u.gate.pass(ctx, forPart, func() (_ int64, err error) {
		up.ID, err = j.Target.Bucket.Create(ctx, up.Key, h)
		return 0, err
	})
	if err != nil {
		// A success that cannot be read has begun one.
		if e, answered := errors.AsType[*RequestError](err); answered && e.Status/100 != 2 && !replyLost(err) {
			err = errors.Join(err, u.forgetUpload(ctx, j)) // nothing has begun
		}
		return err
	}
	if err := ix.Begin(ctx, j.Path, *up); err != nil {
		return errors.Join(fmt.Errorf("record %s: %w", j.Path, err), u.link(j).abort(ctx, up.Key, up.ID))
	}
	return nil
}

// partSize returns how large the parts of a file must be: the preferred size,
// or as many whole MiB as keep it within the number of parts there may be.
func partSize(file, preferred int64) int64 {
	if file <= preferred*mostParts {
		return preferred
	}
	const unit = 1 << 20
	least := (file + mostParts - 1) / mostParts
	return (least + unit - 1) / unit * unit
}

// gone aborts the upload that is remembered of a file that is not there any
// more, and returns err.
func (u *Uploader) gone(ctx context.Context, j *Job, err error) error {
	if errors.Is(err, ErrVanished) {
		return errors.Join(err, u.discard(ctx, j))
	}
	return err
}

// discard aborts the upload that is remembered of a file, if there is one, and
// forgets it.
func (u *Uploader) discard(ctx context.Context, j *Job) error {
	old, err := j.Target.Index.Uploads().Get(ctx, j.Path)
	if err != nil {
		return fmt.Errorf("look up %s: %w", j.Path, err)
	}
	if old == nil {
		return nil
	}
	return u.drop(ctx, j, *old)
}

// drop aborts an upload and forgets it. It is forgotten only when the server
// has, for parts of an upload that nobody knows cost money for ever.
func (u *Uploader) drop(ctx context.Context, j *Job, up state.Upload) error {
	if err := u.abandon(ctx, j, up); err != nil {
		return err
	}
	if err := j.Target.Index.Uploads().Drop(ctx, j.Path); err != nil {
		return fmt.Errorf("record %s: %w", j.Path, err)
	}
	return nil
}
