package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/dustin/go-humanize"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// keyVariables begin the names of environment variables that hold a
// long-lived key.
var keyVariables = []string{"ALIBABA_CLOUD_ACCESS_KEY_", "ALICLOUD_ACCESS_KEY", "ALICLOUD_SECRET_KEY", "OSS_ACCESS_KEY_", "OSS_SECRET"}

// checkEnvironment looks for keys in the environment. It tells their names and
// never what they hold.
func checkEnvironment() check {
	var found []string
	for _, entry := range os.Environ() {
		name, value, _ := strings.Cut(entry, "=")
		known := slices.ContainsFunc(keyVariables, func(prefix string) bool { return strings.HasPrefix(strings.ToUpper(name), prefix) })
		if known && value != "" {
			found = append(found, name)
		}
	}
	if len(found) == 0 {
		return good("environment", "no long-lived key in it")
	}
	slices.Sort(found)
	return warning("environment", "unset it, and disable the key if nothing else needs it: osssync uses the instance's role only",
		"ignored, but readable to every program started from here: %s", strings.Join(found, ", "))
}

const (
	roomWanted  = 1 << 30 // bytes free for the index, of which a million files take a fifth
	roomNeeded  = 64 << 20
	mostSampled = 1000 // files that the filter is tried on
)

// checkState tries the state directory as the agent uses it.
func (d *doctor) checkState(ctx context.Context) []check {
	const name = "state directory"
	dir := d.config.StateDir()
	fi, err := os.Stat(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return []check{missingState(dir)}
	}
	if err == nil && !fi.IsDir() {
		err = fmt.Errorf("%s: not a directory", dir)
	}
	if err != nil {
		return []check{failure(name, err, "correct agent.state_dir")}
	}
	if err := tryIndex(ctx, dir); err != nil {
		fix := "let the user that runs osssync write there, or correct agent.state_dir"
		if _, ok := errors.AsType[*state.RemoteError](err); ok {
			fix = "name a directory of a local disk in agent.state_dir"
		}
		return []check{failure(name, err, fix)}
	}
	if w, ok := checkOwner(name, dir, fi); ok {
		return []check{w, checkRoom(dir)}
	}
	return []check{good(name, "%s is writable, private, and on a local file system", dir), checkRoom(dir)}
}

// missingState judges a directory that the agent has yet to make.
func missingState(dir string) check {
	const name = "state directory"
	above := filepath.Dir(dir)
	for above != filepath.Dir(above) && !isDirectory(above) {
		above = filepath.Dir(above)
	}
	f, err := os.MkdirTemp(above, ".osssync-doctor-")
	if err != nil {
		return failure(name, err, "make "+dir+" with mode 0700 for the user that runs osssync")
	}
	os.Remove(f)
	return good(name, "%s is not there yet; osssync run makes it", dir)
}

// tryIndex makes an index in a directory of its own below dir: that shows
// whether it can be written, and whether its file system will do.
func tryIndex(ctx context.Context, dir string) error {
	tmp, err := os.MkdirTemp(dir, ".osssync-doctor-")
	if err != nil {
		return err
	}
	db, err := state.Open(ctx, tmp, state.Options{})
	if err == nil {
		err = db.Close()
	}
	return errors.Join(err, os.RemoveAll(tmp))
}

func checkRoom(dir string) check {
	const name = "free space"
	free, err := freeSpace(dir)
	switch {
	case err != nil:
		return warning(name, "look at the disk that holds "+dir, "not known: %v", err)
	case free < roomNeeded:
		return failure(name, fmt.Errorf("%s left for %s", humanize.IBytes(free), dir), "make room: without it the index cannot be kept")
	case free < roomWanted:
		return warning(name, "make room: a million files take some 200 MiB of index", "%s left for %s", humanize.IBytes(free), dir)
	}
	return good(name, "%s left for %s", humanize.IBytes(free), dir)
}

// checkSource reads a job's source as far as it must to know that it can, and
// tries the filter on what it finds.
func checkSource(ctx context.Context, job *config.Job) []check {
	title := "job " + job.Name + ": "
	tree, err := upload.OpenTree(job.Source, job.Symlinks == "follow")
	if err != nil {
		return []check{failure(title+"source", err, "make the source, mount it, or correct job.source")}
	}
	tree.Close()
	filter, err := plan.ParseFilter(job.Filter)
	if err != nil {
		return []check{failure(title+"filter", err, "correct the rule")}
	}
	s := sample{filter: filter.WithSizes(int64(job.MinSize), int64(job.MaxSize))}
	if err := s.walk(ctx, job.Source); err != nil {
		return []check{failure(title+"source", timedOut(ctx, err, localPatience), "let the user that runs osssync read it")}
	}
	source := good(title+"source", "%s is readable", job.Source)
	if s.unread != nil {
		source = warning(title+"source", "let the user that runs osssync read them, or leave them out by a filter rule",
			"%d of the first %d files and directories cannot be read: %v", s.refused, s.files+s.refused, s.unread)
	}
	rules := good(title+"filter", "%d rules take %d of the first %d files", len(job.Filter), s.taken, s.files)
	if s.files > 0 && s.taken == 0 {
		rules = warning(title+"filter", "ask osssync filter PATH which rule leaves a file out", "none of the first %d files is taken", s.files)
	}
	return []check{source, rules}
}

// A sample is what the first files of a source tell.
type sample struct {
	filter       *plan.Filter
	files, taken int
	refused      int
	unread       error // the first refusal
}

// walk looks at the first files below root.
func (s *sample) walk(ctx context.Context, root string) error {
	return filepath.WalkDir(root, func(path string, e fs.DirEntry, err error) error {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		if err != nil && path == root {
			return err
		}
		rel, relErr := filepath.Rel(root, path)
		if relErr != nil {
			return relErr
		}
		rel = filepath.ToSlash(rel)
		switch {
		case err != nil:
			s.refuse(err)
			return nil
		case e.IsDir() && rel != "." && s.filter.ExcludesDir(rel):
			return fs.SkipDir
		case e.Type().IsRegular():
			s.look(path, rel, e)
		}
		if s.files >= mostSampled {
			return fs.SkipAll
		}
		return nil
	})
}

func (s *sample) refuse(err error) {
	s.refused++
	if s.unread == nil {
		s.unread = err
	}
}

// look tries the filter on a file, and opens what it takes.
func (s *sample) look(path, rel string, e fs.DirEntry) {
	s.files++
	fi, err := e.Info()
	if err != nil {
		return // gone by now
	}
	if taken, _ := s.filter.MatchFile(rel, fi.Size()); !taken {
		return
	}
	s.taken++
	f, err := os.Open(path)
	if err == nil {
		f.Close()
	} else if !errors.Is(err, fs.ErrNotExist) {
		s.refuse(err)
	}
}
