package agent

import (
	"cmp"
	"context"

	"github.com/osssync/osssync/internal/state"
)

// flush ends what is in doubt, and has files sent again, if that is wanted.
func (c *check) flush(ctx context.Context) error {
	if err := c.settle(ctx); err != nil {
		return err
	}
	c.mu.Lock()
	paths := c.resend
	c.resend = nil
	c.mu.Unlock()
	if len(paths) == 0 {
		return nil
	}
	n := 0
	var handed []string
	var err error
	switch {
	case c.opt.Recheck != nil:
		if n, err = c.opt.Recheck(ctx, c.name, paths); err == nil {
			handed = paths
		}
	case c.root != nil:
		if err = distrust(ctx, c.root, paths); err == nil {
			n = len(paths)
		}
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Repaired += int64(n)
	c.handed = append(c.handed, handed...)
	return err
}

// await waits for the agent to send what it was given, and counts what is in
// order then: the index trusts an entry again when the object was verified.
func (c *check) await(ctx context.Context) error {
	if len(c.handed) == 0 || c.opt.Await == nil {
		return nil
	}
	r, err := c.opt.Await(ctx, c.name)
	if err != nil {
		return err
	}
	good, why := int64(0), ""
	for _, path := range c.handed {
		e, err := c.view.Lookup(ctx, path)
		if err != nil {
			return err
		}
		if e != nil && !e.Assumed {
			good++
			continue
		}
		for _, f := range r.Failed {
			if why == "" && f.Path == path {
				why = path + ": " + f.Error
			}
		}
	}
	why = cmp.Or(why, r.Error, r.Paused)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.sum.Resent += good
	if why != "" && good < int64(len(c.handed)) {
		c.sum.Unsent = append(c.sum.Unsent, "job "+c.name+": "+why)
	}
	return nil
}

// distrust has the index take nothing for granted about these files any more, so
// that each is compared with its object and sent again where that is another one.
// The entries stay, for what is not yet made good must still be found; they
// authorise no deletion. It is durable when it returns.
func distrust(ctx context.Context, root *state.Root, paths []string) error {
	var known []string
	var doubted []state.Located
	for _, path := range paths {
		e, err := root.Lookup(ctx, path)
		if err != nil {
			return err
		}
		if e == nil {
			continue
		}
		d := state.Entry{Version: state.Version{Size: e.Size}, CRC64: e.CRC64, Key: e.Key, Uploaded: e.Uploaded, Assumed: true}
		known, doubted = append(known, path), append(doubted, state.Located{Path: path, Entry: d})
	}
	// An assumed entry does not replace another. What comes between, a crash or a
	// worker's entry, has the file sent as well.
	if err := root.ForgetAll(ctx, known); err != nil {
		return err
	}
	return root.RecordAll(ctx, doubted)
}

// distrusted says whether an entry is one that distrust has left: what a listing
// tells has no CRC-64, and what a snapshot tells has a time. That of an empty file
// is not known for one.
func distrusted(e *state.Entry) bool { return e.Listed() && e.ETag == "" && e.CRC64 != 0 }
