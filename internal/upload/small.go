package upload

import (
	"context"
	"crypto/md5"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// upload sends the file of a job, or finds that this is not needed.
func (u *Uploader) upload(ctx context.Context, j *Job, res *Result) {
	if u.isLarge(j) {
		r, err := u.begin(j)
		if err != nil {
			res.Err = u.gone(ctx, j, err)
			return
		}
		defer r.Close()
		if r.Size > u.opt.PartSize {
			res.Err = u.uploadLarge(ctx, r, res)
			return
		}
		// It has been cut since it was planned.
	}
	r, buf, err := u.load(ctx, j)
	if err != nil {
		res.Err = u.gone(ctx, j, err)
		return
	}
	defer r.Close()
	if buf == nil { // it has grown beyond one request since it was planned
		res.Err = u.uploadLarge(ctx, r, res)
		return
	}
	defer u.memory.put(buf)
	res.Err = u.uploadSmall(ctx, r, buf.data, res)
}

func (u *Uploader) uploadSmall(ctx context.Context, r *reading, body []byte, res *Result) error {
	e := r.entry(checksum(body))
	same, err := u.same(ctx, r.job, e, body)
	if err != nil {
		return err
	}
	if err := u.discard(ctx, r.job); err != nil { // of when the file was large
		return err
	}
	if same != nil {
		return u.touch(ctx, r, e, *same, res)
	}
	stored, sent, err := u.link(r.job).put(ctx, r.job.Key, body, e.CRC64, r.job.Target.Object.header(r.path, r.info))
	res.Bytes += sent
	if err != nil {
		return err
	}
	e.ETag = stored.ETag
	res.Action = Upload
	return u.record(ctx, r, e, res)
}

// entry returns the index entry of what was read, but for what the server has
// yet to say.
func (r *reading) entry(crc uint64) state.Entry {
	return state.Entry{
		Version:  r.Version,
		CRC64:    crc,
		Key:      r.job.Key,
		Uploaded: time.Now(),
		Racy:     r.job.Live || r.racy(),
	}
}

// same returns what the server holds under the key if it holds the bytes of e
// already, by the index or, where that only assumes it or is in doubt, by the
// object's word: its ETag as a listing showed it, which is the MD5 of an object
// that was put in one request, or else its CRC-64. body is nil where it is not at
// hand.
func (u *Uploader) same(ctx context.Context, j *Job, e state.Entry, body []byte) (*state.Entry, error) {
	k := j.Known
	if k == nil || k.Size != e.Size || k.Key != "" && k.Key != j.Key {
		return nil, nil
	}
	switch {
	case k.Assumed:
	case k.CRC64 != e.CRC64:
		return nil, nil
	case !j.Doubted:
		return k, nil
	}
	if body != nil && k.Listed() && !j.Doubted && strings.EqualFold(k.ETag, md5sum(body)) {
		return k, nil
	}
	stored, err := u.link(j).head(ctx, j.Key)
	if errors.Is(err, Missing) || mayNotLook(err) || err == nil && !holds(stored, e) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if stored.Modified.IsZero() {
		stored.Modified = e.Uploaded
	}
	return &state.Entry{ETag: stored.ETag, Uploaded: stored.Modified}, nil
}

// md5sum returns the ETag that bytes get that are put in one request.
func md5sum(p []byte) string {
	sum := md5.Sum(p)
	return hex.EncodeToString(sum[:])
}

// mayNotLook reports whether the role may put objects but not look at them, so
// that sending the bytes again is all that can be done.
func mayNotLook(err error) bool {
	e, ok := errors.AsType[*RequestError](err)
	return ok && e.Class == ThisJob && e.Status == http.StatusForbidden
}

// holds reports whether an object consists of the bytes of e.
func holds(s Stored, e state.Entry) bool { return s.Size == e.Size && s.CRC64 == e.CRC64 }

// touch records that the bytes are there already.
func (u *Uploader) touch(ctx context.Context, r *reading, e, there state.Entry, res *Result) error {
	e.ETag, e.Uploaded = there.ETag, there.Uploaded
	res.Action = Touch
	return u.record(ctx, r, e, res)
}

// record makes the entry durable, and then does away with the file if the job
// says so.
func (u *Uploader) record(ctx context.Context, r *reading, e state.Entry, res *Result) error {
	if err := r.job.Target.Index.Record(ctx, r.path, e); err != nil {
		return fmt.Errorf("record %s: %w", r.path, err)
	}
	res.Entry = &e
	return u.afterUpload(ctx, r, e, res)
}
