package agent

import (
	"context"
	"errors"
	"io/fs"
	"net/http"
	"sync"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// errRebuilt ends the watching of a job whose index was made anew, so that it
// begins again and compares the index with the bucket first.
var errRebuilt = errors.New("the index was made anew")

// A proof says how far a job's entries can be believed. What they are needed
// for that cannot be undone, which is to delete, waits until they can be.
type proof struct {
	mu       sync.Mutex
	rebuilds int                     // of the index, since the job began
	owed     bool                    // a comparison with the bucket, since the last of them
	stop     context.CancelCauseFunc // ends the job; nil where it makes one pass
}

// doubt is called when the index was made anew: from now on nothing is deleted,
// and nothing that the index does not know is sent without a look at the bucket.
func (l *line) doubt() {
	l.proof.mu.Lock()
	defer l.proof.mu.Unlock()
	l.proof.rebuilds++
	l.proof.owed = true
	l.lane.Freeze(true)
	l.lane.Ask()
	if l.proof.stop != nil {
		l.proof.stop(errRebuilt)
	}
}

func (l *line) rebuilds() (n int, owed bool) {
	l.proof.mu.Lock()
	defer l.proof.mu.Unlock()
	return l.proof.rebuilds, l.proof.owed
}

// settle says that the entries were compared with the bucket, or need not be,
// unless the index was made anew since there were n rebuilds.
func (l *line) settle(n int) {
	l.proof.mu.Lock()
	defer l.proof.mu.Unlock()
	if l.proof.rebuilds == n {
		l.proof.owed = false
	}
}

// confirm follows a whole scan: if the entries need no comparison with the
// bucket, or had it, they count as verified, and what has vanished may go.
func (l *line) confirm(ctx context.Context) error {
	if l.root == nil {
		l.lane.Freeze(false)
		return nil
	}
	n, owed := l.rebuilds()
	if owed {
		return nil
	}
	verified, err := l.root.Verified(ctx)
	if err == nil && !verified {
		err = l.root.SetVerified(ctx, true)
	}
	if err != nil {
		return err
	}
	l.proof.mu.Lock()
	same := l.proof.rebuilds == n
	if same {
		l.lane.Freeze(false)
	}
	l.proof.mu.Unlock()
	if same {
		return nil
	}
	return l.root.SetVerified(ctx, false) // it was said of another index
}

// prove compares the entries with the bucket if the index was made anew since
// they were verified last: what is there already is not to be sent again, and
// what is not there is not to be believed. It must come before the scan.
//
// Where that cannot be done, because the role may not list the bucket or the
// keys depend on dates, each file that the index does not know is compared with
// its object, by one request for each, when its turn comes. Deletions stay
// frozen then if the role may not list.
func (a *Agent) prove(ctx context.Context, l *line) error {
	if l.root == nil {
		return nil
	}
	n, _ := l.rebuilds()
	doubted, err := l.root.Doubted(ctx)
	if err != nil || !doubted {
		return err
	}
	l.lane.Freeze(true)
	l.proof.mu.Lock()
	l.proof.owed = true
	l.proof.mu.Unlock()
	l.lane.Ask() // for what is stored while the listing is on its way
	if a.opt.List == nil || l.dated() {
		l.settle(n)
		return nil
	}
	err = a.compare(ctx, l)
	if denied(err) {
		a.log.WarnContext(ctx, "bucket cannot be listed to restore the index: files are compared one by one, and deletions wait",
			"job", l.job.Name, "err", err)
		if l.job.Deletes == string(plan.Keep) {
			l.settle(n)
		}
		return nil
	}
	if err == nil {
		l.settle(n)
	}
	return err
}

// dated says whether keys depend on more than the path.
func (l *line) dated() bool {
	return config.ExpandPath(l.prefix, "a", time.Unix(0, 0)) != l.prefix
}

// denied says whether the role may not do what was tried.
func denied(err error) bool {
	e, ok := errors.AsType[*upload.RequestError](err)
	return ok && e.Class == upload.ThisJob && e.Status == http.StatusForbidden
}

// compareBatch is how many changes a comparison writes at once.
const compareBatch = 1000

// A comparison brings a root in line with a listing of the bucket.
type comparison struct {
	line   *line
	lease  string // a key that is no file's
	record []state.Located
	forget []string

	confirmed, restored, missing, strange int64
}

// compare makes the entries of a job those of the objects that are there. It
// reads no file; what it cannot decide without, the workers do.
func (a *Agent) compare(ctx context.Context, l *line) error {
	begun := time.Now()
	a.log.InfoContext(ctx, "comparing the index with the bucket", "job", l.job.Name, "bucket", l.job.Bucket, "prefix", l.prefix)
	c := &comparison{line: l, lease: config.LeaseKey(l.prefix)}
	for p, err := range pairs(ctx, l.root.View, a.opt.List(ctx, l.job.Bucket, l.prefix)) {
		if err == nil {
			err = c.take(ctx, p)
		}
		if err != nil {
			return err
		}
	}
	if err := c.flush(ctx); err != nil {
		return err
	}
	a.log.InfoContext(ctx, "index compared with the bucket", "job", l.job.Name, "files", c.confirmed,
		"restored", c.restored, "missing", c.missing, "strange", c.strange, "took", time.Since(begun))
	return nil
}

// take decides about one path.
//
//	index          bucket
//	an entry       agrees            the entry is right, also if a snapshot brought it
//	an entry       nothing, differs  the entry is dropped
//	-              an object         if a file of its size is there: an assumed entry
//
// An assumed entry leads a worker to read the file and compare it with the
// object. It authorises no deletion: an object without a file is a stranger's.
func (c *comparison) take(ctx context.Context, p pair) error {
	switch {
	case p.entry != nil && p.object != nil && p.agree():
		c.confirmed++
		if p.entry.Assumed && !p.entry.Listed() {
			p.entry.Assumed = false
			c.record = append(c.record, state.Located{Path: p.path, Entry: *p.entry})
		}
	case p.entry != nil:
		c.missing++
		c.forget = append(c.forget, p.path)
		fallthrough
	default:
		if p.object != nil {
			c.restore(p)
		}
	}
	if len(c.record) < compareBatch && len(c.forget) < compareBatch {
		return nil
	}
	return c.flush(ctx)
}

// restore assumes that a file is what the object is made of.
func (c *comparison) restore(p pair) {
	if !c.line.mayBe(p) || p.object.Key == c.lease {
		if p.entry == nil {
			c.strange++
		}
		return
	}
	c.restored++
	c.record = append(c.record, state.Located{Path: p.path, Entry: state.Entry{
		Version: state.Version{Size: p.object.Size}, ETag: p.object.ETag, Uploaded: p.object.Modified, Assumed: true,
	}})
}

// mayBe says whether there is a file of the object's size that the job takes.
func (l *line) mayBe(p pair) bool {
	if !fs.ValidPath(p.path) {
		return false
	}
	if taken, _ := l.filter.Match(p.path, false); !taken {
		return false
	}
	v, err := l.tree.Stat(p.path)
	return err == nil && v.Size == p.object.Size
}

// flush writes what was decided. What is dropped comes first, for an assumed
// entry does not replace another.
func (c *comparison) flush(ctx context.Context) error {
	if err := c.line.root.ForgetAll(ctx, c.forget); err != nil {
		return err
	}
	if err := c.line.root.RecordAll(ctx, c.record); err != nil {
		return err
	}
	c.forget, c.record = c.forget[:0], c.record[:0]
	return nil
}
