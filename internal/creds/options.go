package creds

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/netip"
	"net/url"
	"path/filepath"
	"strings"
	"time"
)

// DefaultEndpoint is the address of the ECS metadata service.
const DefaultEndpoint = "http://100.100.100.200"

const metadataAddress = "100.100.100.200"

// Options tunes a Provider. The zero value means the defaults.
type Options struct {
	// Endpoint is the metadata service. "" means DefaultEndpoint; besides it
	// only a loopback address is accepted, as "http://127.0.0.1:PORT".
	Endpoint string

	// Role is the name of the instance's role. "" means whichever is attached,
	// found anew when it changes.
	Role string

	// Disabled makes every call fail before any request is sent or any cache
	// read; set it from ALIBABA_CLOUD_ECS_METADATA_DISABLED.
	Disabled bool

	// CacheDir is the directory of the disk cache, an absolute path. It is
	// created, private to the user, when absent. "" means no disk cache.
	CacheDir string

	// AssumeRole is a second role, assumed with the instance's.
	AssumeRole AssumeRole

	// Logger gets refreshes, failures and recoveries. nil means none.
	Logger *slog.Logger

	// BootID and MachineID say which boot and which installation this is. nil
	// means that the operating system is asked.
	BootID, MachineID func() (string, error)

	// For tests: connections and the wall clock.
	dial func(ctx context.Context, network, addr string) (net.Conn, error)
	wall func() time.Time
}

// AssumeRole says which role to assume with the instance's. The zero value
// means none.
type AssumeRole struct {
	// ARN is the role, such as "acs:ram::123456789012:role/name". "" means
	// that the instance's role is used itself.
	ARN string

	// SessionName appears in audit logs. {instance_id} in it is replaced. ""
	// means "osssync-{instance_id}".
	SessionName string

	// ExternalID is what the role's trust policy may demand; 2 to 1,224
	// characters, "" for none.
	ExternalID string

	// Policy further restricts the session; JSON, up to 2,048 characters, ""
	// for none.
	Policy string

	// Duration is how long a credential lasts, 15 min to 12 h and no longer
	// than the role's own limit. 0 means 1 h.
	Duration time.Duration

	// Endpoint is the STS service. "" means that of the instance's region
	// inside the VPC. Plain http is accepted to loopback addresses only.
	Endpoint string
}

// Check reports all that is wrong with the options, joined.
func (o Options) Check() error {
	var errs []error
	if o.Endpoint != "" {
		errs = append(errs, checkEndpoint(o.Endpoint))
	}
	if o.Role != "" && !isRoleName(o.Role) {
		errs = append(errs, fmt.Errorf("role %q: not a name of 1 to 64 letters, digits and . _ - @", o.Role))
	}
	if o.CacheDir != "" && !filepath.IsAbs(o.CacheDir) {
		errs = append(errs, fmt.Errorf("cache directory %s: not an absolute path", o.CacheDir))
	}
	if o.AssumeRole.ARN != "" {
		errs = append(errs, o.AssumeRole.check()...)
	}
	return errors.Join(errs...)
}

func (a AssumeRole) check() []error {
	var errs []error
	bad := func(format string, args ...any) { errs = append(errs, fmt.Errorf("assume role: "+format, args...)) }
	if !isRoleARN(a.ARN) {
		bad("%q is not of the form acs:ram::ACCOUNT:role/NAME", a.ARN)
	}
	if n := strings.ReplaceAll(a.SessionName, "{instance_id}", "i-"); a.SessionName != "" && (len(n) < 2 || !isName(n, 64, ".@_-")) {
		bad("session name %q: not 2 to 64 letters, digits and . _ - @", a.SessionName)
	}
	if n := len(a.ExternalID); n == 1 || n > 1224 {
		bad("external id: %d characters, not 2 to 1224", n)
	}
	if n := len(a.Policy); n > 2048 {
		bad("session policy: %d characters, over 2048", n)
	}
	if a.Duration != 0 && (a.Duration < 15*time.Minute || a.Duration > 12*time.Hour) {
		bad("session duration %v: not 15m to 12h", a.Duration)
	}
	if a.Endpoint != "" {
		if err := checkSTSEndpoint(a.Endpoint); err != nil {
			errs = append(errs, err)
		}
	}
	return errs
}

// checkEndpoint accepts the metadata service and loopback addresses: whoever
// could name another would be given the credential's binding, or hand in a
// credential of theirs.
func checkEndpoint(s string) error {
	u, err := bareURL(s)
	if err != nil {
		return fmt.Errorf("metadata endpoint %s", err)
	}
	known := u.Hostname() == metadataAddress && (u.Port() == "" || u.Port() == "80")
	if u.Scheme != "http" || (!known && !isLoopback(u.Hostname())) {
		return fmt.Errorf("metadata endpoint %s: only %s and http to a loopback address are accepted", u.Redacted(), DefaultEndpoint)
	}
	return nil
}

func checkSTSEndpoint(s string) error {
	u, err := bareURL(s)
	if err != nil {
		return fmt.Errorf("sts endpoint %s", err)
	}
	if u.Scheme != "https" && (u.Scheme != "http" || !isLoopback(u.Hostname())) {
		return fmt.Errorf("sts endpoint %s: must be https (http to a loopback address only)", u.Redacted())
	}
	return nil
}

// bareURL parses scheme://host[:port] with nothing after it but a slash.
func bareURL(s string) (*url.URL, error) {
	u, err := url.Parse(s)
	if err != nil {
		return nil, errors.New("is not a URL")
	}
	if u.Host == "" || u.User != nil || strings.Trim(u.Path, "/") != "" || u.RawQuery != "" || u.Fragment != "" || u.Opaque != "" {
		return nil, fmt.Errorf("%s: not of the form scheme://host[:port]", u.Redacted())
	}
	return u, nil
}

// isLoopback takes addresses only: what a name resolves to is for others to
// say.
func isLoopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return err == nil && a.Zone() == "" && a.Unmap().IsLoopback()
}

// isName reports whether s has 1 to limit ASCII letters, digits and characters
// of extra.
func isName(s string, limit int, extra string) bool {
	for _, c := range []byte(s) {
		if (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && strings.IndexByte(extra, c) < 0 {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= limit
}

func isRoleName(s string) bool { return isName(s, 64, "._@-") && s != "." && s != ".." }

func isRoleARN(s string) bool {
	rest, ok := strings.CutPrefix(s, "acs:ram::")
	account, role, _ := strings.Cut(rest, ":role/")
	return ok && isName(account, 32, "") && isRoleName(role)
}
