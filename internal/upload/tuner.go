package upload

import (
	"errors"
	"math"
	"time"
)

// A tuner finds out how many requests at once get the most through. It starts
// low and doubles the number while that pays; then it tries a little more now
// and then, and goes back where that gains nothing, for more requests than the
// line or the server can serve only make each of them slower. When the server
// refuses many of them, it lowers the number by half of their share.
type tuner struct {
	max, limit int
	wanted     bool // a request had to wait for the limit in this round

	start        time.Time // of the round
	done, failed int
	volume       float64 // bytes, see requestCost

	rate  float64 // volume per second at the limit before
	trial int     // the limit to go back to if the present one does not pay; 0 when not on trial
	slow  bool    // the first climb is over
	rest  int     // rounds before the next trial
	idle  int     // rounds to rest after the next trial that fails
}

const (
	firstLimit = 8
	leastLimit = 2

	// A round lasts for as many requests as may run at once, and no less than
	// this.
	roundTime = 50 * time.Millisecond

	// requestCost is how many bytes a request counts for besides its own, so
	// that small files count at all.
	requestCost = 32 << 10

	gain        = 1.05 // a trial must raise the rate by this factor
	congestion  = 0.1  // a smaller share of refusals is noise
	longestRest = 64   // rounds
)

func newTuner(max int) *tuner {
	return &tuner{max: max, limit: min(firstLimit, max), idle: 4}
}

// observe hears of one request that is over: how many bytes it sent, and
// whether it failed in a way that fewer requests at once could have spared.
func (t *tuner) observe(now time.Time, sent int64, failed bool) {
	if t.start.IsZero() {
		t.start = now
		return
	}
	t.done++
	if failed {
		t.failed++
	} else {
		t.volume += float64(sent) + requestCost
	}
	if took := now.Sub(t.start); t.done >= t.limit && took >= roundTime {
		t.judge(t.volume / took.Seconds())
		t.start, t.done, t.failed, t.volume, t.wanted = now, 0, 0, 0, false
	}
}

// judge ends a round.
func (t *tuner) judge(rate float64) {
	if share := float64(t.failed) / float64(t.done); t.congested() {
		low := int(math.Ceil(float64(t.limit) * (1 - share/2)))
		t.limit = max(min(low, t.limit-1), min(leastLimit, t.max))
		t.trial, t.slow, t.rest, t.rate = 0, true, 4, rate
		return
	}
	if t.trial > 0 {
		if rate < t.rate*gain {
			t.limit, t.trial, t.slow = t.trial, 0, true
			t.rest = t.idle
			t.idle = min(2*t.idle, longestRest)
			return
		}
		t.trial, t.idle = 0, 4
	}
	t.rate = rate
	if t.rest > 0 {
		t.rest--
		return
	}
	if t.wanted && t.limit < t.max {
		t.trial = t.limit
		step := t.limit
		if t.slow {
			step = max(t.limit/4, 1)
		}
		t.limit = min(t.limit+step, t.max)
	}
}

// congested reports whether more requests were refused in the round than a
// server that refuses few of them, whatever their number, does by chance.
func (t *tuner) congested() bool {
	n := float64(t.done)
	return float64(t.failed) >= congestion*n+2*math.Sqrt(congestion*(1-congestion)*n)
}

// congested reports whether an error is of the kind that too many requests at
// once bring about.
func congested(err error) bool {
	e, ok := errors.AsType[*RequestError](err)
	return ok && e.Class == Transient && !errors.Is(err, ErrMismatch)
}
