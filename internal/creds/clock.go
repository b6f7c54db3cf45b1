package creds

import (
	"fmt"
	"log/slog"
	"net/http"
	"sync/atomic"
	"time"
)

const (
	skewWarn    = time.Minute      // a larger error of the clock is logged
	skewCorrect = 10 * time.Minute // a larger one is corrected for
)

// A clock tells the time that expiry is compared with: this machine's wall
// clock, corrected where answers have shown it to be far off. The metadata
// service is believed before OSS, since it is the one that issues credentials
// and since whoever can forge its answers needs no other trick.
type clock struct {
	wall func() time.Time // time.Now but in tests
	log  *slog.Logger

	offset  atomic.Int64 // newest observation, ns; what OSS sees
	expiry  atomic.Int64 // what expiry decisions use, ns
	trusted atomic.Bool  // expiry is the metadata service's word
	warned  atomic.Bool
}

// now returns the corrected wall time in UTC, without monotonic reading.
func (c *clock) now() time.Time {
	t := c.wall().UTC().Round(0)
	if off := time.Duration(c.expiry.Load()); off.Abs() > skewCorrect {
		return t.Add(off)
	}
	return t
}

// header observes the Date of an answer of the metadata service, or of STS,
// to a request that was sent at the given time.
func (c *clock) header(h http.Header, sent time.Time) {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		local := c.wall()
		c.observe(date, local.Add(-local.Sub(sent)/2), true)
	}
}

// observe notes that it was date where it was local here. Dates have whole
// seconds. Those of no sane clock are ignored.
func (c *clock) observe(date, local time.Time, trusted bool) {
	if y := date.Year(); y < 2020 || y > 2200 {
		return
	}
	off := date.Add(time.Second / 2).Sub(local.Round(0))
	c.offset.Store(int64(off))
	if trusted || !c.trusted.Load() {
		c.expiry.Store(int64(off))
	}
	if trusted {
		c.trusted.Store(true)
	}
	if off.Abs() <= skewWarn {
		c.warned.Store(false)
	} else if !c.warned.Swap(true) {
		c.log.Warn("clock is wrong", "err", fmt.Errorf("this machine's clock is off by %v", (-off).Round(time.Second)))
	}
}

// forget drops what was learnt, for the clock has been set.
func (c *clock) forget() {
	c.offset.Store(0)
	c.expiry.Store(0)
	c.trusted.Store(false)
}

// A reading is both clocks at one moment.
type reading struct {
	wall time.Time // uncorrected, without monotonic part
	mono time.Time // with it
}

func (c *clock) read() reading { return reading{c.wall().Round(0), time.Now()} }

// jumped reports whether the wall clock was set, or the machine slept, since
// before.
func (r reading) jumped(before reading) bool {
	return (r.wall.Sub(before.wall) - r.mono.Sub(before.mono)).Abs() > jumped
}
