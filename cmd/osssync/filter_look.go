package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/upload"
)

// A sight is what is at a path, as a job looks at it.
type sight struct {
	there   bool
	regular bool
	size    int64 // of a regular file, bytes
	dir     bool
	fault   string // why it can be neither
	note    string // why nothing can be told
}

// lookAt looks at rel below the job's source, which it need not be in.
func lookAt(j *config.Job, rel string) sight {
	tree, err := upload.OpenTree(j.Source, j.Symlinks == "follow")
	if err != nil {
		return sight{note: unseen(err)}
	}
	defer tree.Close()
	v, err := tree.Stat(filepath.ToSlash(rel))
	if err == nil {
		return sight{there: true, regular: true, size: v.Size}
	}
	if s := irregular(j, rel); s.there {
		return s
	}
	return sight{note: unseen(err)}
}

// irregular tells what it is that a job finds no regular file at.
func irregular(j *config.Job, rel string) sight {
	link := firstLink(j.Source, rel)
	if link != "" && j.Symlinks != "follow" {
		return sight{there: true, fault: fmt.Sprintf("%s is a symbolic link, and symlinks = %q", link, j.Symlinks)}
	}
	root, err := os.OpenRoot(j.Source)
	if err != nil {
		return sight{}
	}
	defer root.Close()
	fi, err := root.Stat(rel)
	switch {
	case err == nil && fi.IsDir():
		return sight{there: true, dir: true}
	case err == nil:
		return sight{there: true, fault: upload.ErrNotRegular.Error() + " but " + kindOf(fi.Mode())}
	case link == "" || errors.Is(err, fs.ErrPermission):
		return sight{}
	}
	if _, err := root.Stat(link); err == nil {
		return sight{} // it is good; what is to be behind it is not there
	}
	return sight{there: true, fault: link + " is a symbolic link that leads to nothing in the source"}
}

// firstLink returns the first part of rel that is a symbolic link, "" for none.
func firstLink(source, rel string) string {
	at := ""
	for name := range strings.SplitSeq(rel, string(filepath.Separator)) {
		at = filepath.Join(at, name)
		fi, err := os.Lstat(filepath.Join(source, at))
		if err != nil {
			return ""
		}
		if fi.Mode()&fs.ModeSymlink != 0 {
			return at
		}
	}
	return ""
}

// unseen says why a look failed, "" where there is nothing to see.
func unseen(err error) string {
	if errors.Is(err, upload.ErrVanished) || errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if e, ok := errors.AsType[*upload.FileError](err); ok {
		err = e.Err // the path is known
	}
	return "; it cannot be looked at: " + err.Error()
}
