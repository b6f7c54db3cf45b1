package upload

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"time"
)

// A reading is a file that is being read for a job.
type reading struct {
	*File
	job   *Job
	twice bool // one reading proves nothing: somebody may be writing
}

// begin opens the file of a job. It fails with ErrBusy if a program has it open
// for writing and the job does not allow for that.
func (u *Uploader) begin(job *Job) (*reading, error) {
	f, err := job.Target.Tree.Open(job.Path)
	if err != nil {
		return nil, err
	}
	r := &reading{File: f, job: job, twice: job.Live}
	switch f.Writers() {
	case Writing:
		if !job.Live {
			f.Close()
			return nil, &FileError{"read", job.Path, ErrBusy}
		}
	case Unknown:
		changed := time.Unix(0, max(f.MTime, f.CTime))
		r.twice = r.twice || timesLag || f.opened.Sub(changed) < u.opt.Settle
	}
	return r, nil
}

// fill reads len(p) bytes at off. A file that has become shorter has changed.
func (r *reading) fill(p []byte, off int64) error {
	n, err := r.ReadAt(p, off)
	if n == len(p) {
		return nil
	}
	switch {
	case errors.Is(err, io.EOF):
		err = ErrChanged
	case isShared(err): // a program has locked these bytes
		err = ErrBusy
	}
	return &FileError{"read", r.path, cause(err)}
}

// compare reads len(p) bytes at off again and fails with ErrChanged if they
// are not p.
func (r *reading) compare(p []byte, off int64) error {
	scratch := make([]byte, min(len(p), 32<<10))
	for len(p) > 0 {
		again := scratch[:min(len(p), len(scratch))]
		if err := r.fill(again, off); err != nil {
			return err
		}
		if !bytes.Equal(again, p[:len(again)]) {
			return &FileError{"read", r.path, ErrChanged}
		}
		p, off = p[len(again):], off+int64(len(again))
	}
	return nil
}

// verify tells whether what was read since begin is one state of the file that
// the path still leads to.
func (r *reading) verify() error {
	in, err := r.stat()
	if err != nil {
		return err
	}
	if in.Version != r.Version && !r.job.Live || in.Size < r.Size {
		return &FileError{"read", r.path, ErrChanged}
	}
	if !r.job.Live && r.Writers() == Writing {
		return &FileError{"read", r.path, ErrBusy}
	}
	there, err := r.tree.Stat(r.path)
	if err != nil {
		return err
	}
	if there.FileID != r.FileID {
		return &FileError{"read", r.path, ErrChanged}
	}
	return nil
}

// load reads a whole file into memory. Of one that is too large for that, it
// returns the reading without a buffer.
func (u *Uploader) load(ctx context.Context, job *Job) (*reading, *buffer, error) {
	size := min(job.Version.Size, u.opt.PartSize)
	for range 4 {
		buf, err := u.memory.get(ctx, size)
		if err != nil {
			return nil, nil, fmt.Errorf("read %s: %w", job.Path, err)
		}
		r, err := u.begin(job)
		if err != nil {
			u.memory.put(buf)
			return nil, nil, err
		}
		if r.Size > u.opt.PartSize {
			u.memory.put(buf)
			return r, nil, nil
		}
		if r.Size <= int64(cap(buf.data)) {
			if err := r.load(buf); err != nil {
				u.memory.put(buf)
				r.Close()
				return nil, nil, err
			}
			return r, buf, nil
		}
		u.memory.put(buf) // it has grown since it was planned: take a larger buffer
		size = r.Size
		r.Close()
	}
	return nil, nil, &FileError{"read", job.Path, ErrChanged}
}

func (r *reading) load(buf *buffer) error {
	buf.data = buf.data[:r.Size]
	if err := r.fill(buf.data, 0); err != nil {
		return err
	}
	if r.twice {
		if err := r.compare(buf.data, 0); err != nil {
			return err
		}
	}
	return r.verify()
}
