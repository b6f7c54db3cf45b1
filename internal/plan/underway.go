package plan

import (
	"context"
	"slices"
	"strings"
)

// holds says whether the listing shows a path, which is relative to its
// directory, or the directory that leads to it. The files are sorted.
func (li *Listing) holds(rest string) bool {
	name, _, deep := strings.Cut(rest, "/")
	if deep {
		_, ok := slices.BinarySearch(li.Dirs, name)
		return ok
	}
	_, ok := slices.BinarySearchFunc(li.Files, name, func(f File, name string) int { return strings.Compare(f.Name, name) })
	return ok
}

// foundUnderWay puts the files below dir that are being sent, and that are not
// there any more, into in. The index does not hold a new one yet, so that its
// end cannot be found there. It must be called before the index is read.
func (l *Lane) foundUnderWay(ctx context.Context, dir string, there func(rest string) bool, in *intake) error {
	for _, path := range l.underWay(dir, there) {
		if !l.visible(path) {
			in.put++ // the directory is not in order
			continue
		}
		if err := in.found(ctx, path, 0, true, nil); err != nil {
			return err
		}
	}
	return nil
}

// underWay returns the paths below dir that are handed out and not there.
func (l *Lane) underWay(dir string, there func(rest string) bool) (paths []string) {
	prefix := dir + "/"
	if dir == "" {
		prefix = ""
	}
	l.q.mu.Lock()
	defer l.q.mu.Unlock()
	for _, it := range l.busy {
		if rest, below := strings.CutPrefix(it.path, prefix); below && rest != "" && !there(rest) {
			paths = append(paths, it.path)
		}
	}
	return paths
}
