package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"
)

// A Duration is a time.Duration that is written as Go writes it, with "d" for
// 24 hours besides: "1h30m", "7d", "1d12h".
type Duration time.Duration

const day = 24 * time.Hour

// ParseDuration parses a duration that is not negative.
func ParseDuration(s string) (Duration, error) {
	bad := fmt.Errorf(`%q is not a duration such as "90s", "1h30m" or "7d"`, s)
	days, rest, found := strings.Cut(s, "d")
	if !found {
		days, rest = "", s
	}
	var d time.Duration
	if found {
		n, err := strconv.ParseUint(days, 10, 63)
		if err != nil {
			return 0, bad
		}
		if n > uint64(math.MaxInt64/day) {
			return 0, fmt.Errorf("%q is too long", s)
		}
		d = time.Duration(n) * day
	}
	if rest != "" || !found {
		r, err := time.ParseDuration(rest)
		if err != nil || strings.HasPrefix(rest, "+") {
			return 0, bad
		}
		if r < 0 {
			return 0, fmt.Errorf("%q is negative", s)
		}
		if d > math.MaxInt64-r {
			return 0, fmt.Errorf("%q is too long", s)
		}
		d += r
	}
	return Duration(d), nil
}

// String returns the duration without parts that are zero: "1h", not "1h0m0s".
func (d Duration) String() string {
	t := time.Duration(d)
	if t <= 0 {
		return "0"
	}
	var b strings.Builder
	if t >= day {
		fmt.Fprintf(&b, "%dd", t/day)
		t %= day
	}
	if t == 0 {
		return b.String()
	}
	s := t.String()
	if strings.HasSuffix(s, "m0s") {
		s = strings.TrimSuffix(s, "0s")
	}
	if strings.HasSuffix(s, "h0m") {
		s = strings.TrimSuffix(s, "0m")
	}
	b.WriteString(s)
	return b.String()
}
