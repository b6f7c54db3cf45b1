package agent

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// The times of leases.
const (
	// leaseRenewal is after how long a holder says that it is still there.
	leaseRenewal = time.Hour

	// leaseLife is after how long without a renewal a lease is anybody's. It
	// lets two renewals fail.
	leaseLife = 3 * time.Hour

	// leaseFresh is how long a look at the lease is good enough to delete by.
	leaseFresh = time.Minute

	// leasePause is between taking a lease and reading whose it is: of two that
	// take it at once, the one that wrote last has it.
	leasePause = 2 * time.Second
)

// A Lease is the object that tells who writes below a prefix. Times are by the
// clock of OSS, UTC.
type Lease struct {
	InstanceID   string    `json:"instance_id"`
	Installation string    `json:"installation"` // random, from the state directory; a copied disk has the same
	Hostname     string    `json:"hostname"`
	Job          string    `json:"job"`
	Started      time.Time `json:"started"` // when the holder took the lease
	Renewed      time.Time `json:"renewed"`
}

// errNoLease is what is wrong with an object that holds something else.
var errNoLease = errors.New("is no lease")

// parseLease reads a lease.
func parseLease(b []byte) (*Lease, error) {
	var l Lease
	if err := json.Unmarshal(b, &l); err != nil || l.InstanceID == "" || l.Installation == "" {
		return nil, errNoLease
	}
	return &l, nil
}

// A Holder is who can have a lease.
type Holder struct {
	InstanceID, Installation string
}

// holder returns whose the lease is.
func (l *Lease) holder() Holder { return Holder{l.InstanceID, l.Installation} }

// A step is what follows from a look at a lease.
type step int

const (
	stepKeep  step = iota // it is ours, and fresh
	stepRenew             // it is ours, and due
	stepTake              // it is nobody's, or nobody's any more
	stepYield             // another writes below the prefix
)

// decideLease says what me, who had the lease at the last look if held is true,
// does about the lease found, which is age old; nil means that there is none. It
// is a pure function:
//
//	instance  installation  held  younger than leaseLife
//	none                                               take
//	same      same                                     keep, or renew once it is leaseRenewal old
//	same      other         no                         take: installed anew, state lost, a new container
//	same      other         yes   yes                  yield: two agents on one instance
//	same      other         yes   no                   take
//	other     any                 yes                  yield: a clone if the installation is the same
//	other     any                 no                   take: that instance is gone
//	what is no lease                                   yield: it is not ours to replace
func decideLease(found *Lease, me Holder, held bool, age time.Duration) step {
	switch {
	case found == nil:
		return stepTake
	case found.Installation == "":
		return stepYield
	case found.holder() == me && age < leaseRenewal:
		return stepKeep
	case found.holder() == me:
		return stepRenew
	case age >= leaseLife, found.InstanceID == me.InstanceID && !held:
		return stepTake
	}
	return stepYield
}

// A RivalError says that another agent writes below a job's prefix.
type RivalError struct {
	Key   string // of the lease
	Lease Lease  // the other's
	Mine  Holder
	At    time.Time // when the other renewed it
}

func (e *RivalError) Error() string {
	who := "instance " + e.Lease.InstanceID
	switch {
	case e.Lease.Installation == "":
		return fmt.Sprintf("object %s, by which agents notice each other, %v: delete it", e.Key, errNoLease)
	case e.Lease.InstanceID == e.Mine.InstanceID:
		who = "another agent on this instance"
	case e.Lease.Installation == e.Mine.Installation:
		who += fmt.Sprintf(" (%s), whose disk is a copy of this one's or the other way round,", e.Lease.Hostname)
	default:
		who += fmt.Sprintf(" (%s)", e.Lease.Hostname)
	}
	return fmt.Sprintf("%s writes below the same prefix, as it said in %s at %s", who, e.Key, e.At.UTC().Format(time.RFC3339))
}

// Hint returns what can be done.
func (e *RivalError) Hint() string {
	return "give each instance a prefix of its own, such as logs/{instance_id}/; the lease of an instance that is gone ends after three hours, or when the object is deleted"
}
