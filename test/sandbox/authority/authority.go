// Package authority issues the credentials of the sandbox and knows which of
// them are good.
//
// It stands where RAM and STS stand in the cloud: the sandbox's metadata
// service and its AssumeRole hand out what an Authority issued, and its OSS
// server asks the same Authority whether a request may be believed. A test that
// wants a token to be revoked or to run out does it here, once, for both.
//
// # Generations
//
// Each grant of a role has a number, its generation, counted from 1. A newer
// generation does not end an older one: every grant is good until its own
// Expires, as with STS, so two of them overlap for as long as the issuer asks
// for the next before the last is over.
//
// # What a grant looks like
//
// A temporary access key id starts with "STS.", as the real ones do, and its
// token is standard base64 with '+', '/' and '=' in it, so that a client that
// forgets to escape it is found out. A static grant has neither a token nor an
// end.
package authority

import (
	"crypto/rand"
	"encoding/base64"
	"math/big"
	"sync"
	"time"
)

// DefaultLifetime is how long a temporary grant lasts unless Options say
// otherwise: six hours, as those of the metadata service do.
const DefaultLifetime = 6 * time.Hour

// keepExpired is how long an expired grant is remembered after its end, so that
// its user is told "expired" and not "unknown".
const keepExpired = 24 * time.Hour

// Options tunes an Authority. The zero value means the defaults.
type Options struct {
	Lifetime time.Duration    // of a grant by Issue; 0 means DefaultLifetime
	Now      func() time.Time // the clock; nil means time.Now
}

// A Grant is one credential. It is a plain value: later changes at the
// Authority do not show in it.
type Grant struct {
	AccessKeyID     string
	AccessKeySecret string
	SecurityToken   string    // "" for a static grant
	Issued          time.Time // whole seconds, UTC
	Expires         time.Time // whole seconds, UTC; zero for a static grant
	Generation      int       // counts the grants of Role from 1; 0 for a static grant
	Role            string    // "" for a static grant
}

// Temporary reports whether the grant is of a role: it must be used with its
// token and it ends.
func (g Grant) Temporary() bool { return g.SecurityToken != "" }

// Expired reports whether the grant is over at t. A static grant never is.
func (g Grant) Expired(t time.Time) bool {
	return !g.Expires.IsZero() && !t.Before(g.Expires)
}

// An Authority issues grants and looks them up. Its methods may be called
// concurrently. It keeps nothing on disk: after a restart of the sandbox the
// clients must ask for new credentials, as they must anyway be able to.
type Authority struct {
	lifetime time.Duration
	now      func() time.Time

	mu          sync.RWMutex
	grants      map[string]Grant  // by access key id; revoked ones are gone
	current     map[string]string // role to the access key id of its newest grant
	generations map[string]int    // role to the last number used
}

// New returns an Authority that has issued nothing.
func New(opt Options) *Authority {
	if opt.Lifetime == 0 {
		opt.Lifetime = DefaultLifetime
	}
	if opt.Now == nil {
		opt.Now = time.Now
	}
	return &Authority{
		lifetime:    opt.Lifetime,
		now:         opt.Now,
		grants:      make(map[string]Grant),
		current:     make(map[string]string),
		generations: make(map[string]int),
	}
}

// Now returns the authority's time.
func (a *Authority) Now() time.Time { return a.now() }

// Issue makes a new grant of the role, the next generation, for the lifetime of
// Options. The earlier ones stay good until they expire.
func (a *Authority) Issue(role string) Grant { return a.IssueFor(role, 0) }

// IssueFor is Issue with a lifetime of its own, as the DurationSeconds of
// AssumeRole asks for; 0 means that of Options.
func (a *Authority) IssueFor(role string, lifetime time.Duration) Grant {
	if lifetime == 0 {
		lifetime = a.lifetime
	}
	g := Grant{
		AccessKeyID:     "STS." + randomText(25),
		AccessKeySecret: randomText(44),
		SecurityToken:   randomToken(),
		Role:            role,
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now().UTC()
	g.Issued = now.Truncate(time.Second)
	// Rounded up: a lifetime under a second must not be over before it began.
	g.Expires = now.Add(lifetime + time.Second - time.Nanosecond).Truncate(time.Second)
	a.generations[role]++
	g.Generation = a.generations[role]
	a.prune(now)
	a.grants[g.AccessKeyID] = g
	a.current[role] = g.AccessKeyID
	return g
}

// prune forgets what expired long ago. It is called when something is added, so
// the number of grants kept is bounded by those issued in a day.
func (a *Authority) prune(now time.Time) {
	for id, g := range a.grants {
		if g.Expired(now.Add(-keepExpired)) {
			delete(a.grants, id)
		}
	}
}

// Current returns the newest grant of the role, expired or not. It is false
// where none was issued or the newest was revoked.
func (a *Authority) Current(role string) (Grant, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	g, ok := a.grants[a.current[role]]
	return g, ok
}

// Lookup returns the grant of an access key id. An expired grant is still
// found, so the caller checks Expired; an unknown or revoked one is not.
func (a *Authority) Lookup(accessKeyID string) (Grant, bool) {
	a.mu.RLock()
	defer a.mu.RUnlock()
	g, ok := a.grants[accessKeyID]
	return g, ok
}

// Revoke ends a grant at once: the key is unknown from now on. It does nothing
// for an unknown key.
func (a *Authority) Revoke(accessKeyID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	delete(a.grants, accessKeyID)
}

// Expire ends a grant at once but lets it be known, so that its user is told
// that it expired. It does nothing for an unknown or a static key.
func (a *Authority) Expire(accessKeyID string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if g, ok := a.grants[accessKeyID]; ok && g.Temporary() {
		g.Expires = a.now().UTC().Truncate(time.Second)
		a.grants[accessKeyID] = g
	}
}

// AddStatic makes a long-lived key without a token known, as a RAM user has.
// It replaces a grant of the same id.
func (a *Authority) AddStatic(accessKeyID, accessKeySecret string) Grant {
	a.mu.Lock()
	defer a.mu.Unlock()
	g := Grant{
		AccessKeyID:     accessKeyID,
		AccessKeySecret: accessKeySecret,
		Issued:          a.now().UTC().Truncate(time.Second),
	}
	a.grants[accessKeyID] = g
	return g
}

// randomText returns n letters and digits.
func randomText(n int) string {
	const letters = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"
	b := make([]byte, n)
	for i := range b {
		k, err := rand.Int(rand.Reader, big.NewInt(int64(len(letters))))
		if err != nil {
			panic(err) // crypto/rand never fails on a system that Go supports
		}
		b[i] = letters[k.Int64()]
	}
	return string(b)
}

// randomToken returns a token that holds each of the characters of base64 which
// mean something in a URL.
func randomToken() string {
	b := make([]byte, 301)
	rand.Read(b) // never fails
	return "CAIS" + base64.StdEncoding.EncodeToString(b[:1]) + "+/" + base64.StdEncoding.EncodeToString(b[1:])
}
