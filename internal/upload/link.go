package upload

import (
	"context"
	"errors"
	"log/slog"
	"net"

	"github.com/osssync/osssync/internal/state"
)

// mismatches is how often bytes are sent again at once because the server's
// CRC-64 was not theirs.
const mismatches = 2

// A link is a bucket together with the gate that every request to it passes.
// What it says is stored, is: CRC-64s are compared here.
type link struct {
	Bucket
	gate *gate
	log  *slog.Logger
}

func (u *Uploader) link(j *Job) link {
	return link{j.Target.Bucket, u.gate, u.opt.Logger}
}

func (l link) head(ctx context.Context, key string) (stored Stored, err error) {
	err = l.gate.pass(ctx, forSmall, func() (int64, error) {
		stored, err = l.Head(ctx, key)
		return 0, err
	})
	return stored, err
}

// put sends an object whose CRC-64 is crc, and reports how many bytes that
// took. Bytes that arrived damaged are sent again at once, for what the server
// holds now is not the file.
func (l link) put(ctx context.Context, key string, body []byte, crc uint64, h Header) (stored Stored, sent int64, err error) {
	size := int64(len(body))
	put := l.prepare(ctx, key, body, h)
	for range 1 + mismatches {
		err = l.gate.pass(ctx, forSmall, func() (_ int64, err error) {
			stored, err = put(ctx)
			sent += size
			return size, err
		})
		if err != nil && l.arrived(ctx, key, size, crc, err, &stored) {
			return stored, sent, nil
		}
		if err != nil {
			return stored, sent, err
		}
		if stored.CRC64 == crc {
			return stored, sent, nil
		}
		l.log.WarnContext(ctx, "object damaged on its way, sending it again", "key", key)
	}
	return stored, sent, mismatch("put", key, stored.RequestID)
}

// prepare is Prepare, of any Bucket.
func (l link) prepare(ctx context.Context, key string, body []byte, h Header) func(context.Context) (Stored, error) {
	if p, ok := l.Bucket.(Preparer); ok {
		return p.Prepare(ctx, key, body, h)
	}
	return func(ctx context.Context) (Stored, error) { return l.Put(ctx, key, body, h) }
}

// part sends a part whose CRC-64 is crc, as put does an object.
func (l link) part(ctx context.Context, key, id string, n int, body []byte, crc uint64) (part state.Part, sent int64, err error) {
	size := int64(len(body))
	for range 1 + mismatches {
		err = l.gate.pass(ctx, forPart, func() (_ int64, err error) {
			part, err = l.Part(ctx, key, id, n, body)
			sent += size
			return size, err
		})
		if err != nil {
			return part, sent, err
		}
		if part.CRC64 == crc {
			return state.Part{Number: n, Size: size, CRC64: crc, ETag: part.ETag}, sent, nil
		}
		l.log.WarnContext(ctx, "part damaged on its way, sending it again", "key", key)
	}
	return part, sent, mismatch("part", key, "")
}

// complete makes an object of parts. Its CRC-64 must be the one combined from
// theirs.
func (l link) complete(ctx context.Context, key, id string, parts []state.Part) (stored Stored, err error) {
	var size int64
	var crc uint64
	for _, p := range parts {
		crc = combine(crc, p.CRC64, p.Size)
		size += p.Size
	}
	err = l.gate.pass(ctx, forPart, func() (_ int64, err error) {
		stored, err = l.Complete(ctx, key, id, parts)
		return 0, err
	})
	if err != nil && l.arrived(ctx, key, size, crc, err, &stored) {
		return stored, nil
	}
	if err == nil && stored.CRC64 != crc {
		err = mismatch("complete", key, stored.RequestID)
	}
	return stored, err
}

// abort does away with an upload, with a few attempts.
func (l link) abort(ctx context.Context, key, id string) error {
	return retry(ctx, abortAttempts, func() error {
		return l.gate.pass(ctx, forPart, func() (int64, error) { return 0, l.Abort(ctx, key, id) })
	})
}

// arrived asks the object itself whether a request that failed was carried out
// all the same. Where that cannot be asked either, it was not.
func (l link) arrived(ctx context.Context, key string, size int64, crc uint64, err error, stored *Stored) bool {
	if !replyLost(err) {
		return false
	}
	there, err := l.head(ctx, key)
	if err != nil || there.Size != size || there.CRC64 != crc {
		return false
	}
	*stored = there
	return true
}

// replyLost reports whether a request that failed may have been carried out:
// it was sent, and no answer of the service itself came back; or the upload is
// gone, which it also is once it has been completed.
func replyLost(err error) bool {
	e, ok := errors.AsType[*RequestError](err)
	if !ok {
		return false
	}
	if e.Class == Missing {
		return true
	}
	if op, ok := errors.AsType[*net.OpError](err); ok && op.Op == "dial" {
		return false
	}
	return e.Class == Transient && (e.Status == 0 || e.Status == 500 || e.Status == 502 || e.Status == 504)
}

func mismatch(op, key, requestID string) error {
	return &RequestError{Op: op, Key: key, Class: Transient, RequestID: requestID, Err: ErrMismatch}
}
