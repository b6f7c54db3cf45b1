package state

import (
	"cmp"
	"context"
	"iter"
	"slices"
)

// orderedPage is how many entries of a directory Ordered reads at once.
const orderedPage = 1000

// Ordered yields every entry in the byte order of whole paths, and ends with
// the first error. That is the order in which a bucket lists its keys, and not
// the one of [View.Walk]: "a-b" comes before "a/b" here, and "a.b" too. It
// holds one page of each directory on the way to the entry, and the names of
// the directories beside them; nothing is being read while an entry is looked
// at, and changes made meanwhile may be seen or not.
func (v *View) Ordered(ctx context.Context) iter.Seq2[Located, error] {
	return func(yield func(Located, error) bool) { v.ordered(ctx, "", yield) }
}

// ordered yields what is in and below dir. It returns false when there was an
// error or no more is wanted.
func (v *View) ordered(ctx context.Context, dir string, yield func(Located, error) bool) bool {
	dirs, err := v.Dirs(ctx, dir)
	if err != nil {
		yield(Located{}, err)
		return false
	}
	// A directory's entries come where its name with a slash does.
	slices.SortFunc(dirs, func(a, b string) int { return cmp.Compare(a+"/", b+"/") })
	for after, more := "", true; more; {
		files, err := v.Files(ctx, dir, after, orderedPage)
		if err != nil {
			yield(Located{}, err)
			return false
		}
		more = len(files) == orderedPage
		for _, f := range files {
			for len(dirs) > 0 && dirs[0]+"/" < f.Name {
				if !v.ordered(ctx, join(dir, dirs[0]), yield) {
					return false
				}
				dirs = dirs[1:]
			}
			if !yield(Located{join(dir, f.Name), f.Entry}, nil) {
				return false
			}
			after = f.Name
		}
	}
	for _, name := range dirs {
		if !v.ordered(ctx, join(dir, name), yield) {
			return false
		}
	}
	return true
}
