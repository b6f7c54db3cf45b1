package plan

import (
	"errors"
	"io/fs"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// An object may not be what its entry says where a request was sent and its end
// is not in the index: because no answer came, or because this process, or the
// one before it, ended first. If the file then gets the bytes back that the entry
// tells of, the object has to be asked.

// doubts says whether the object may be another one than known tells. What was
// in flight when the process before ended is found by the first scan, for its
// version cannot be that of the entry. The mutex is held.
func (l *Lane) doubts(it *item, known *state.Entry) bool {
	switch {
	case known == nil:
		return false
	case it.doubt, l.tally.failures[it.path] != nil, l.tally.more > 0:
		return true
	case known.Listed():
		return false // it tells of the bucket, not of what was sent
	}
	return it.scan || it.found || !l.scan.once
}

// uncertain says whether a failed job may have changed the bucket. What fails at
// the file itself fails before anything is sent, or after it is recorded.
func uncertain(err error) bool {
	var file *upload.FileError
	var key *KeyError
	return !errors.As(err, &file) && !errors.As(err, &key) && !errors.As(err, new(*fs.PathError))
}
