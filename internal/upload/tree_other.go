//go:build !linux && !windows

package upload

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

const openFlags = unix.O_NONBLOCK | unix.O_NOCTTY

type system struct{}

func newSystem(*os.File) system { return system{} }

func (t *Tree) open(path string) (handle, error) { return t.openRoot(path) }

func (t *Tree) lstat(path string) (info, error) {
	f, err := t.openRoot(path)
	if err != nil {
		return info{}, err
	}
	defer f.Close()
	return fstat(f)
}

// timesLag: a write moves the times of the file at once.
const timesLag = false

func (t *Tree) writers(handle, uint64) Writers { return Unknown }

func (t *Tree) lastWriters(handle, uint64) Writers { return Unknown }

func (t *Tree) grain(handle, uint64) time.Duration { return 10 * time.Millisecond }

func isNotDir(err error) bool { return errors.Is(err, unix.ENOTDIR) }

func isLink(err error) bool { return errors.Is(err, unix.ELOOP) || errors.Is(err, unix.ENXIO) }

func isShared(err error) bool { return errors.Is(err, unix.EAGAIN) }
