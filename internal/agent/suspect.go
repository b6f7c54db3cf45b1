package agent

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// lookAgain are the pauses before a difference is looked at again that an agent
// at work may have made: an object is replaced a moment before the index says so.
var lookAgain = [...]time.Duration{time.Second, 4 * time.Second}

// A suspect is a path where index and bucket seem to differ.
type suspect struct {
	Difference
	entry *state.Entry // as the index had it, nil where it did not know the path
}

// suspect looks closer at an object that does not seem to be what the index
// says, or of which a listing could not tell.
func (c *check) suspect(ctx context.Context, path string) error {
	entry, err := c.view.Lookup(ctx, path)
	if err != nil || entry == nil {
		return err
	}
	d, err := c.look(ctx, path, entry)
	if err != nil || d == nil {
		return err
	}
	c.accuse(suspect{*d, entry})
	return nil
}

// look asks for an object and returns how it differs from the entry; nil if it
// does not.
func (c *check) look(ctx context.Context, path string, e *state.Entry) (*Difference, error) {
	d := &Difference{Job: c.name, Path: path, Key: c.key(path, e)}
	stored, err := head(ctx, c.bucket, d.Key)
	switch {
	case errors.Is(err, upload.Missing):
		d.Kind, d.Reason = Missing, "not in the bucket"
	case err != nil:
		return nil, err
	case stored.Size != e.Size:
		d.Kind, d.Reason = Differs, fmt.Sprintf("the object has %d bytes, not %d", stored.Size, e.Size)
	case stored.CRC64 != e.CRC64 && (!e.Assumed || distrusted(e)):
		d.Kind, d.Reason = Differs, "the object has another CRC-64"
	default:
		return nil, nil
	}
	return d, nil
}

// headTries is how often an object is asked for that cannot be had for a moment.
const headTries = 5

func head(ctx context.Context, b upload.Bucket, key string) (s upload.Stored, err error) {
	for try := range headTries {
		if s, err = b.Head(ctx, key); !errors.Is(err, upload.Transient) || !sleep(ctx, time.Second<<try/4) {
			break
		}
	}
	return s, err
}

// strange reports an object that the index does not know. Where there is a file
// of its name, an agent may just have sent it.
func (c *check) strange(ctx context.Context, p pair) error {
	s := suspect{Difference{Strange, c.name, p.path, p.object.Key, "not in the index"}, nil}
	if !fs.ValidPath(p.path) || p.path == "." {
		c.found(s.Difference)
		return nil
	}
	e, err := c.view.Lookup(ctx, p.path)
	if err != nil || e != nil {
		return err
	}
	if _, err := c.tree.Stat(p.path); err != nil {
		c.found(s.Difference)
		return nil
	}
	c.accuse(s)
	return c.counted(ctx, 0)
}

// accuse reports a difference, or has it looked at again.
func (c *check) accuse(s suspect) {
	if !c.opt.Beside {
		c.convict(s)
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.suspects = append(c.suspects, s)
}

// convict reports a difference, and has the file sent again if there is one.
func (c *check) convict(s suspect) {
	c.found(s.Difference)
	if s.Kind == Strange {
		return
	}
	if _, err := c.tree.Stat(s.Path); err == nil {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.resend = append(c.resend, s.Path)
	}
}

// settle looks again at what is in doubt, and reports what remains.
func (c *check) settle(ctx context.Context) error {
	c.mu.Lock()
	left := c.suspects
	c.suspects = nil
	c.mu.Unlock()
	for _, wait := range lookAgain {
		if len(left) == 0 || !sleep(ctx, wait) {
			return ctx.Err()
		}
		var still []suspect
		for _, s := range left {
			guilty, err := c.remains(ctx, s)
			if err != nil {
				return err
			}
			if guilty {
				still = append(still, s)
			}
		}
		left = still
	}
	for _, s := range left {
		c.convict(s)
	}
	return nil
}

// remains says whether a difference is still what it was.
func (c *check) remains(ctx context.Context, s suspect) (bool, error) {
	now, err := c.view.Lookup(ctx, s.Path)
	switch {
	case err != nil:
		return false, err
	case now == nil || s.entry == nil:
		return now == nil && s.entry == nil, nil
	case *now != *s.entry:
		return false, nil
	}
	d, err := c.look(ctx, s.Path, now)
	return d != nil, err
}
