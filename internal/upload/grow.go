package upload

import (
	"context"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// A file that grew is mostly in the bucket already. Its parts are read again,
// and those whose CRC-64 is what the object's was at that place are copied
// there by the service, from the object itself; only the others are sent.
// Whatever goes wrong with that, the part is sent: it is in memory.

const (
	copyTries = 2 // of one part that is copied; then it is sent

	// askAgain is for how long no copy is tried after the role was found not
	// to be allowed to read objects.
	askAgain = time.Hour
)

// A base is the object that a file was the last time.
type base struct {
	sums state.Sums
	etag string
	bad  atomic.Bool // nothing more is copied from it
}

// baseOf returns what an upload can copy parts from, nil for nothing.
func (u *Uploader) baseOf(ctx context.Context, j *Job, up state.Upload) (*base, error) {
	k := j.Known
	if k == nil || k.Assumed || k.ETag == "" || k.Key != "" && k.Key != j.Key || up.Key != j.Key ||
		k.Size < up.PartSize || !j.Target.mayCopy() {
		return nil, nil
	}
	s, err := j.Target.Index.Uploads().Kept(ctx, j.Path)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", j.Path, err)
	}
	if s == nil || s.Size != k.Size || s.CRC64 != k.CRC64 || s.PartSize != up.PartSize {
		return nil, nil
	}
	return &base{sums: *s, etag: k.ETag}, nil
}

// holds reports whether the object has a whole part of that CRC-64 there.
func (b *base) holds(number int, crc uint64) bool {
	if b == nil || b.bad.Load() || number > len(b.sums.Parts) {
		return false
	}
	return int64(number)*b.sums.PartSize <= b.sums.Size && b.sums.Parts[number-1] == crc
}

// copyPart lets the service copy a part from the base. It reports false where
// that is not possible or did not succeed.
func (t *transfer) copyPart(ctx context.Context, n int, crc uint64) (p state.Part, ok bool) {
	size := t.length(n)
	if !t.base.holds(n, crc) || size != t.up.PartSize {
		return p, false
	}
	b := t.r.job.Target.Bucket
	err := retry(ctx, copyTries, func() error {
		return t.u.gate.pass(ctx, forPart, func() (_ int64, err error) {
			p, err = b.CopyPart(ctx, t.up.Key, t.up.ID, n, t.up.Key, int64(n-1)*t.up.PartSize, size, t.base.etag)
			return 0, err
		})
	})
	if err == nil && p.CRC64 != 0 && p.CRC64 != crc {
		err = mismatch("copy part", t.up.Key, "")
	}
	if err == nil {
		t.copied.Add(1)
		return state.Part{Number: n, Size: size, CRC64: crc, ETag: p.ETag}, true
	}
	if ctx.Err() == nil && !t.base.bad.Swap(true) {
		t.r.job.Target.copyFailed(err)
		t.u.opt.Logger.InfoContext(ctx, "parts cannot be copied, sending them", "path", t.r.path, "key", t.up.Key, "err", err)
	}
	return p, false
}

// checkCopies asks the server for the CRC-64s of the parts before they become
// an object: those that were copied are known only by what the object was, which
// has to do for a part that the server tells nothing of.
func (t *transfer) checkCopies(ctx context.Context) error {
	if t.copied.Load() == 0 {
		return nil
	}
	var there []state.Part
	err := retry(ctx, partTries, func() error {
		return t.u.gate.pass(ctx, forPart, func() (_ int64, err error) {
			there, err = t.r.job.Target.Bucket.Parts(ctx, t.up.Key, t.up.ID)
			return 0, err
		})
	})
	if err != nil {
		return err
	}
	for _, p := range there {
		if p.Number < 1 || p.Number > len(t.parts) {
			continue
		}
		want := t.parts[p.Number-1]
		if p.Size != want.Size || p.CRC64 != 0 && p.CRC64 != want.CRC64 {
			return &RequestError{Op: "copy part", Key: t.up.Key, Class: Conflict, Err: ErrMismatch}
		}
	}
	return nil
}

// keepSums remembers the parts of the object, for the time when the file has
// grown. To lose that costs bytes, not more.
func (t *transfer) keepSums(ctx context.Context, crc uint64) error {
	if t.up.Version.Size < state.LeastSummed || len(t.parts) < 2 {
		return nil
	}
	s := state.Sums{Size: t.up.Version.Size, CRC64: crc, PartSize: t.up.PartSize, Parts: make([]uint64, len(t.parts))}
	for i, p := range t.parts {
		s.Parts[i] = p.CRC64
	}
	return t.u.keep(ctx, t.r.job, s)
}

// forgetSums is for a base that is not what it was thought to be.
func (t *transfer) forgetSums(ctx context.Context) error {
	if t.base == nil {
		return nil
	}
	return t.u.keep(ctx, t.r.job, state.Sums{})
}

func (u *Uploader) keep(ctx context.Context, j *Job, s state.Sums) error {
	if err := j.Target.Index.Uploads().Keep(ctx, j.Path, s); err != nil {
		return fmt.Errorf("record %s: %w", j.Path, err)
	}
	return nil
}

// carrySums remembers for a path what is known of the parts of another whose
// object it has now, or of the same path before its entry was renewed.
func (u *Uploader) carrySums(ctx context.Context, j *Job, s *state.Sums, e state.Entry) error {
	if s == nil || s.Size != e.Size || s.CRC64 != e.CRC64 {
		return nil
	}
	return u.keep(ctx, j, *s)
}

// kept returns the sums of a path whose object is large enough to have any.
func (u *Uploader) kept(ctx context.Context, j *Job, path string) (*state.Sums, error) {
	if j.Known == nil || j.Known.Size < state.LeastSummed {
		return nil, nil
	}
	s, err := j.Target.Index.Uploads().Kept(ctx, path)
	if err != nil {
		return nil, fmt.Errorf("look up %s: %w", path, err)
	}
	return s, nil
}

// mayCopy reports whether a server-side copy is worth a try.
func (t *Target) mayCopy() bool {
	at := t.noCopy.Load()
	return at == 0 || time.Since(time.Unix(0, at)) > askAgain
}

// copyFailed hears why a copy failed. A role that may not read what it wrote
// is not asked again for a while.
func (t *Target) copyFailed(err error) {
	if mayNotLook(err) {
		t.noCopy.Store(time.Now().UnixNano())
	}
}
