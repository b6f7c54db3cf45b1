package ecs

import (
	"bytes"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/osssync/osssync/test/sandbox/authority"
)

// grants are the newest credential of a role and the one before it.
type grants struct{ current, previous authority.Grant }

// Role returns the name of the attached role, "" where there is none.
func (s *Server) Role() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.role
}

// SetRole attaches a role in place of the present one; "" detaches it. The
// credentials of the role before stay good until they end, and a role that
// comes back brings the credential that it had.
func (s *Server) SetRole(name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.role = name
}

// Rotate makes the next credential of the attached role appear now, whatever
// is left of the last one, and returns it. It returns a zero Grant where no
// role is attached.
func (s *Server) Rotate() authority.Grant {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.role == "" {
		return authority.Grant{}
	}
	return s.next()
}

// Current returns the credential that a client would get now. It is false
// where no role is attached.
func (s *Server) Current() (authority.Grant, bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.role == "" {
		return authority.Grant{}, false
	}
	return s.grant(), true
}

// next issues the next credential of the attached role.
func (s *Server) next() authority.Grant {
	g := s.opt.Authority.Issue(s.role)
	s.issued[s.role] = grants{current: g, previous: s.issued[s.role].current}
	return g
}

// grant returns the credential of the attached role: the present one until the
// overlap begins, then the next.
func (s *Server) grant() authority.Grant {
	g := s.issued[s.role].current
	if g.AccessKeyID == "" || !s.opt.Authority.Now().Before(g.Expires.Add(-s.overlap(g))) {
		return s.next()
	}
	return g
}

func (s *Server) overlap(g authority.Grant) time.Duration {
	if s.opt.Overlap > 0 {
		return s.opt.Overlap
	}
	return g.Expires.Sub(g.Issued) / 12
}

// roleItem answers a request for the role's name or credential.
func (s *Server) roleItem(path string, f Fault) answer {
	name, ok := strings.CutPrefix(path, "meta-data/ram/security-credentials")
	switch {
	case s.role == "" || !ok && path != "meta-data/ram/":
		return htmlPage(http.StatusNotFound)
	case !ok:
		return text("security-credentials/")
	case name == "" || name == "/":
		return text(s.role)
	case name != "/"+s.role:
		return htmlPage(http.StatusNotFound)
	}
	return text(s.credentials(f))
}

// credentials returns the body with the role's credential, bent as the fault
// wants it. Between a key and its colon the real one has a space, which not
// every parser has expected.
func (s *Server) credentials(f Fault) string {
	g := s.grant()
	if f.Rotate {
		g = s.next()
	}
	if previous := s.issued[s.role].previous; f.Older && previous.AccessKeyID != "" {
		g = previous
	}
	if f.Expired {
		life := g.Expires.Sub(g.Issued)
		g.Expires = s.opt.Authority.Now().Add(-time.Hour)
		g.Issued = g.Expires.Add(-life)
	}
	return bend([]field{
		{"AccessKeyId", g.AccessKeyID},
		{"AccessKeySecret", g.AccessKeySecret},
		{"Expiration", stamp(g.Expires)},
		{"SecurityToken", g.SecurityToken},
		{"LastUpdated", stamp(g.Issued)},
		{"Code", "Success"},
	}, f)
}

// A field is one of a JSON object whose order matters to the eye.
type field struct {
	key   string
	value any
}

// bend writes the fields without those that the fault drops and with its values
// in place of theirs.
func bend(fields []field, f Fault) string {
	extra := maps.Clone(f.Fields)
	var lines []string
	for _, fd := range fields {
		if v, ok := extra[fd.key]; ok {
			fd.value = v
			delete(extra, fd.key)
		}
		if !slices.Contains(f.Drop, fd.key) {
			lines = append(lines, fd.line())
		}
	}
	for _, key := range slices.Sorted(maps.Keys(extra)) {
		lines = append(lines, field{key, extra[key]}.line())
	}
	return "{\n" + strings.Join(lines, ",\n") + "\n}\n"
}

// line writes the field as the service spaces it. It panics for a value that
// JSON cannot hold, which only a test's own Fault can bring.
func (fd field) line() string {
	var b bytes.Buffer
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(fd.value); err != nil {
		panic("ecs: fault field " + fd.key + ": " + err.Error())
	}
	return `  "` + fd.key + `" : ` + strings.TrimSpace(b.String())
}
