package state

import (
	"context"
	"errors"
)

// A pool lends connections for reading. They are opened when first needed.
type pool struct {
	path, params string
	slots        chan *conn // nil for one that is not open yet
}

func newPool(path, params string, size int) *pool {
	p := &pool{path, params, make(chan *conn, size)}
	for range size {
		p.slots <- nil
	}
	return p
}

// with calls fn with a connection that nobody else uses.
func (p *pool) with(ctx context.Context, fn func(*conn) error) (err error) {
	var c *conn
	select {
	case c = <-p.slots:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { p.slots <- c }()
	if c == nil {
		if c, err = connect(p.path, p.params); err != nil {
			return err
		}
	}
	return fn(c)
}

// close waits for every connection and closes it. The pool is empty then.
func (p *pool) close() error {
	var errs []error
	for range cap(p.slots) {
		if c := <-p.slots; c != nil {
			errs = append(errs, c.close())
		}
	}
	return errors.Join(errs...)
}
