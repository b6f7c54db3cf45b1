package watch

import (
	"slices"
	"strings"
)

// cookiePrefix begins the names of the files and directories that the watcher
// makes for itself. They are never hinted and never listed.
const cookiePrefix = ".osssync-cookie-"

// A reader turns one directory after another into Listings, in memory that it
// uses again. It belongs to one goroutine.
type reader struct {
	follow  bool
	exclude func(dir string) bool

	l Listing
	scratch
}

func newReader(opt Options) *reader {
	return &reader{follow: opt.FollowSymlinks, exclude: opt.Exclude, scratch: newScratch()}
}

// read lists a directory. The listing is good until the next call.
func (r *reader) read(root *root, d *directory) (*Listing, error) {
	r.l = Listing{Dir: d.path, Files: r.l.Files[:0], Dirs: r.l.Dirs[:0]}
	if err := r.entries(root, d); err != nil {
		return nil, err
	}
	l := &r.l
	l.Dirs = slices.DeleteFunc(l.Dirs, func(name string) bool { return r.exclude(join(d.path, name)) })
	slices.Sort(l.Dirs)
	l.Digest = digestSeed
	for i := range l.Files {
		l.Digest += digestFile(&l.Files[i])
	}
	for _, name := range l.Dirs {
		l.Digest += digestDir(name)
	}
	if l.Digest == 0 {
		l.Digest = digestSeed
	}
	return l, nil
}

// join returns the path of a name in a directory.
func join(dir, name string) string {
	if dir == "" {
		return name
	}
	return dir + "/" + name
}

// split is the reverse of join.
func split(path string) (dir, name string) {
	i := strings.LastIndexByte(path, '/')
	if i < 0 {
		return "", path
	}
	return path[:i], path[i+1:]
}
