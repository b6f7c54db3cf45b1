package creds

import (
	"context"
	"errors"
	"sync/atomic"
)

// roleSource gets the credential of the instance's role from the metadata
// service.
type roleSource struct {
	meta     *metadata
	role     string                    // "" means whichever is attached
	known    *atomic.Pointer[Identity] // nil inside until it is known
	identify bool                      // learn the identity on the way, for the disk cache
}

// fetch implements source. It sends a PUT for a token, a GET for the role's
// name unless it is configured, and a GET for the credential.
func (r *roleSource) fetch(ctx context.Context) (*grant, error) {
	s, err := r.meta.open(ctx)
	if err != nil {
		return nil, err
	}
	var g *grant
	if r.role != "" {
		g, err = r.configured(ctx, s)
	} else {
		g, err = r.attached(ctx, s)
	}
	if err != nil {
		return nil, err
	}
	if id := r.known.Load(); id != nil {
		g.identity = *id
	} else if r.identify {
		// Without it the credential is as good, but is not cached.
		g.identity, _ = s.identity(ctx)
	}
	return g, nil
}

// configured asks for the credential of the configured role, and where there
// is none, why.
func (r *roleSource) configured(ctx context.Context, s *session) (*grant, error) {
	g, err := s.credential(ctx, r.role)
	if !errors.Is(err, errNotFound) {
		return g, err
	}
	if _, err := r.listed(ctx, s); err != nil {
		return nil, err
	}
	return nil, failf(BadResponse, "get credential: role %s is attached but has none yet", r.role)
}

// attached asks for the credential of whichever role is attached. Where there
// is none, the role may have been replaced a moment ago.
func (r *roleSource) attached(ctx context.Context, s *session) (*grant, error) {
	role, err := s.role(ctx)
	if err != nil {
		return nil, err
	}
	g, err := s.credential(ctx, role)
	if !errors.Is(err, errNotFound) {
		return g, err
	}
	if role, err = s.role(ctx); err != nil {
		return nil, err
	}
	g, err = s.credential(ctx, role)
	if errors.Is(err, errNotFound) {
		return nil, failf(BadResponse, "get credential: role %s is attached but has none yet", role)
	}
	return g, err
}

// listed asks for the name of the attached role, which must be the configured
// one if there is one.
func (r *roleSource) listed(ctx context.Context, s *session) (string, error) {
	role, err := s.role(ctx)
	if err == nil && r.role != "" && role != r.role {
		return "", failf(WrongRole, "get role: role %s is configured, but %s is attached", r.role, role)
	}
	return role, err
}

// look returns the name of the attached role.
func (r *roleSource) look(ctx context.Context) (string, error) {
	s, err := r.meta.open(ctx)
	if err != nil {
		return "", err
	}
	return r.listed(ctx, s)
}

// confirm implements source: the instance, its account and region, and the
// attached role must be those of the cached credential.
func (r *roleSource) confirm(ctx context.Context, g *grant) (bool, error) {
	s, err := r.meta.open(ctx)
	if err != nil {
		return false, err
	}
	id, err := s.identity(ctx)
	if err != nil {
		return false, err
	}
	r.known.Store(&id)
	if id != g.identity {
		return false, nil
	}
	role, err := s.role(ctx)
	return err == nil && role == g.role, err
}
