// Package upload sends files: it reads, verifies, stores, and remembers.
//
// # What is sent
//
// An object always equals one state that its file had at one moment. A file is
// opened below its root, looked at, and asked for writers, in that order; it
// is read; then it must look the same, still have no writer, and still be what
// its path leads to. The kernel stamps a file before it changes its bytes, so
// of a file that passes, every byte read was there at the first look.
//
// Where nobody can tell whether a program is writing (no leases on the file
// system, a file of another user without CAP_LEASE), a file that was left alone
// for Options.Settle is believed; a younger one is read twice, and both
// readings and both looks must agree. Windows can tell only by refusing writers
// for a moment, and keeps the time of a write until the writer closes the file:
// there every file is read twice.
//
// A file that is never closed, such as a log, is taken in the end, which its
// Job says by Live: the bytes up to the size first seen are read twice, the
// second time after all of the first. Where both readings agree, all these
// bytes held at the moment between, and they are sent. Readings that fit in one
// buffer are compared byte by byte, the parts of larger ones by SHA-256.
//
// # What is believed
//
// An upload is done when the server's CRC-64 equals that of the bytes read and
// the index entry is durable. The CRC of a large file is combined from those of
// its parts. A reply that was lost is looked for in the object itself before
// anything is sent again.
//
// # Limits
//
// All buffers come from one budget. All requests pass one gate, which finds out
// by itself how many at once get most through. Nothing waits between attempts
// for a whole file: that is the queue's business, which a failed job goes back
// to with what it learnt (see [RequestError]); parts that arrived stay.
package upload
