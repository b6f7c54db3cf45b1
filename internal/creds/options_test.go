package creds

import (
	"errors"
	"slices"
	"strings"
	"testing"
	"time"
)

func TestDisabledByEnvironment(t *testing.T) {
	bubble(t, func(t *testing.T) {
		dir := tempCache(t)
		newBench(t, cached(dir)).want(t, "STS.app.1") // a cache does not count either
		b := newBench(t, cached(dir), func(o *Options) { o.Disabled = true })
		_, err := b.Get(t.Context())
		wantKind(t, err, DisabledByEnv)
		if !strings.Contains(err.Error(), "ALIBABA_CLOUD_ECS_METADATA_DISABLED") {
			t.Errorf("error %q does not name the variable", err)
		}
		_, err1 := b.Credentials()
		_, err2 := b.Identity(t.Context())
		_, err3 := b.Refresh(t.Context(), 1)
		_, _, err4 := b.TerminationTime(t.Context())
		err5 := b.Run(t.Context())
		b.Invalidate(1)
		for _, err := range []error{err1, err2, err3, err4, err5} {
			wantKind(t, err, DisabledByEnv)
		}
		b.fake.wantRequests(t)
	})
}

func TestEndpoints(t *testing.T) {
	good := []string{"", DefaultEndpoint, DefaultEndpoint + "/", "http://100.100.100.200:80", "http://127.0.0.1:8080", "http://[::1]:80", "http://127.8.9.1"}
	bad := []string{
		"https://100.100.100.200", "http://100.100.100.201", "http://100.100.100.200:8080", "http://example.com",
		"http://localhost:80", "http://169.254.169.254", "http://user:pw@127.0.0.1", "http://127.0.0.1/latest",
		"http://127.0.0.1?x", "http://127.0.0.1#x", "127.0.0.1:80", "ftp://127.0.0.1", "http://", "://", "http://0.0.0.0",
		"http://100.100.100.200.evil.example", "http://[::ffff:100.100.100.201]", "http://[::1%25eth0]", "http://2130706433",
	}
	for _, e := range good {
		if err := (Options{Endpoint: e}).Check(); err != nil {
			t.Errorf("%q: %v", e, err)
		}
	}
	for _, e := range bad {
		err := (Options{Endpoint: e}).Check()
		if err == nil {
			t.Errorf("%q is accepted", e)
		} else if strings.Contains(err.Error(), "pw") {
			t.Errorf("%q: the error shows the password: %v", e, err)
		}
		_, err = New(Options{Endpoint: e}).Get(t.Context())
		if kindOf(err) != Misconfigured {
			t.Errorf("%q: Get: %v", e, err)
		}
	}
}

func TestOptionsReportAllAtOnce(t *testing.T) {
	err := Options{
		Endpoint: "http://example.com", Role: "a/b", CacheDir: "relative",
		AssumeRole: AssumeRole{
			ARN: "nonsense", SessionName: "a b", ExternalID: "x", Policy: strings.Repeat("p", 2049),
			Duration: time.Minute, Endpoint: "http://sts.example.com",
		},
	}.Check()
	if err == nil {
		t.Fatal("accepted")
	}
	if got := strings.Split(err.Error(), "\n"); len(got) != 9 {
		t.Errorf("%d mistakes reported, want 9: %q", len(got), got)
	}
	if err := (Options{AssumeRole: AssumeRole{SessionName: "osssync-{instance_id}", Duration: time.Hour}}).Check(); err != nil {
		t.Errorf("defaults without a role to assume: %v", err)
	}
}

func TestErrorsSayWhatToDo(t *testing.T) {
	for k := Pending; k <= Denied; k++ {
		if hints[k] == "" || kindNames[k] == "" {
			t.Errorf("kind %d has no name or hint", k)
		}
	}
	if !slices.Contains([]string{Kind(99).String()}, "Kind(99)") || Kind(-1).String() != "Kind(-1)" {
		t.Error("unknown kinds have no name")
	}
	cause := errors.New("cause")
	if err := failf(NoRole, "get role: %w", cause); !errors.Is(err, cause) || err.Temporary() {
		t.Errorf("%v: want it to wrap its cause, and not to be temporary", err)
	}
}
