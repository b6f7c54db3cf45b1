package main

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
)

// An output is standard output, which remembers the error of a write, for much
// of what prints, the help above all, does not look at it. After an error
// nothing more is written: a gap would not be noticed.
type output struct {
	w   io.Writer
	err error
}

// Write implements io.Writer.
func (o *output) Write(b []byte) (n int, err error) {
	if o.err != nil {
		return 0, o.err
	}
	if n, err = o.w.Write(b); err != nil {
		o.fail("write", err)
	}
	return n, o.err
}

func (o *output) fail(op string, err error) {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err // its path says no more than we do
	}
	o.err = fmt.Errorf("%s standard output: %w", op, err)
}

// finish closes the output, at which some file systems first tell that they
// could not store it, and returns the error of the command with the one that
// the output has met, unless they are one.
func (o *output) finish(err error) error {
	if c, ok := o.w.(io.Closer); ok && o.err == nil {
		if failed := c.Close(); failed != nil {
			o.fail("close", failed)
		}
	}
	if o.err == nil || errors.Is(err, o.err) {
		return err
	}
	return errors.Join(err, o.err)
}

// fileOf returns the file that is written to, nil if it is none.
func fileOf(w any) *os.File {
	if o, ok := w.(*output); ok {
		w = o.w
	}
	f, _ := w.(*os.File)
	return f
}
