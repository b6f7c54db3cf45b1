package plan

import (
	"context"
	"fmt"
	"hash/fnv"
	"hash/maphash"
)

// digests remembers which directories were found just as the index has them,
// by the digest of their listing. It needs some 16 bytes for a directory, whatever
// its path. Guarded by the queue's mutex, but salt, which never changes.
type digests struct {
	seed   maphash.Seed
	salt   uint64 // stands for all that a comparison depends on besides the listing
	sums   *sums  // by hash of the directory; comparing while it is compared
	loaded bool
}

// comparing is no salted digest.
const comparing = noSum + 1

// newDigests begins with nothing remembered.
func newDigests(opt *LaneOptions) digests {
	h := fnv.New64a()
	for _, r := range opt.Filter.list() {
		fmt.Fprintf(h, "%s\n", r.text)
	}
	fmt.Fprintf(h, "%d %d %s", opt.Filter.min, opt.Filter.max, opt.Prefix)
	if opt.consumes() {
		fmt.Fprint(h, " and leaves")
	}
	return digests{seed: maphash.MakeSeed(), salt: h.Sum64(), sums: new(sums)}
}

// key stands for a directory; sums tells what follows where two are taken for one.
func (d *digests) key(dir string) uint64 { return maphash.String(d.seed, dir) }

// salted returns what is remembered of a digest: it is another one under other
// filter rules, because a listing that was in order may not be under these.
func (d *digests) salted(sum uint64) uint64 {
	return max(sum^d.salt, comparing+1)
}

// forget is called when anything happens to a file.
func (d *digests) forget(path string) {
	dir, _ := split(path)
	d.sums.remove(d.key(dir))
}

// forgetAbove is called for a file that the index does not know. Its directory
// may be new to the index as well, and then a directory above is in order only
// if its listing shows the way there, which one of before did not.
func (d *digests) forgetAbove(path string) {
	for path != "" {
		path, _ = split(path)
		d.sums.remove(d.key(path))
	}
}

// compare says whether a directory is known to be in order. If not, what
// follows is a comparison, and then compared.
func (d *digests) compare(dir string, sum uint64) bool {
	key := d.key(dir)
	if sum != 0 && d.sums.get(key) == d.salted(sum) {
		return true
	}
	d.sums.set(key, comparing)
	return false
}

// compared ends a comparison. If the directory is in order and nothing happened
// in it meanwhile, it is remembered.
func (d *digests) compared(dir string, sum uint64, inOrder bool) bool {
	key := d.key(dir)
	if d.sums.get(key) != comparing {
		return false
	}
	if !inOrder || sum == 0 {
		d.sums.remove(key)
		return false
	}
	d.sums.set(key, d.salted(sum))
	return true
}

// loadDigests takes over what an earlier run remembered, once.
func (l *Lane) loadDigests(ctx context.Context) error {
	q := l.q
	q.mu.Lock()
	load := !l.digest.loaded && l.opt.Digests != nil
	l.digest.loaded = true
	q.mu.Unlock()
	if !load {
		return nil
	}
	return l.opt.Digests(ctx, func(dir string, sum uint64) error {
		q.mu.Lock()
		defer q.mu.Unlock()
		if key := l.digest.key(dir); sum > comparing && l.digest.sums.get(key) == noSum {
			l.digest.sums.set(key, sum)
		}
		return nil
	})
}
