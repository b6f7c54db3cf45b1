package creds

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// A fakeSTS answers AssumeRole. It knows the secrets of the fake metadata
// service, and checks that the three values of a request belong together.
type fakeSTS struct {
	t   testing.TB
	now func() time.Time

	mu      sync.Mutex
	gen     int
	parents []string     // key ids that asked
	queries []url.Values // what they asked for
	hosts   []string
	hook    func(w http.ResponseWriter, n int) bool // n counts the requests from 1
}

func (s *fakeSTS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	defer s.mu.Unlock()
	id := r.Header.Get("x-acs-accesskey-id")
	s.parents, s.queries, s.hosts = append(s.parents, id), append(s.queries, r.URL.Query()), append(s.hosts, r.Host)
	w.Header().Set("Date", s.now().UTC().Format(http.TimeFormat))
	gen := strings.TrimPrefix(id, "STS.")
	if got := r.Header.Get("x-acs-security-token"); got != tokenMark+"."+gen {
		s.t.Errorf("token of another generation than key %s", id)
	}
	again := r.Clone(r.Context())
	signACS3(again, nil, id, NewSecret(secretMark+"."+gen))
	if got := r.Header.Get("Authorization"); got != again.Header.Get("Authorization") || again.Header.Get("x-acs-content-sha256") != r.Header.Get("x-acs-content-sha256") {
		s.t.Errorf("signature is not that of the secret of %s: %s", id, got)
	}
	if r.Method != http.MethodPost || r.URL.Path != "/" || r.Header.Get("x-acs-action") != "AssumeRole" || r.Header.Get("x-acs-version") != "2015-04-01" {
		s.t.Errorf("request is %s %s, %s of %s", r.Method, r.URL.Path, r.Header.Get("x-acs-action"), r.Header.Get("x-acs-version"))
	}
	if s.hook != nil && s.hook(w, len(s.parents)) {
		return
	}
	if at, err := time.Parse(time.RFC3339, r.Header.Get("x-acs-date")); err != nil || s.now().Sub(at).Abs() > 15*time.Minute {
		w.WriteHeader(http.StatusBadRequest)
		_, _ = io.WriteString(w, `{"Code":"InvalidTimeStamp.Expired","Message":"Specified time stamp or date value is expired."}`)
		return
	}
	s.gen++
	seconds, _ := time.ParseDuration(r.URL.Query().Get("DurationSeconds") + "s")
	body := credentialJSON("child", s.gen, s.now().Add(seconds))
	fmt.Fprintf(w, `{"RequestId":"1","AssumedRoleUser":{"Arn":"a","AssumedRoleId":"b"},"Credentials":%s}`, strings.Replace(body, `, "Code" : "Success"`, "", 1))
}

func (s *fakeSTS) count() int { return len(s.asked()) }

// asked returns the key ids that requests came with.
func (s *fakeSTS) asked() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.parents)
}

func (s *fakeSTS) intercept(h func(w http.ResponseWriter, n int) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.hook = h
}

func (s *fakeSTS) refuse(status int, body string) {
	s.intercept(func(w http.ResponseWriter, _ int) bool {
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
		return true
	})
}

const targetARN = "acs:ram::123456789012:role/target"

// chainBench makes a provider that assumes a role, in memory.
func chainBench(t testing.TB, f *fake, sts *fakeSTS, change ...func(*Options)) *bench {
	stsMemory := listen(t, sts)
	return benchOn(t, f, append([]func(*Options){func(o *Options) {
		metadata := o.dial
		o.dial = func(ctx context.Context, network, addr string) (net.Conn, error) {
			if strings.HasPrefix(addr, metadataAddress) {
				return metadata(ctx, network, addr)
			}
			return stsMemory.dial(ctx, network, addr)
		}
		o.AssumeRole = AssumeRole{ARN: targetARN, Endpoint: "http://127.0.0.1:9"}
	}}, change...)...)
}

func newSTS(t testing.TB) *fakeSTS { return &fakeSTS{t: t, now: time.Now} }
