package upload

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"sync/atomic"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/state"
)

// A transfer is a large file that is being sent in parts.
type transfer struct {
	u     *Uploader
	r     *reading
	up    state.Upload
	there map[int]state.Part  // what the server is thought to hold, by number
	proof [][sha256.Size]byte // of each part at the first of two readings; nil for one reading
	parts []state.Part        // all of them, by number less one
	sent  atomic.Int64

	base   *base        // what parts may be copied from; nil for nothing
	copied atomic.Int64 // parts that were
}

func newTransfer(u *Uploader, r *reading, up state.Upload) *transfer {
	n := (up.Version.Size + up.PartSize - 1) / up.PartSize
	return &transfer{u: u, r: r, up: up, there: make(map[int]state.Part), parts: make([]state.Part, n)}
}

// length returns the size of a part.
func (t *transfer) length(number int) int64 {
	return min(t.up.PartSize, t.up.Version.Size-int64(number-1)*t.up.PartSize)
}

// run sends the parts that are missing, completes the upload and records it.
func (t *transfer) run(ctx context.Context, res *Result) error {
	e, err := t.send(ctx)
	res.Bytes += t.sent.Load()
	switch {
	case errors.Is(err, ErrChanged), errors.Is(err, ErrVanished), errors.Is(err, ErrMismatch), errors.Is(err, Conflict):
		// What the server holds is of no use any more.
		return errors.Join(err, t.forgetSums(ctx), t.u.drop(ctx, t.r.job, t.up))
	case errors.Is(err, Missing):
		// The upload is gone: the next attempt begins a new one.
		lost := &RequestError{Op: "part", Key: t.up.Key, Class: Transient, Err: fmt.Errorf("upload is gone: %w", err)}
		return errors.Join(lost, t.u.forgetUpload(ctx, t.r.job))
	case err != nil:
		return err
	}
	res.Action = Upload
	if err := t.u.record(ctx, t.r, e, res); err != nil {
		return err
	}
	if err := t.u.forgetUpload(ctx, t.r.job); err != nil || res.Entry == nil {
		return err
	}
	return t.keepSums(ctx, e.CRC64)
}

func (t *transfer) send(ctx context.Context) (state.Entry, error) {
	if t.r.twice {
		if err := t.prove(ctx); err != nil {
			return state.Entry{}, err
		}
	}
	if err := t.sendParts(ctx); err != nil {
		return state.Entry{}, err
	}
	if err := t.checkCopies(ctx); err != nil {
		return state.Entry{}, err
	}
	if err := t.r.verify(); err != nil {
		return state.Entry{}, err
	}
	stored, err := t.u.link(t.r.job).complete(ctx, t.up.Key, t.up.ID, t.parts)
	e := t.r.entry(stored.CRC64)
	e.ETag = stored.ETag
	return e, err
}

// prove does the first of two readings: it remembers a hash of each part.
func (t *transfer) prove(ctx context.Context) error {
	buf, err := t.u.memory.get(ctx, t.u.block())
	if err != nil {
		return err
	}
	defer t.u.memory.put(buf)
	t.proof = make([][sha256.Size]byte, len(t.parts))
	h := sha256.New()
	for i := range t.proof {
		h.Reset()
		off := int64(i) * t.up.PartSize
		for end := off + t.length(i+1); off < end; {
			p := buf.data[:min(t.u.block(), end-off)]
			if err := errors.Join(ctx.Err(), t.r.fill(p, off)); err != nil {
				return err
			}
			h.Write(p)
			off += int64(len(p))
		}
		h.Sum(t.proof[i][:0])
	}
	return nil
}

// sendParts reads the file from its begin to its end and sends the parts that
// the server does not hold, several at once.
func (t *transfer) sendParts(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	for n := 1; n <= len(t.parts); n++ {
		buf, err := t.u.memory.getPart(ctx, t.length(n))
		if err == nil {
			if err = t.read(buf.data, n); err != nil {
				t.u.memory.put(buf)
			}
		}
		if err != nil {
			g.Go(func() error { return err })
			break
		}
		g.Go(func() error {
			defer t.u.memory.put(buf)
			return t.part(ctx, n, buf.data)
		})
	}
	return g.Wait()
}

// read reads a part. That the file has changed is noticed here first, to save
// sending the rest of it; what counts is verify.
func (t *transfer) read(p []byte, n int) error {
	if !t.r.job.Live {
		in, err := t.r.stat()
		if err != nil {
			return err
		}
		if in.Version != t.r.Version {
			return &FileError{"read", t.r.path, ErrChanged}
		}
	}
	return t.r.fill(p, int64(n-1)*t.up.PartSize)
}

// part sees to it that the server holds a part.
func (t *transfer) part(ctx context.Context, n int, body []byte) error {
	if t.proof != nil && sha256.Sum256(body) != t.proof[n-1] {
		return &FileError{"read", t.r.path, ErrChanged}
	}
	crc := checksum(body)
	if p, ok := t.there[n]; ok && p.CRC64 == crc {
		t.parts[n-1] = p
		return nil
	}
	p, ok := t.copyPart(ctx, n, crc)
	if !ok {
		err := retry(ctx, partTries, func() (err error) {
			var sent int64
			p, sent, err = t.u.link(t.r.job).part(ctx, t.up.Key, t.up.ID, n, body, crc)
			t.sent.Add(sent)
			return err
		})
		if err != nil {
			return err
		}
	}
	t.parts[n-1] = p
	if err := t.r.job.Target.Index.Uploads().AddPart(ctx, t.r.path, p); err != nil {
		return fmt.Errorf("record %s: %w", t.r.path, err)
	}
	return nil
}
