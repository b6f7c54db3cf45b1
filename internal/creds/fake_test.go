package creds

import (
	"fmt"
	"io"
	"net/http"
	"path"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// notFound is what the metadata service answers, word for word in spirit.
const notFound = `<?xml version="1.0" encoding="iso-8859-1"?><html><head><title>404 - Not Found</title></head></html>`

// A fake is a metadata service. Each credential it gives spells its generation
// in all three values, and is followed by another 30 minutes before its end.
type fake struct {
	mu       sync.Mutex
	role     string // "" for none
	identity Identity
	life     time.Duration
	early    time.Duration    // before its end a credential has a successor
	now      func() time.Time // of the service's clock
	gen      int
	expires  time.Time
	log      []string       // "PUT token", "GET role", "GET credential app", …
	headers  []http.Header  // of the same requests
	tokens   map[string]int // uses left, -1 for any number
	hook     hook
	quiet    bool // log is not kept
}

func newFake() *fake {
	return &fake{
		role:     "app",
		identity: Identity{"i-bp1fake", "cn-hangzhou", "cn-hangzhou-i", "1234567890123456"},
		life:     6 * time.Hour,
		early:    30 * time.Minute,
		now:      time.Now,
		tokens:   map[string]int{},
	}
}

func (f *fake) set(change func()) {
	f.mu.Lock()
	defer f.mu.Unlock()
	change()
}

// fail makes every request of a kind (a prefix of what is logged) be answered
// with a status.
func (f *fake) fail(prefix string, status int) {
	f.answer(prefix, status, notFound)
}

func (f *fake) answer(prefix string, status int, body string) {
	f.intercept(func(w http.ResponseWriter, _ *http.Request, what string) bool {
		if !strings.HasPrefix(what, prefix) {
			return false
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

// A hook, where it returns true, has answered itself.
type hook func(w http.ResponseWriter, r *http.Request, what string) bool

func (f *fake) intercept(h hook) { f.set(func() { f.hook = h }) }

func (f *fake) heal() { f.set(func() { f.hook = nil }) }

// rotate makes the next answer be another credential.
func (f *fake) rotate() { f.set(func() { f.expires = time.Time{} }) }

func describe(r *http.Request) string {
	switch {
	case r.URL.Path == tokenPath:
		return r.Method + " token"
	case r.URL.Path == rolePath:
		return r.Method + " role"
	case strings.HasPrefix(r.URL.Path, rolePath):
		return r.Method + " credential " + path.Base(r.URL.Path)
	case r.URL.Path == documentPath:
		return r.Method + " document"
	case r.URL.Path == spotPath:
		return r.Method + " termination"
	}
	return r.Method + " " + r.URL.Path
}

// hooked notes a request and lets the hook, which may take its time, answer.
func (f *fake) hooked(w http.ResponseWriter, r *http.Request, what string) bool {
	f.mu.Lock()
	if !f.quiet {
		f.log = append(f.log, what)
		f.headers = append(f.headers, r.Header.Clone())
	}
	w.Header().Set("Date", f.now().UTC().Format(http.TimeFormat))
	hook := f.hook
	f.mu.Unlock()
	return hook != nil && hook(w, r, what)
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	what := describe(r)
	if f.hooked(w, r, what) {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	token := r.Header.Get(tokenHeader)
	switch left, known := f.tokens[token]; {
	case what == "PUT token":
		token = fmt.Sprintf("metadata-token-%d", len(f.tokens))
		if f.quiet {
			clear(f.tokens)
		}
		f.tokens[token] = -1
		_, _ = io.WriteString(w, token)
		return
	case token == "":
		w.WriteHeader(http.StatusForbidden)
		return
	case !known || left == 0:
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	f.serve(w, what)
}

func (f *fake) serve(w http.ResponseWriter, what string) {
	switch {
	case what == "GET document":
		fmt.Fprintf(w, `{"instance-id":%q,"region-id":%q,"zone-id":%q,"owner-account-id":%q,"mac":"00:16:3e:00:00:01"}`,
			f.identity.InstanceID, f.identity.Region, f.identity.Zone, f.identity.AccountID)
	case what == "GET role" && f.role != "":
		_, _ = io.WriteString(w, f.role+"\n")
	case what == "GET credential "+f.role && f.role != "":
		if now := f.now(); f.expires.Sub(now) <= f.early {
			f.gen++
			f.expires = now.Add(f.life).UTC().Truncate(time.Second)
		}
		_, _ = io.WriteString(w, credentialJSON(f.role, f.gen, f.expires))
	default:
		w.WriteHeader(http.StatusNotFound)
		_, _ = io.WriteString(w, notFound)
	}
}

// Sentinels: none of these may ever be printed.
const (
	secretMark = "SeCrEtVaLuE"
	tokenMark  = "ToKeNvAlUe"
)

func credentialJSON(role string, gen int, expires time.Time) string {
	return fmt.Sprintf(`{ "AccessKeyId" : "STS.%s.%d", "AccessKeySecret" : "%s.%s.%d", "Expiration" : %q,
  "SecurityToken" : "%s.%s.%d", "LastUpdated" : "2026-01-02T03:04:05Z", "Code" : "Success" }`,
		role, gen, secretMark, role, gen, expires.UTC().Format(time.RFC3339), tokenMark, role, gen)
}

// consistent reports whether all of s is of one generation.
func consistent(s *Snapshot) bool {
	gen := strings.TrimPrefix(s.AccessKeyID, "STS.")
	return s.AccessKeySecret.Reveal() == secretMark+"."+gen && s.SecurityToken.Reveal() == tokenMark+"."+gen
}

func (f *fake) requests() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.log)
}

func (f *fake) count(prefix string) int {
	n := 0
	for _, r := range f.requests() {
		if strings.HasPrefix(r, prefix) {
			n++
		}
	}
	return n
}

func (f *fake) reset() { f.set(func() { f.log, f.headers = nil, nil }) }

// wantRequests fails unless exactly these were sent since the last reset.
func (f *fake) wantRequests(t testing.TB, want ...string) {
	t.Helper()
	if got := f.requests(); !slices.Equal(got, want) {
		t.Errorf("requests = %q, want %q", got, want)
	}
}
