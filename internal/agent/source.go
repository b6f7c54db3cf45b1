package agent

import "github.com/osssync/osssync/internal/plan"

// A SourceError says that the source of a job cannot be looked at: it is not
// there, is not mounted, or may not be read.
type SourceError struct{ Err error }

func (e *SourceError) Error() string { return plan.SourceUnread + e.Err.Error() }

// Unwrap returns the cause.
func (e *SourceError) Unwrap() error { return e.Err }

// Hint returns SourceHint.
func (e *SourceError) Hint() string { return SourceHint }

// SourceHint is the way out of a SourceError. The agent needs nothing else.
const SourceHint = "make the source directory, or mount what belongs there, and let the user read it that osssync runs as"
