package upload

import (
	"errors"
	"math"
	"time"
)

// A tuner finds out how many requests at once get the most through. It starts
// low and doubles the number while that pays; then it tries a little more now
// and then, and goes back where that gains nothing, for more requests than the
// line or the server can serve only make each of them slower. Where each takes
// as long as before, more of them do no harm, and what kept them from getting
// more through was something else. Where each takes much longer than it could,
// a little fewer are tried as well, and kept if each is then faster in
// proportion. When the server refuses many of them, the number is lowered by
// half of their share.
type tuner struct {
	max, limit int
	wanted     bool // a request had to wait for the limit in this round

	start        time.Time // of the round
	done, failed int
	volume       float64       // bytes, see requestCost
	busy         time.Duration // that the requests took, all together

	usual  pace    // of the round before
	best   float64 // the least drag there has been
	size   float64 // volume of a request, a moving average
	trial  int     // the limit to go back to if the present one does not pay; 0 when not on trial
	slow   bool    // the first climb is over
	balked bool    // fewer did not pay the last time
	rest   int     // rounds before the next trial
	idle   int     // rounds to rest after the next trial that fails
}

// A pace is how fast things go.
type pace struct {
	rate float64       // volume per second
	drag float64       // seconds that a request takes per volume
	took time.Duration // by a request, on average
}

const (
	firstLimit = 8
	leastLimit = 2

	// A round lasts for as many requests as may run at once, and no less than
	// this; in the first climb, where each costs what it could have sent, less.
	roundTime = 50 * time.Millisecond
	climbTime = 20 * time.Millisecond

	// requestCost is how many bytes a request counts for besides its own, so
	// that small files count at all.
	requestCost = 32 << 10

	gain        = 1.05 // a trial must raise the rate by this factor
	congestion  = 0.1  // a smaller share of refusals is noise
	longestRest = 64   // rounds
	queueing    = 2    // times the least drag: requests wait for each other
	steady      = 0.95 // a rate that is smaller by less than this is the same

	// What takes less than this is no wait: how long it takes says more of this
	// machine than of the service.
	unnoticed  = 10 * time.Millisecond
	forgetting = 1.01 // of the least drag, each round, for lines change
	otherLoad  = 4    // requests that were so many times as large say nothing of these
)

func newTuner(max int) *tuner {
	return &tuner{max: max, limit: min(firstLimit, max), idle: 4}
}

// observe hears of one request that is over: how long it took, how many bytes
// it sent, and whether it failed in a way that fewer requests at once could
// have spared.
func (t *tuner) observe(now time.Time, took time.Duration, sent int64, failed bool) {
	if t.start.IsZero() {
		t.start = now.Add(-took)
	}
	t.done++
	if failed {
		t.failed++
	} else {
		t.volume += float64(sent) + requestCost
		t.busy += took
	}
	least := roundTime
	if !t.slow {
		least = climbTime
	}
	if took := now.Sub(t.start); t.done >= t.limit && took >= least {
		p := pace{rate: t.volume / took.Seconds(), drag: math.Inf(1)}
		if t.volume > 0 {
			p.drag = t.busy.Seconds() / t.volume
			p.took = t.busy / time.Duration(t.done-t.failed)
		}
		t.judge(p)
		t.start, t.done, t.failed, t.volume, t.busy, t.wanted = now, 0, 0, 0, 0, false
	}
}

// judge ends a round.
func (t *tuner) judge(p pace) {
	if t.congested() {
		share := float64(t.failed) / float64(t.done)
		low := int(math.Ceil(float64(t.limit) * (1 - share/2)))
		t.limit = max(min(low, t.limit-1), min(leastLimit, t.max))
		t.trial, t.slow, t.rest, t.usual = 0, true, 4, p
		return
	}
	t.learn(p)
	if t.trial > 0 {
		pays := t.pays(p)
		t.balked = !pays && t.limit < t.trial
		if !pays {
			t.limit, t.trial, t.slow = t.trial, 0, true
			t.rest = t.idle
			t.idle = min(2*t.idle, longestRest)
			return
		}
		t.trial, t.idle = 0, 4
	}
	t.usual = p
	if t.rest > 0 {
		t.rest--
		return
	}
	t.try()
}

// learn keeps what a round tells of the line, and forgets what others told of
// it when requests have become much smaller: each then takes longer for what it
// holds. When they become larger, the least drag follows by itself.
func (t *tuner) learn(p pace) {
	size := t.volume / float64(t.done)
	if t.size == 0 {
		t.size = size
	}
	t.size += (size - t.size) / 4
	if size*otherLoad < t.size {
		t.size, t.best = size, p.drag
		t.trial, t.slow, t.rest, t.idle, t.balked = 0, false, 0, 4, false
	}
	if t.best *= forgetting; t.best == 0 || p.drag < t.best {
		t.best = p.drag
	}
}

// pays reports whether the limit on trial is better than the one before. More
// requests are to get more through, or at least not take longer, as they would
// in proportion where no more can be served; fewer are to take less long. Where
// nobody would notice how long they take, only what gets through counts.
func (t *tuner) pays(p pace) bool {
	change := float64(t.limit)/float64(t.trial) - 1
	if p.took < unnoticed && p.rate >= t.usual.rate*steady {
		return true
	}
	return p.rate >= t.usual.rate*gain || p.drag <= t.usual.drag*(1+change/2)
}

// try puts another limit on trial.
func (t *tuner) try() {
	least := min(leastLimit, t.max)
	top := t.limit == t.max
	switch crowded := t.usual.drag > queueing*t.best && t.usual.took >= unnoticed; {
	case !t.wanted:
	case crowded && t.limit > least && (top || t.slow && !t.balked):
		t.trial, t.limit, t.slow = t.limit, max(t.limit*3/4, least), true
	case !top:
		step := t.limit
		if t.slow {
			step = max(t.limit/4, 1)
		}
		t.trial, t.limit = t.limit, min(t.limit+step, t.max)
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
