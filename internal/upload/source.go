package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"sync"
	"time"
)

// Waits of a worker whose Source has failed, and how long it may go on failing
// before Run does.
const (
	sourceFirst = 100 * time.Millisecond // doubling
	sourceMost  = time.Second
	sourceLong  = time.Minute
	sourceQuiet = 30 * time.Second // without a failure, and the next is another trouble
)

// A patientSource asks a Source again that has failed: a disk that had no room
// or gave no answer for a moment takes no worker away.
type patientSource struct {
	Source
	log *slog.Logger

	mu          sync.Mutex
	first, last time.Time // the first failure without a job since, and the last one; zero: none
}

// Next is Source.Next, but for errors that have not lasted for sourceLong.
func (s *patientSource) Next(ctx context.Context) (*Job, error) {
	for wait := sourceFirst; ; wait = min(2*wait, sourceMost) {
		j, err := s.Source.Next(ctx)
		switch {
		case err == nil:
			s.recovered()
			return j, nil
		case errors.Is(err, io.EOF) || ctx.Err() != nil:
			return nil, err
		}
		if lasted := s.failed(ctx, err); lasted >= sourceLong {
			return nil, fmt.Errorf("find out what is to be done, for %v: %w", lasted.Round(time.Second), err)
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// failed returns since when the source has been failing.
func (s *patientSource) failed(ctx context.Context, err error) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	quiet := now.Sub(s.last) > sourceQuiet
	if quiet || s.first.IsZero() {
		s.first = now
	}
	if quiet {
		s.log.WarnContext(ctx, "cannot find out what is to be done, trying again", "err", err)
	}
	s.last = now
	return now.Sub(s.first)
}

func (s *patientSource) recovered() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.first = time.Time{} // and last tells that it has been said
}
