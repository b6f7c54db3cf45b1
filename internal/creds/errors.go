package creds

import (
	"errors"
	"fmt"
)

// A Kind says what stands between the agent and a credential.
type Kind int

const (
	// Pending: nothing has been asked yet; only Credentials says so.
	Pending Kind = iota
	// NoRole: the metadata service answers, but no role is attached.
	NoRole
	// WrongRole: another role is attached than the configured one.
	WrongRole
	// Disabled: the metadata service refuses to give tokens.
	Disabled
	// Unreachable: no answer, or one that means "later" (5xx, 429).
	Unreachable
	// Refused: the metadata service does not accept its own token or an STS
	// endpoint does not accept the role's credential.
	Refused
	// NotMetadata: something else answers at the address.
	NotMetadata
	// BadResponse: the answer breaks the protocol.
	BadResponse
	// Expired: the last credential has ended, and no other can be had.
	Expired
	// DisabledByEnv: ALIBABA_CLOUD_ECS_METADATA_DISABLED forbids to ask.
	DisabledByEnv
	// Misconfigured: the Options are wrong; no request was sent.
	Misconfigured
	// Denied: STS does not let the instance's role assume the other role.
	Denied
)

var kindNames = [...]string{
	Pending:       "pending",
	NoRole:        "no role",
	WrongRole:     "wrong role",
	Disabled:      "disabled",
	Unreachable:   "unreachable",
	Refused:       "refused",
	NotMetadata:   "not the metadata service",
	BadResponse:   "bad response",
	Expired:       "expired",
	DisabledByEnv: "disabled by environment",
	Misconfigured: "misconfigured",
	Denied:        "denied",
}

// String returns a name such as "no role".
func (k Kind) String() string {
	if k < 0 || int(k) >= len(kindNames) {
		return fmt.Sprintf("Kind(%d)", int(k))
	}
	return kindNames[k]
}

// hints says what an operator can do about each Kind. A more telling hint may
// stand in the Error itself.
var hints = [...]string{
	Pending:       "wait for the first answer of the metadata service",
	NoRole:        "attach a RAM role to the instance (ECS console, instance details, RAM role); a running agent notices within a minute",
	WrongRole:     "correct credentials.role in the configuration, or attach that role to the instance",
	Disabled:      "enable the instance's metadata service (ModifyInstanceMetadataOptions with HttpEndpoint=enabled), and make sure that no proxy forwards requests to it: one that adds X-Forwarded-For is refused",
	Unreachable:   "osssync works on Alibaba Cloud ECS instances in a VPC only; there, check that neither firewall, route nor container network keeps this process from 100.100.100.200 port 80",
	Refused:       "check for a proxy or another service between this process and 100.100.100.200",
	NotMetadata:   "something other than the ECS metadata service answers; check credentials.metadata_endpoint, captive portals and proxies",
	BadResponse:   "the answer is not one of the documented ones; it will be asked again",
	Expired:       "uploads go on as soon as a new credential can be had",
	DisabledByEnv: "unset ALIBABA_CLOUD_ECS_METADATA_DISABLED for osssync: it has no other source of credentials",
	Misconfigured: "correct the [credentials] section of the configuration",
	Denied:        "let the target role's trust policy name the instance's role, and grant the latter sts:AssumeRole",
}

// An Error says why there is no credential. Its text never holds a secret or
// what a server sent as a page.
type Error struct {
	Kind Kind
	Err  error  // "op object: cause"
	Hint string // what an operator can do; may be empty
}

// Error returns the text of Err.
func (e *Error) Error() string { return e.Err.Error() }

// Unwrap returns Err.
func (e *Error) Unwrap() error { return e.Err }

// Temporary reports whether asking again can help though nobody changes
// anything.
func (e *Error) Temporary() bool {
	switch e.Kind {
	case Pending, Unreachable, BadResponse, Expired:
		return true
	}
	return false
}

// failf makes an Error with the hint of its kind. The message ends in the
// format's cause.
func failf(k Kind, format string, args ...any) *Error {
	return &Error{Kind: k, Err: fmt.Errorf(format, args...), Hint: hints[k]}
}

// kindOf returns the Kind of err, or -1.
func kindOf(err error) Kind {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Kind
	}
	return -1
}
