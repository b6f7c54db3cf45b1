// Package plan decides what to do about a path that may have changed, and when.
//
// A change notification is only a hint: it says "look here", never what
// happened. So the kind of a hint decides when a path is looked at, never what
// is done about it. What is done follows from two facts alone, the file on disk
// and the entry that the index holds of it:
//
//	on disk      in the index  also                     action
//	-----------  ------------  -----------------------  -------------------------
//	nothing      nothing                                skip
//	nothing      an entry      deletions are held       skip
//	nothing      an entry      path is filtered out     forget
//	nothing      an entry      entry is only assumed    forget
//	nothing      an entry      deletes = keep           forget
//	nothing      an entry      deletes = mirror         delete
//	nothing      an entry      deletes = trash          trash
//	irregular    nothing                                skip
//	irregular    an entry      deletions are held       skip
//	irregular    an entry                               forget
//	a file       nothing       path is filtered out     skip
//	a file       an entry      filtered out, held       skip
//	a file       an entry      path is filtered out     forget
//	a file       nothing                                upload
//	a file       an entry      size differs             upload
//	a file       an entry      mtime differs            upload
//	a file       an entry      its key differs          upload
//	a file       an entry      only ctime or id differ  upload, or touch by proof
//	a file       an entry      equal, entry is racy     upload, or touch by proof
//	a file       an entry      equal, only assumed      upload, or touch by proof
//	a file       an entry      equal, has yet to leave  upload, or touch by proof
//	a file       an entry      equal                    skip
//
// Irregular is a path that is there but is no regular file, or is reached
// through a symbolic link that may not be followed; its object is never deleted.
// To forget is to drop the entry and keep the object. Touch by proof is an
// Upload to the planner: the worker that reads the file turns it into a Touch if
// the bytes are the ones that were sent, and does away with the file then if that
// is what after_upload says. An Upload turns into a Copy if the file is, beyond
// doubt, one that had another path before.
//
// # Settling
//
// A path becomes due when no hint for it has come for LaneOptions.Settle, or
// LaneOptions.MaxWait after its first hint, whichever is earlier. A path that its
// writer is known to have closed, or that was renamed into place, is due almost at
// once. A file that is still open for writing is looked at again and again until
// it is closed or MaxWait is over; then a job asks for a proven snapshot
// (upload.Job.Live). A file that changes over and over is sent at growing
// intervals.
//
// # One at a time
//
// A path that has been handed out is not handed out again before Done is called
// for it, however often it is hinted meanwhile; one more look is then taken. So
// two workers never race to store two versions under one key.
//
// # Deletions
//
// A vanished file is not acted upon at once. It is remembered until the source
// has been quiet for a moment, and as long as a scan runs. That is when a file
// with the same file id that appeared elsewhere is recognised as renamed, and
// when it is known how many vanished together. Then the guards are asked: was
// every directory readable, is the root the directory it was, does it hold
// anything, are there no more deletions than LaneOptions.MaxDeletes. If one says
// no, none of them happens, uploads go on, and the reason stands in the lane's
// status until it no longer holds or Approve is called.
//
// # Memory
//
// Only paths that have something to be done are kept, at most 65,536 in a lane.
// Of what comes above that, only the directories are remembered and listed later;
// of too many directories, only that a scan is needed. Listed does not take more
// than the workers can use: it blocks, so that a first scan of any size streams.
package plan

import (
	"fmt"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// Deletes says what becomes of the object of a file that is gone. Any other
// value means Keep.
type Deletes string

// What becomes of objects whose files are gone.
const (
	Keep   Deletes = "keep"   // the object stays, its entry is dropped
	Mirror Deletes = "mirror" // the object is deleted
	Trash  Deletes = "trash"  // the object is moved below the trash prefix
)

// Rules are what a decision depends on besides the disk and the index.
type Rules struct {
	Deletes   Deletes
	Hold      string // why nothing may be deleted or forgotten now; "" when it may
	Excluded  string // the filter rule that leaves the path out; "" when it is taken
	Irregular bool   // the path is there, but is not a regular file in the source
	Rekeyed   bool   // the file's object would have another key today
	Leaving   bool   // a file that has been sent does not stay (after_upload)
}

// A Decision is what to do about a path, and why, in a few words for people.
type Decision struct {
	Action upload.Action
	Reason string
}

// Decide says what to do about a path. disk is nil when no regular file is
// there, known is nil when the index holds nothing. It is a pure function; its
// truth table is in the package's documentation.
func Decide(disk *state.Version, known *state.Entry, r Rules) Decision {
	switch {
	case known == nil && disk == nil:
		return Decision{upload.Skip, "not there, and never sent"}
	case known == nil && r.Excluded != "":
		return Decision{upload.Skip, "left out by " + r.Excluded}
	case known == nil:
		return Decision{upload.Upload, "new"}
	case disk == nil || r.Excluded != "":
		return decideGone(known, r)
	}
	return decideChanged(disk, known, r)
}

// decideGone is Decide for a path that the index knows and that is not to be
// in the bucket any more.
func decideGone(known *state.Entry, r Rules) Decision {
	switch {
	case r.Hold != "":
		return Decision{upload.Skip, "held: " + r.Hold}
	case r.Excluded != "":
		return Decision{upload.Forget, "left out by " + r.Excluded + "; the object is kept"}
	case r.Irregular:
		return Decision{upload.Forget, "not a regular file any more; the object is kept"}
	case known.Assumed:
		return Decision{upload.Forget, "gone, and never verified; the object is kept"}
	case r.Deletes == Mirror:
		return Decision{upload.Delete, "gone"}
	case r.Deletes == Trash:
		return Decision{upload.Trash, "gone"}
	}
	return Decision{upload.Forget, "gone; the object is kept"}
}

// decideChanged is Decide for a file that is there and that the index knows.
func decideChanged(disk *state.Version, known *state.Entry, r Rules) Decision {
	switch {
	case disk.Size != known.Size:
		return Decision{upload.Upload, fmt.Sprintf("size changed from %d to %d", known.Size, disk.Size)}
	case disk.MTime != known.MTime:
		return Decision{upload.Upload, "modified"}
	case r.Rekeyed:
		return Decision{upload.Upload, "its key changed"}
	case disk.FileID != known.FileID:
		return Decision{upload.Upload, "replaced by another file of the same size and time"}
	case disk.CTime != known.CTime:
		return Decision{upload.Upload, "touched"}
	case known.Racy:
		return Decision{upload.Upload, "may have changed within the clock's last tick"}
	case known.Assumed:
		return Decision{upload.Upload, "not verified since the index was rebuilt"}
	case r.Leaving:
		// A crash came between, or something was in the way.
		return Decision{upload.Upload, "sent, and has yet to leave"}
	}
	return Decision{upload.Skip, "unchanged"}
}
