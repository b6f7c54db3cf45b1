package creds

import (
	"math/rand/v2"
	"time"
)

const (
	overlap     = 30 * time.Minute // before its end, a role's credential has a successor
	urgent      = time.Minute      // with less left, callers wait for a refresh
	urgentCache = 5 * time.Minute  // the same for a credential from the disk cache
	lookEvery   = time.Hour        // at the name of the attached role
	lookSoon    = 2 * time.Minute  // after a start from the disk cache
	lookLost    = 5 * time.Minute  // while the role is not attached
	detachProof = time.Minute      // two looks this far apart that find no role prove it is gone
	forceEvery  = 10 * time.Second // between refreshes forced by refused credentials
	tick        = 30 * time.Second // longest sleep, to see that the clock was set or the machine slept
	jumped      = 5 * time.Second  // difference of wall and monotonic clock that shows this
)

// between returns a random duration from a up to b.
func between(a, b time.Duration) time.Duration {
	if b <= a {
		return a
	}
	return a + rand.N(b-a)
}

// around returns d changed by up to a tenth.
func around(d time.Duration) time.Duration { return between(d-d/10, d+d/10) }

// backoff is the wait after the given number of failures in a row: 2 s
// doubling to 60 s, half as much more or less, but no more than 60 s.
func backoff(failures int) time.Duration {
	const limit = time.Minute
	d := limit
	if failures < 6 {
		d = 2 * time.Second << max(failures-1, 0)
	}
	return min(between(d/2, d+d/2), limit)
}

// suspicion is the wait before asking again for the successor of a credential
// that was refused, when there was none the last times: 30 s doubling to 5 min.
func suspicion(times int) time.Duration {
	return around(min(30*time.Second<<min(max(times-1, 0), 8), 5*time.Minute))
}

// sameAgain is the wait before asking again when the answer was the credential
// at hand, which has left until its end.
func sameAgain(left time.Duration) time.Duration {
	return min(between(time.Minute, 3*time.Minute), max(left/2, 2*time.Second))
}

// advise returns when to ask for the successor of a credential.
type advise func(fetched, expires time.Time) time.Time

// adviseRole spreads the instances of a fleet over the first part of the
// overlap, and leaves the rest for trying again.
func adviseRole(fetched, expires time.Time) time.Time {
	return notTooSoon(fetched, expires, expires.Add(-overlap+between(30*time.Second, 8*time.Minute)))
}

// adviseAssumed leaves a tenth of the lifetime, but 5 minutes, for trying again.
func adviseAssumed(fetched, expires time.Time) time.Time {
	margin := max(5*time.Minute, expires.Sub(fetched)/10)
	return notTooSoon(fetched, expires, expires.Add(-margin-between(0, time.Minute)))
}

// notTooSoon keeps a credential of short life from being replaced as soon as
// it is there.
func notTooSoon(fetched, expires, at time.Time) time.Time {
	half := expires.Sub(fetched) / 2
	if at.Before(fetched.Add(half)) {
		return fetched.Add(between(half, half+half/2))
	}
	return at
}
