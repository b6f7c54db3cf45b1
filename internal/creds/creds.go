// Package creds obtains the STS credential of the RAM role attached to an
// Alibaba Cloud ECS instance, and keeps it fresh.
//
// There is no other source: no code path accepts a long-lived access key, and
// the metadata service is only ever asked in its hardened mode, which begins
// with a PUT for a token. A request without a token is never sent, whatever
// the service answers.
//
// # Reading
//
// [Provider.Credentials] returns an immutable [Snapshot] and never waits. Take
// one snapshot for each request and use all three values from it: two
// snapshots may belong to two generations, which OSS refuses when mixed.
// [Provider.Get] does the same but may load the disk cache or ask the metadata
// service where there is no usable credential yet.
//
// # Refreshing
//
// A new credential exists during the last 30 minutes of the old one, so
// [Provider.Run] asks for it then, at a random moment, and looks at the name of
// the attached role once an hour besides. When the service is down the old
// credential is served to the end that Alibaba Cloud gave it and never past it.
// One refresh runs at a time, in this process and, through a lock beside the
// disk cache, among all processes that share it.
//
// # The disk cache
//
// One private file holds the credential until it expires. It is bound to the
// instance, account, region, role, endpoint, machine and boot. In the boot that
// wrote it, it is used without any request; after a reboot only once the
// metadata service has confirmed the instance and the role, so that a cloned
// disk never uses the credential of its original.
//
// # Time
//
// Expiry is compared with the wall clock, so a machine that was suspended sees
// it at once. The clock's error is learnt from the Date header of answers; when
// it exceeds 10 minutes the corrected time decides.
package creds

import "time"

// A Snapshot is one credential. It never changes and may be kept and shared;
// callers must not modify it.
type Snapshot struct {
	AccessKeyID     string
	AccessKeySecret Secret
	SecurityToken   Secret

	Expires time.Time // end of validity, UTC
	Fetched time.Time // when its issuer gave it, UTC; earlier than this process for a cached one

	// Generation counts the credentials of this process from 1. Pass it to
	// Invalidate or Refresh when a service refuses the credential.
	Generation uint64

	Role   string // name of the instance's role, or ARN of the assumed one
	Source string // "metadata", "cache" or "assume-role"
}

// Values of Snapshot.Source.
const (
	fromMetadata   = "metadata"
	fromCache      = "cache"
	fromAssumeRole = "assume-role"
)

// Identity says which instance this is.
type Identity struct {
	InstanceID string // such as "i-bp13znx0m0me8cquabcd"
	Region     string // such as "cn-hangzhou"
	Zone       string // such as "cn-hangzhou-i"
	AccountID  string // number of the account that owns the instance
}

// A grant is a credential with all that it is bound to: what an issuer answers
// and what the disk cache holds.
type grant struct {
	id       string
	secret   Secret
	token    Secret
	expires  time.Time
	fetched  time.Time
	role     string // the instance's role, also for a role assumed with it
	identity Identity
}

// snapshot publishes g as the given generation.
func (g *grant) snapshot(generation uint64, role, source string) *Snapshot {
	return &Snapshot{
		AccessKeyID:     g.id,
		AccessKeySecret: g.secret,
		SecurityToken:   g.token,
		Expires:         g.expires,
		Fetched:         g.fetched,
		Generation:      generation,
		Role:            role,
		Source:          source,
	}
}
