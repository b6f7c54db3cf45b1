package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"

	"github.com/osssync/osssync/internal/upload"
)

// The ways out for what is no regular file.
const (
	putPipeHint = "what a pipe or a device yields is uploaded from standard input: osssync put - oss://BUCKET/KEY"
	putDirHint  = "a directory is uploaded by a [[job]] with this source: osssync sync"
)

// openRegular opens a regular file. Anything else is not opened at all, for that
// alone can wait without end, as with a pipe, or set a device going. What has
// taken the file's place meanwhile is known by its handle.
func openRegular(name string) (*os.File, fs.FileInfo, error) {
	fi, err := os.Stat(name)
	if err == nil {
		err = onlyRegular(fi.Mode())
	}
	if err != nil {
		return nil, nil, err
	}
	f, err := openNow(name)
	if err != nil {
		return nil, nil, err
	}
	if fi, err = f.Stat(); err == nil {
		err = onlyRegular(fi.Mode())
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, fi, nil
}

// onlyRegular fails for what is no regular file, and says what it is.
func onlyRegular(m fs.FileMode) error {
	hint := ""
	switch {
	case m.IsRegular():
		return nil
	case m.IsDir():
		hint = putDirHint
	case m&(fs.ModeNamedPipe|fs.ModeDevice) != 0:
		hint = putPipeHint
	}
	return &commandError{exitFailed, fmt.Errorf("%w but %s", upload.ErrNotRegular, kindOf(m)), hint}
}

// kindOf says what a file is that is not regular.
func kindOf(m fs.FileMode) string {
	switch {
	case m.IsDir():
		return "a directory"
	case m&fs.ModeNamedPipe != 0:
		return "a pipe"
	case m&fs.ModeDevice != 0:
		return "a device"
	case m&fs.ModeSocket != 0:
		return "a socket"
	}
	return "an irregular one"
}

// fileError says which file could not be opened, once.
func fileError(name string, err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		err = e.Err
	}
	return fmt.Errorf("put %s: %w", name, err)
}
