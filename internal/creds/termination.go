package creds

import (
	"context"
	"errors"
	"strings"
	"time"
)

const (
	spotPath = "/latest/meta-data/instance/spot/termination-time"

	// The longest lifetime that the service grants, and when a token is taken
	// for too old a while before that.
	lookTTL = 6 * time.Hour
	lookAge = lookTTL - 5*time.Minute
)

// A lookout looks again and again whether the instance is to be taken away.
// Since that is once a minute, it keeps its token from one look to the next.
type lookout struct {
	meta *metadata

	turn    chan struct{} // holds one value while somebody looks
	session *session      // nil: the next look asks for a token
	opened  time.Time
}

func newLookout(m *metadata) *lookout {
	return &lookout{meta: m, turn: make(chan struct{}, 1)}
}

// TerminationTime returns when the instance, if it is a spot instance, will be
// taken away; false means that no time is set. Notice is given some five
// minutes ahead, so ask about every minute. That sends one request, and one
// more for a token in six hours and after a failure.
func (p *Provider) TerminationTime(ctx context.Context) (time.Time, bool, error) {
	if p.err != nil {
		return time.Time{}, false, p.err
	}
	select {
	case p.spot.turn <- struct{}{}:
		defer func() { <-p.spot.turn }()
	case <-ctx.Done():
		return time.Time{}, false, context.Cause(ctx)
	}
	at, set, err := p.spot.look(ctx)
	if ctx.Err() != nil && err != nil {
		err = context.Cause(ctx)
	}
	return at, set, err
}

// look makes one look. After a failure the token is not used again, whatever
// the failure was about.
func (l *lookout) look(ctx context.Context) (at time.Time, set bool, err error) {
	ctx, cancel := context.WithTimeout(ctx, attemptTimeout)
	defer cancel()
	if l.session == nil || time.Since(l.opened) > lookAge {
		// A token that is refused when it is new is not asked for twice.
		s := &session{m: l.meta, ttl: lookTTL, renewed: true}
		if err := s.renew(ctx); err != nil {
			return time.Time{}, false, err
		}
		l.session, l.opened = s, time.Now()
	}
	at, set, err = l.session.termination(ctx)
	l.session.renewed = false
	if err != nil {
		l.session = nil
	}
	return at, set, err
}

// termination asks when a spot instance will be taken away; false means that
// no time is set.
func (s *session) termination(ctx context.Context) (time.Time, bool, error) {
	body, err := s.get(ctx, spotPath)
	if errors.Is(err, errNotFound) {
		return time.Time{}, false, nil
	} else if err != nil {
		return time.Time{}, false, err
	}
	t, err := time.Parse(time.RFC3339, strings.TrimSpace(string(body)))
	if err != nil {
		return time.Time{}, false, failf(BadResponse, "get termination time: the answer is not a time")
	}
	return t.UTC(), true, nil
}
