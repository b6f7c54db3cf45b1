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
	switch {
	case !ok && j.Version.Size > u.opt.PartSize:
		res.Err = &FileError{"copy", j.Path, ErrNoCopy} // it has to wait among the large ones
		return
	case !ok:
		plain := *j
		plain.Action, plain.Known = Upload, nil // what is known is of the old path
		res.Entry = nil
		u.upload(ctx, &plain, res)
	default:
		if res.Err = u.discard(ctx, j); res.Err != nil { // of what was at the new path
			break
		}
		if err := j.Target.Index.Record(ctx, j.Path, e); err != nil {
			res.Err = fmt.Errorf("record %s: %w", j.Path, err)
			break
		}
		res.Action, res.Entry = Copy, &e
		res.Err = u.carryCopy(ctx, j, e)
	}
	if res.Err == nil && j.Old != Skip {
		old := Job{Target: j.Target, Action: j.Old, Path: j.From, Key: j.source(), TrashKey: j.TrashKey, Known: j.Known}
		res.Err = u.removeObject(ctx, &old)
	}
}

// carryCopy gives the new path what is known of the parts of the old one.
func (u *Uploader) carryCopy(ctx context.Context, j *Job, e state.Entry) error {
	sums, err := u.kept(ctx, j, j.From)
	if err != nil {
		return err
	}
	return u.carrySums(ctx, j, sums, e)
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
	if k == nil || k.Racy || k.Assumed || k.ETag == "" || from == "" || from == j.Key || !j.Target.mayCopy() {
		return state.Entry{}, false, nil
	}
	r, err := u.begin(j)
	if err != nil {
		return state.Entry{}, false, err
	}
	defer r.Close()
	if r.Size != k.Size || r.MTime != k.MTime || r.FileID != k.FileID || r.twice && !timesLag {
		return state.Entry{}, false, nil
	}
	if r.Size <= u.opt.PartSize || timesLag { // cheap to be certain, or the only way
		crc, err := u.sum(ctx, r)
		if err != nil || crc != k.CRC64 {
			return state.Entry{}, false, err
		}
	}
	if err := r.verify(); err != nil {
		return state.Entry{}, false, err
	}
	stored, err := u.copyObject(ctx, j, from, j.Key, k, j.Target.Object.header(j.Path, r.info))
	if err == nil && stored.CRC64 == 0 {
		stored, err = u.link(j).head(ctx, j.Key)
	}
	if err != nil {
		j.Target.copyFailed(err)
		if errors.Is(err, Missing) || errors.Is(err, Conflict) || errors.Is(err, ThisFile) || mayNotLook(err) {
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

// copyObject copies an object that has an index entry, in parts where it is too
// large for one request or the service refuses that for another reason.
func (u *Uploader) copyObject(ctx context.Context, j *Job, from, to string, k *state.Entry, h Header) (stored Stored, err error) {
	if k.Size > largestCopy {
		return u.copyParts(ctx, j, from, to, k, h)
	}
	err = u.gate.pass(ctx, forSmall, func() (_ int64, err error) {
		stored, err = j.Target.Bucket.Copy(ctx, from, to, k.ETag, h)
		return 0, err
	})
	if errors.Is(err, ThisFile) && k.Size > 0 {
		return u.copyParts(ctx, j, from, to, k, h)
	}
	return stored, err
}

// copyParts copies an object in parts. It is remembered under the job's path,
// so that nothing is left of it whatever happens.
func (u *Uploader) copyParts(ctx context.Context, j *Job, from, to string, k *state.Entry, h Header) (stored Stored, err error) {
	if err := u.discard(ctx, j); err != nil {
		return stored, err
	}
	up := state.Upload{Key: to, PartSize: partSize(k.Size, copyPartSize), Began: time.Now()}
	if err := u.open(ctx, j, &up, h); err != nil {
		return stored, err
	}
	if stored, err = u.copyRanges(ctx, u.link(j), from, up, k); err == nil {
		return stored, u.forgetUpload(ctx, j)
	}
	clean, cancel := cleanup(ctx)
	defer cancel()
	return stored, errors.Join(err, u.drop(clean, j, up))
}

func (u *Uploader) copyRanges(ctx context.Context, b link, from string, up state.Upload, k *state.Entry) (stored Stored, err error) {
	pass := func(request func() error) error {
		return retry(ctx, partTries, func() error {
			return u.gate.pass(ctx, forPart, func() (int64, error) { return 0, request() })
		})
	}
	parts := make([]state.Part, (k.Size+up.PartSize-1)/up.PartSize)
	for i := range parts {
		off := int64(i) * up.PartSize
		err := pass(func() (err error) {
			parts[i], err = b.CopyPart(ctx, up.Key, up.ID, i+1, from, off, min(up.PartSize, k.Size-off), k.ETag)
			return err
		})
		if err != nil {
			return stored, err
		}
	}
	err = retry(ctx, partTries, func() error {
		err := u.gate.pass(ctx, forPart, func() (_ int64, err error) {
			stored, err = b.Complete(ctx, up.Key, up.ID, parts)
			return 0, err
		})
		if err != nil && b.arrived(ctx, up.Key, k.Size, k.CRC64, err, &stored) {
			return nil
		}
		return err
	})
	return stored, err
}

// trashHeader keeps of an object's properties what its copy in the trash needs.
func trashHeader(p *Properties, path string, now time.Time) Header {
	return Header{
		ContentType:  p.contentType(path),
		StorageClass: p.StorageClass,
		Encryption:   p.Encryption,
		ACL:          p.ACL,
		Metadata:     map[string]string{metaDeleted: now.UTC().Format(time.RFC3339)},
	}
}
