package config

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"
	_ "time/tzdata" // a timetable's zone is known on hosts without a zone database
)

// A Bandwidth is an upper bound of the bytes sent in a second, which may depend
// on the time of the week. The zero Bandwidth has no bound.
type Bandwidth struct {
	text     string
	zone     *time.Location // nil means that of the time asked for
	switches []bandSwitch   // ascending
}

// A bandSwitch sets a rate from one minute of the week on.
type bandSwitch struct {
	minute int   // since Sunday 00:00
	rate   int64 // bytes per second, 0 means no bound
}

// The least rate that still lets an upload end.
const minBandwidth = KiB

const minutesPerDay = 24 * 60

// ParseBandwidth parses "off", a rate such as "10MiB", or a timetable such as
// "Mon-Fri 08:00,2MiB 19:00,off": days, which count for the entries after them
// and are all days where none are given, and entries of a time and the rate from
// then on. A zone such as Asia/Shanghai may stand before them; without one the
// host's clock counts.
func ParseBandwidth(s string) (Bandwidth, error) {
	b := Bandwidth{text: strings.Join(strings.Fields(s), " ")}
	words := strings.Fields(s)
	if len(words) == 0 {
		return b, errors.New(`empty; write "off" for no bound`)
	}
	if len(words) == 1 && !strings.Contains(s, ",") {
		rate, err := parseRate(words[0])
		b.switches = []bandSwitch{{0, rate}}
		return b, err
	}
	if !isDays(words[0]) && !strings.Contains(words[0], ",") {
		zone, err := time.LoadLocation(words[0])
		if err != nil {
			return b, fmt.Errorf("%q is neither a time zone, a day of the week nor an entry such as 08:00,2MiB", words[0])
		}
		b.zone, words = zone, words[1:]
	}
	return b, b.timetable(words)
}

func (b *Bandwidth) timetable(words []string) error {
	days, unused := allDays(), ""
	for _, w := range words {
		if isDays(w) {
			if unused != "" {
				break
			}
			days, unused = parseDays(w), w
			continue
		}
		minute, rate, err := parseEntry(w)
		if err != nil {
			return err
		}
		unused = ""
		for _, d := range days {
			b.switches = append(b.switches, bandSwitch{d*minutesPerDay + minute, rate})
		}
	}
	if unused != "" || len(b.switches) == 0 {
		return fmt.Errorf("no entry such as 08:00,2MiB after %q", cmp.Or(unused, b.text))
	}
	slices.SortStableFunc(b.switches, func(a, c bandSwitch) int { return cmp.Compare(a.minute, c.minute) })
	for i, s := range b.switches[1:] {
		if s.minute == b.switches[i].minute {
			return fmt.Errorf("two rates for %s", weekTime(s.minute))
		}
	}
	return nil
}

func weekTime(minute int) string {
	return fmt.Sprintf("%.3s %02d:%02d", time.Weekday(minute/minutesPerDay), minute%minutesPerDay/60, minute%60)
}

func parseRate(s string) (int64, error) {
	if s == "off" {
		return 0, nil
	}
	rate, err := ParseSize(s)
	switch {
	case err != nil || s == "":
		return 0, fmt.Errorf(`%q is neither "off" nor a size per second such as "10MiB"`, s)
	case rate < minBandwidth:
		return 0, fmt.Errorf(`%q is less than %s a second; write "off" for no bound`, s, minBandwidth)
	}
	return int64(rate), nil
}

func parseEntry(w string) (minute int, rate int64, err error) {
	at, text, _ := strings.Cut(w, ",")
	t, err := time.Parse("15:04", at)
	if err != nil || len(at) != len("15:04") {
		return 0, 0, fmt.Errorf("%q is neither a day of the week nor an entry such as 08:00,2MiB", w)
	}
	rate, err = parseRate(text)
	return t.Hour()*60 + t.Minute(), rate, err
}

func allDays() []int { return []int{0, 1, 2, 3, 4, 5, 6} }

func isDays(w string) bool { return parseDays(w) != nil }

// parseDays parses "Mon", "Mon-Fri", "Sat-Mon" and lists of these with commas.
// It returns nil for what is none.
func parseDays(w string) []int {
	var days []int
	for part := range strings.SplitSeq(w, ",") {
		first, last, isRange := strings.Cut(part, "-")
		from, to := weekday(first), weekday(last)
		if !isRange {
			to = from
		}
		if from < 0 || to < 0 {
			return nil
		}
		for d := from; ; d = (d + 1) % 7 {
			days = append(days, d)
			if d == to {
				break
			}
		}
	}
	return days
}

func weekday(s string) int {
	for d := range 7 {
		if name := time.Weekday(d).String(); strings.EqualFold(s, name) || strings.EqualFold(s, name[:3]) {
			return d
		}
	}
	return -1
}

// Limit returns the bytes per second that may be sent at t; 0 means any number.
func (b Bandwidth) Limit(t time.Time) int64 {
	if len(b.switches) == 0 {
		return 0
	}
	if b.zone != nil {
		t = t.In(b.zone)
	}
	now := int(t.Weekday())*minutesPerDay + t.Hour()*60 + t.Minute()
	last := b.switches[len(b.switches)-1] // of the week before
	for _, s := range b.switches {
		if s.minute > now {
			break
		}
		last = s
	}
	return last.rate
}

// String returns the bandwidth as it is written.
func (b Bandwidth) String() string { return cmp.Or(b.text, "off") }

// Equal reports whether a and b were written alike.
func (b Bandwidth) Equal(a Bandwidth) bool { return b.String() == a.String() }
