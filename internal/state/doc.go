// Package state is the agent's index: what is known of every file that was
// sent, of multipart uploads that have begun, and of files that failed.
//
// The index is a cache of verified facts; the truth is the local files and the
// bucket. A row that is lost or rolled back may cost a second look or an
// idempotent upload, never data. What could cost data is believing a row that
// is wrong, so every row carries a checksum over itself and over the root and
// path that it belongs to, and a row whose checksum does not hold is as if it
// were not there.
//
// # Durability
//
// [Root.Record], [Root.Forget] and [Uploads.Begin] return once their change
// would survive a power failure. One goroutine commits; whatever arrives while
// it waits for the disk goes into the next commit together, so many callers at
// once cost few disk writes. While the disk is full or fails, nothing returns
// success: callers wait, the commit is tried again, and [DB.Trouble] says why.
//
// # Damage
//
// A structural defect, noticed at any time, leads to a new index made of what
// can be read of the old one and of the last snapshot. The old one is set
// aside. [DB.Rebuilt] and [Root.Verified] then tell that deletions must wait
// until a whole scan and a listing of the bucket have confirmed the rest.
//
// # Processes
//
// One agent at a time: [Open] takes a lock in the directory. Any number of
// other processes may read meanwhile by [OpenReader]. The directory must be on
// a local disk, and must not lie inside a directory that is watched.
//
// Paths are bytes, relative to the source directory and separated by slashes;
// they need not be valid UTF-8. Lists are in byte order, directory by
// directory, as a sorted walk sees them.
package state
