package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
)

func TestVerdict(t *testing.T) {
	fail := func(code int) check { return check{Status: statusFail, code: code} }
	warn := check{Status: statusWarn, Fix: "x"}
	for _, tt := range []struct {
		checks []check
		want   int
	}{
		{nil, 0},
		{[]check{warn, warn}, 0},
		{[]check{warn, fail(exitFailed)}, 1},
		{[]check{fail(exitFailed), fail(exitNoAccess)}, 5},
		{[]check{fail(exitNoAccess), fail(exitNoCreds), fail(exitFailed)}, 4},
		{[]check{fail(exitNoCreds), fail(exitConfig)}, 78},
		{[]check{fail(exitPartial)}, 1},
	} {
		if got := exitCode(verdict(tt.checks)); got != tt.want {
			t.Errorf("%+v: exit code %d, want %d", tt.checks, got, tt.want)
		}
	}
}

func TestCheckClock(t *testing.T) {
	for offset, want := range map[time.Duration]string{
		time.Second: "ok right to 1s", -59 * time.Second: "ok right to 59s", 400 * time.Millisecond: "ok right to 1s",
		61 * time.Second: "warn this machine's clock is 1m1s behind", -3 * time.Hour: "warn this machine's clock is 3h0m0s ahead",
		0: "warn not known, for no service told the time",
	} {
		if c := checkClock(offset); c.Status+" "+c.Detail != want || (c.Status == statusOK) != (c.Fix == "") {
			t.Errorf("%v: %+v, want %q", offset, c, want)
		}
	}
}

func TestCheckEnvironment(t *testing.T) {
	t.Setenv("ALIBABA_CLOUD_ACCESS_KEY_ID", "")
	if c := checkEnvironment(); strings.Contains(c.Detail, "ALIBABA_CLOUD_ACCESS_KEY_ID") {
		t.Errorf("an empty variable: %+v", c)
	}
	t.Setenv("OSS_ACCESS_KEY_SECRET", "hush")
	t.Setenv("alibaba_cloud_access_key_id", "hush")
	c := checkEnvironment()
	if c.Status != statusWarn || !strings.Contains(c.Detail, "OSS_ACCESS_KEY_SECRET") || !strings.Contains(c.Detail, "alibaba_cloud_access_key_id") {
		t.Errorf("%+v", c)
	}
	if strings.Contains(c.Detail+c.Fix, "hush") {
		t.Errorf("it tells the key: %+v", c)
	}
}

// TestRequestFailure holds the fix of each class of errors to be its own.
func TestRequestFailure(t *testing.T) {
	refused := func(code string, status int, class upload.Class) error {
		return &upload.RequestError{Op: "get", Key: "k", Code: code, Status: status, Class: class, Err: errors.New(code)}
	}
	over, cancel := context.WithTimeout(t.Context(), 0)
	defer cancel()
	<-over.Done()
	for _, tt := range []struct {
		ctx  context.Context
		err  error
		fix  string
		code int
	}{
		{t.Context(), refused("AccessDenied", 403, upload.ThisJob), policyFix, exitNoAccess},
		{t.Context(), refused("", 403, upload.ThisJob), policyFix, exitNoAccess},
		{t.Context(), refused("NoSuchBucket", 404, upload.ThisJob), "check the bucket's name", exitNoAccess},
		{t.Context(), refused("InvalidStorageClass", 400, upload.ThisJob), "correct the job's storage_class", exitNoAccess},
		{t.Context(), refused("UserDisable", 403, upload.ThisJob), "see in the console", exitNoAccess},
		{t.Context(), refused("SecurityTokenExpired", 403, upload.Credential), "OSS refused the role's credential", exitNoCreds},
		{t.Context(), refused("InternalError", 500, upload.Transient), "ask again", exitFailed},
		{t.Context(), refused("", 0, upload.Transient), "check the endpoint", exitFailed},
		{t.Context(), &creds.Error{Kind: creds.NoRole, Err: errors.New("no role"), Hint: "attach a RAM role"}, "attach a RAM role", exitNoCreds},
		{over, fmt.Errorf("get: %w", context.DeadlineExceeded), "ask again", exitFailed},
	} {
		c := requestFailure(tt.ctx, "x", tt.err)
		if !strings.HasPrefix(c.Fix, tt.fix) || c.code != tt.code || c.Status != statusFail {
			t.Errorf("%v: %+v, want the fix %q and code %d", tt.err, c, tt.fix, tt.code)
		}
	}
}

// What never answers fails after its time, and what answers at the last moment
// is heard.
func TestWithin(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		release := make(chan struct{})
		begun := time.Now()
		got := within(t.Context(), time.Second, "disk", func(context.Context) []check { <-release; return nil })
		if len(got) != 1 || got[0].Name != "disk" || got[0].Status != statusFail || got[0].Fix == "" || got[0].code != exitFailed {
			t.Errorf("%+v", got)
		}
		if took := time.Since(begun); took > 2*time.Second {
			t.Errorf("took %v", took)
		}
		close(release)
		want := []check{good("disk", "slow")}
		if got := within(t.Context(), time.Second, "disk", func(ctx context.Context) []check { <-ctx.Done(); return want }); !slices.Equal(got, want) {
			t.Errorf("%+v, want %+v", got, want)
		}
	})
}

func TestFailureIsOneLine(t *testing.T) {
	c := failure("x", errors.Join(errors.New("a"), errors.New("b")), "do it")
	if c.Detail != "a; b" || c.Fix != "do it" || c.code != exitFailed {
		t.Errorf("%+v", c)
	}
}
