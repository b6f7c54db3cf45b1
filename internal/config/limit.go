package config

import (
	"fmt"
	"strconv"
	"strings"
)

// A Limit bounds a number of files, as a count or as a share of all: "1000" or
// "10%". The zero Limit allows none.
type Limit struct {
	Count   int
	Percent float64 // 0 means that Count counts
}

// ParseLimit parses a limit.
func ParseLimit(s string) (Limit, error) {
	if share, ok := strings.CutSuffix(s, "%"); ok {
		p, err := strconv.ParseFloat(share, 64)
		if err != nil || strings.Trim(share, "0123456789.") != "" {
			return Limit{}, notLimit(s)
		}
		if p <= 0 || p > 100 {
			return Limit{}, fmt.Errorf("%q is not above 0%% and at most 100%%", s)
		}
		return Limit{Percent: p}, nil
	}
	n, err := strconv.ParseUint(s, 10, 31)
	if err != nil {
		return Limit{}, notLimit(s)
	}
	return Limit{Count: int(n)}, nil
}

func notLimit(s string) error {
	return fmt.Errorf(`%q is not a limit such as "1000" or "10%%"`, s)
}

// Allows reports whether n of total files are within the limit.
func (l Limit) Allows(n, total int64) bool {
	if l.Percent > 0 {
		return float64(n)*100 <= l.Percent*float64(total)
	}
	return n <= int64(l.Count)
}

// String returns the limit as it is written.
func (l Limit) String() string {
	if l.Percent > 0 {
		return strconv.FormatFloat(l.Percent, 'f', -1, 64) + "%"
	}
	return strconv.Itoa(l.Count)
}
