package main

import (
	"context"
	"fmt"
	"io/fs"
	"math/bits"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/plan"
)

const watchLimitFile = "/proc/sys/fs/inotify/max_user_watches"

// countPatience leaves time to tell of what was counted until then.
const countPatience = localPatience - time.Second

// mostEntries bounds what is counted in a source.
const mostEntries = 2_000_000

// checkWatches compares the directories to watch with the user's limit. One
// that is not watched is found by the next scan only.
func (d *doctor) checkWatches(ctx context.Context) []check {
	const name = "watch limits"
	b, err := os.ReadFile(watchLimitFile)
	limit, convErr := strconv.Atoi(strings.TrimSpace(string(b)))
	if err != nil || convErr != nil {
		return []check{warning(name, "is /proc mounted?", "%s cannot be read", watchLimitFile)}
	}
	ctx, cancel := context.WithTimeout(ctx, countPatience)
	defer cancel()
	dirs, least := 0, ""
	for i := range d.config.Jobs {
		if d.config.Jobs[i].Watch == "poll" {
			continue
		}
		n, all := countDirs(ctx, &d.config.Jobs[i])
		dirs += n
		if !all {
			least = "at least "
		}
	}
	return []check{judgeWatches(name, dirs, limit, least)}
}

// judgeWatches warns where the limit is not enough for the directories, or
// nearly so, for other programs of the user take of it too.
func judgeWatches(name string, dirs, limit int, least string) check {
	found := fmt.Sprintf("%s%d directories to watch, fs.inotify.max_user_watches is %d", least, dirs, limit)
	if dirs < limit-limit/4 {
		return good(name, "%s", found)
	}
	enough := 1 << bits.Len(uint(max(2*dirs, 2*limit, 1<<19)-1))
	return warning(name, fmt.Sprintf("sysctl -w fs.inotify.max_user_watches=%d, and put the line fs.inotify.max_user_watches = %d into /etc/sysctl.d/90-osssync.conf",
		enough, enough), "%s", found)
}

// checkOwner warns of a state directory that others own or can look into.
func checkOwner(name, dir string, fi os.FileInfo) (check, bool) {
	switch {
	case !ownedByUs(dir):
		return warning(name, "run osssync doctor as the user that runs the agent, or chown the directory to it",
			"%s is another user's", dir), true
	case fi.Mode().Perm()&0o077 != 0:
		return warning(name, "chmod 700 "+dir, "%s has mode %#o: others can look into it", dir, fi.Mode().Perm()), true
	}
	return check{}, false
}

// freeSpace returns how many bytes may still be written below dir.
func freeSpace(dir string) (uint64, error) {
	var st unix.Statfs_t
	if err := unix.Statfs(dir, &st); err != nil {
		return 0, fmt.Errorf("statfs %s: %w", dir, err)
	}
	return st.Bavail * uint64(st.Bsize), nil //nolint:gosec // a block size is positive
}

// countDirs counts the directories of a source that are to be watched, up to a
// number of entries or the end of ctx. It reports whether it saw them all.
func countDirs(ctx context.Context, job *config.Job) (dirs int, all bool) {
	filter, err := plan.ParseFilter(job.Filter)
	if err != nil {
		return 0, false
	}
	entries := 0
	err = filepath.WalkDir(job.Source, func(path string, e fs.DirEntry, err error) error {
		if entries++; ctx.Err() != nil || entries > mostEntries {
			return context.DeadlineExceeded
		}
		if err != nil || !e.IsDir() {
			return nil
		}
		rel, err := filepath.Rel(job.Source, path)
		if err == nil && rel != "." && filter.ExcludesDir(filepath.ToSlash(rel)) {
			return fs.SkipDir
		}
		dirs++
		return nil
	})
	return dirs, err == nil
}
