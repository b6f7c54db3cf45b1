package config

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// A Size is a number of bytes, written "10MiB", "1.5GB" or "4096".
type Size int64

// Units of a Size in bytes.
const (
	KiB Size = 1 << 10
	MiB Size = 1 << 20
	GiB Size = 1 << 30
	TiB Size = 1 << 40
)

// units are what a size may end in, the longer ones before what they end in
// themselves.
var units = []struct {
	name  string
	bytes Size
}{
	{"TiB", TiB}, {"GiB", GiB}, {"MiB", MiB}, {"KiB", KiB},
	{"TB", 1e12}, {"GB", 1e9}, {"MB", 1e6}, {"KB", 1e3},
	{"B", 1}, {"", 1},
}

// ParseSize parses a size. The empty string is 0. Units are case-sensitive, so
// that "Mb" is not taken for what it is not.
func ParseSize(s string) (Size, error) {
	if s == "" {
		return 0, nil
	}
	number := strings.TrimRight(s, "BKMGTib")
	unit := s[len(number):]
	for _, u := range units {
		if u.name == unit {
			return scale(s, strings.TrimRight(number, " "), u.bytes)
		}
	}
	return 0, notSize(s)
}

func scale(s, number string, unit Size) (Size, error) {
	if number == "" || strings.Trim(number, "0123456789.") != "" {
		return 0, notSize(s)
	}
	if n, err := strconv.ParseInt(number, 10, 64); err == nil {
		if n > math.MaxInt64/int64(unit) {
			return 0, fmt.Errorf("%q is too large", s)
		}
		return Size(n) * unit, nil
	}
	f, err := strconv.ParseFloat(number, 64)
	switch f *= float64(unit); {
	case err != nil:
		return 0, notSize(s)
	case f >= math.MaxInt64:
		return 0, fmt.Errorf("%q is too large", s)
	case f != math.Trunc(f) && unit == 1:
		return 0, fmt.Errorf("%q is not a whole number of bytes", s)
	}
	return Size(f), nil
}

func notSize(s string) error {
	return fmt.Errorf(`%q is not a size such as "10MiB" or "1GB" (B, KiB, MiB, GiB, TiB, KB, MB, GB, TB)`, s)
}

// String returns the size in the largest unit that divides it, and "" for 0.
func (s Size) String() string {
	if s == 0 {
		return ""
	}
	name, bytes := "B", Size(1)
	for _, u := range units {
		if u.bytes > bytes && s%u.bytes == 0 {
			name, bytes = u.name, u.bytes
		}
	}
	return strconv.FormatInt(int64(s/bytes), 10) + name
}
