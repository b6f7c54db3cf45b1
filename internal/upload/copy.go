package upload

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/osssync/osssync/internal/state"
)

const (
	largestCopy  = 1 << 30   // bytes that the service copies by one request
	copyPartSize = 256 << 20 // beyond that, it is asked for parts of this size
)

// copy makes the object of a renamed file from that of its old path. Anything
// doubtful becomes a plain upload, for bytes are certain.
func (u *Uploader) copy(ctx context.Context, j *Job, res *Result) {
	e, ok, err := u.tryCopy(ctx, j)
	if err != nil {
		res.Err = err
		return
	}
	if !ok {
		plain := *j
		plain.Action, plain.Known = Upload, nil // what is known is of the old path
		res.Entry = nil
		u.upload(ctx, &plain, res)
	} else if err := j.Target.Index.Record(ctx, j.Path, e); err != nil {
		res.Err = fmt.Errorf("record %s: %w", j.Path, err)
	} else {
		res.Action, res.Entry = Copy, &e
	}
	if res.Err == nil && j.Old != Skip {
		old := Job{Target: j.Target, Action: j.Old, Path: j.From, Key: j.source(), TrashKey: j.TrashKey, Known: j.Known}
		res.Err = u.removeObject(ctx, &old)
	}
}

// source returns the key of the object to copy.
func (j *Job) source() string {
	if j.FromKey == "" && j.Known != nil {
		return j.Known.Key
	}
	return j.FromKey
}

// tryCopy copies the object and verifies it. It reports false where the file
// is not beyond doubt the one that the old object was made of, or where that
// object cannot be copied.
func (u *Uploader) tryCopy(ctx context.Context, j *Job) (state.Entry, bool, error) {
	k, from := j.Known, j.source()
	if k == nil || k.Racy || k.Assumed || k.ETag == "" || from == "" || from == j.Key {
		return state.Entry{}, false, nil
	}
	r, err := u.begin(j)
	if err != nil {
		return state.Entry{}, false, err
	}
	defer r.Close()
	if r.Size != k.Size || r.MTime != k.MTime || r.FileID != k.FileID || r.twice {
		return state.Entry{}, false, nil
	}
	if r.Size <= u.opt.PartSize { // cheap to be certain
		crc, err := u.sum(ctx, r)
		if err != nil || crc != k.CRC64 {
			return state.Entry{}, false, err
		}
	}
	if err := r.verify(); err != nil {
		return state.Entry{}, false, err
	}
	stored, err := u.copyObject(ctx, j.Target.Bucket, from, j.Key, k, j.Target.Object.header(j.Path, r.info))
	if err == nil && stored.CRC64 == 0 {
		stored, err = u.link(j).head(ctx, j.Key)
	}
	if err != nil {
		if errors.Is(err, Missing) || errors.Is(err, Conflict) || errors.Is(err, ThisFile) {
			return state.Entry{}, false, nil
		}
		return state.Entry{}, false, err
	}
	if stored.CRC64 != k.CRC64 {
		return state.Entry{}, false, nil
	}
	e := r.entry(k.CRC64)
	e.ETag = stored.ETag
	return e, true, nil
}

// copyObject copies an object that has an index entry.
func (u *Uploader) copyObject(ctx context.Context, b Bucket, from, to string, k *state.Entry, h Header) (stored Stored, err error) {
	if k.Size > largestCopy {
		return u.copyParts(ctx, b, from, to, k, h)
	}
	err = u.gate.pass(ctx, forSmall, func() (_ int64, err error) {
		stored, err = b.Copy(ctx, from, to, k.ETag, h)
		return 0, err
	})
	return stored, err
}

// copyParts copies an object that is too large for one request. If that fails,
// nothing is left of it.
func (u *Uploader) copyParts(ctx context.Context, b Bucket, from, to string, k *state.Entry, h Header) (stored Stored, err error) {
	pass := func(request func() error) error {
		return retry(ctx, partTries, func() error {
			return u.gate.pass(ctx, forPart, func() (int64, error) { return 0, request() })
		})
	}
	var id string
	if err = pass(func() (err error) { id, err = b.Create(ctx, to, h); return err }); err != nil {
		return stored, err
	}
	size := partSize(k.Size, copyPartSize)
	parts := make([]state.Part, (k.Size+size-1)/size)
	for i := range parts {
		off := int64(i) * size
		err = pass(func() (err error) {
			parts[i], err = b.CopyPart(ctx, to, id, i+1, from, off, min(size, k.Size-off), k.ETag)
			return err
		})
		if err != nil {
			break
		}
	}
	if err == nil {
		err = pass(func() (err error) { stored, err = b.Complete(ctx, to, id, parts); return err })
	}
	if err != nil {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), cleanupTime)
		defer cancel()
		return stored, errors.Join(err, b.Abort(clean, to, id))
	}
	return stored, nil
}

// trashHeader keeps of an object's properties what its copy in the trash needs.
func trashHeader(p *Properties, path string, now time.Time) Header {
	return Header{
		ContentType:  p.contentType(path),
		StorageClass: p.StorageClass,
		Encryption:   p.Encryption,
		ACL:          p.ACL,
		Metadata:     map[string]string{"osssync-deleted": now.UTC().Format(time.RFC3339)},
	}
}
