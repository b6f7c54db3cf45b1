package upload

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// remove does away with the object of a file that is gone, or with its entry
// alone. It looks first: a file that is there again, or a source directory that
// is another one, stops it.
func (u *Uploader) remove(ctx context.Context, j *Job, res *Result) {
	if err := u.absent(j); err != nil {
		res.Err = err
		return
	}
	if res.Err = u.removeObject(ctx, j); res.Err == nil {
		res.Entry = nil
	}
}

// absent fails unless the source is there and the file is not. Forget destroys
// nothing and is what a file gets that is now left out, so it is not asked.
func (u *Uploader) absent(j *Job) error {
	if j.Action == Forget {
		return nil
	}
	_, err := j.Target.Tree.Stat(j.Path)
	switch {
	case err == nil || errors.Is(err, ErrNotRegular):
		return &FileError{"delete", j.Path, ErrChanged}
	case !errors.Is(err, ErrVanished):
		return err
	}
	return j.Target.Tree.Present()
}

// removeObject does to the object what the job's action says, and forgets the
// entry, with the upload that is remembered of the file.
func (u *Uploader) removeObject(ctx context.Context, j *Job) error {
	if err := u.discard(ctx, j); err != nil {
		return err
	}
	key := j.Key
	if j.Known != nil && j.Known.Key != "" {
		key = j.Known.Key
	}
	switch j.Action {
	case Trash:
		if err := u.trash(ctx, j, key); err != nil {
			return err
		}
	case Delete:
		if err := u.deleteObject(ctx, j.Target.Bucket, key); err != nil {
			return err
		}
	}
	if err := j.Target.Index.Forget(ctx, j.Path); err != nil {
		return fmt.Errorf("record %s: %w", j.Path, err)
	}
	return nil
}

// trash copies the object aside, whatever it is now, and deletes it when the
// copy is proven. An object that is not there any more needs neither.
func (u *Uploader) trash(ctx context.Context, j *Job, key string) error {
	if j.TrashKey == "" || j.TrashKey == key {
		return &FileError{"delete", j.Path, errors.New("no key to keep the object under")}
	}
	there, err := u.link(j).head(ctx, key)
	if errors.Is(err, Missing) {
		return nil
	} else if err != nil {
		return err
	}
	if err := u.trashFree(ctx, j); err != nil {
		return err
	}
	k := state.Entry{CRC64: there.CRC64, ETag: there.ETag}
	k.Size = there.Size
	copied, err := u.copyObject(ctx, j, key, j.TrashKey, &k, trashHeader(&j.Target.Object, j.Path, time.Now()))
	if err == nil && copied.CRC64 == 0 {
		copied, err = u.link(j).head(ctx, j.TrashKey)
	}
	if err != nil {
		return err
	}
	if copied.CRC64 != k.CRC64 {
		return mismatch("copy", j.TrashKey, copied.RequestID)
	}
	return u.deleteObject(ctx, j.Target.Bucket, key)
}

// trashFree fails if an object is at the trash key that was not put there by an
// earlier deletion. A role that may not look cannot know.
func (u *Uploader) trashFree(ctx context.Context, j *Job) error {
	there, err := u.link(j).head(ctx, j.TrashKey)
	switch {
	case errors.Is(err, Missing) || mayNotLook(err):
		return nil
	case err != nil:
		return err
	case there.Metadata[metaDeleted] == "":
		return &FileError{"delete", j.Path, fmt.Errorf("%w: %s; choose another trash_prefix, or take it away", ErrTrashTaken, j.TrashKey)}
	}
	return nil
}

// deletes gathers what is to be deleted while a request for the same bucket
// runs, so that many deletions need few requests.
type deletes struct {
	mu   sync.Mutex
	open map[Bucket]*deletion // those that others may still join
	last map[Bucket]*deletion // those that were begun last
}

// A deletion is one request for several objects.
type deletion struct {
	keys  []string
	after <-chan struct{} // closed when the one before is done; nil for none
	done  chan struct{}
	err   error // once done is closed
}

const mostDeletes = 1000 // objects of one request

// deleteObject deletes an object, together with those that others want deleted
// at the same time.
func (u *Uploader) deleteObject(ctx context.Context, b Bucket, key string) error {
	d, first := u.deletes.join(b, key)
	if !first {
		select {
		case <-d.done:
			return d.err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	if d.after != nil {
		select {
		case <-d.after:
		case <-ctx.Done():
		}
	}
	d.err = u.gate.pass(ctx, forSmall, func() (int64, error) {
		u.deletes.close(b, d)
		return 0, b.Delete(ctx, d.keys)
	})
	u.deletes.end(b, d)
	return d.err
}

// join adds a key to the deletion that waits for its turn, or begins one.
func (s *deletes) join(b Bucket, key string) (d *deletion, first bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open == nil {
		s.open, s.last = make(map[Bucket]*deletion), make(map[Bucket]*deletion)
	}
	d = s.open[b]
	if d == nil {
		d = &deletion{done: make(chan struct{})}
		if before := s.last[b]; before != nil {
			d.after = before.done
		}
		s.open[b], s.last[b] = d, d
		first = true
	}
	if d.keys = append(d.keys, key); len(d.keys) == mostDeletes {
		delete(s.open, b)
	}
	return d, first
}

// close lets nobody join a deletion any more.
func (s *deletes) close(b Bucket, d *deletion) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.open[b] == d {
		delete(s.open, b)
	}
}

// end tells all who joined how a deletion ended.
func (s *deletes) end(b Bucket, d *deletion) {
	s.close(b, d) // where ctx ended before its turn came
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.last[b] == d {
		delete(s.last, b)
	}
	close(d.done)
}
