package config

import (
	"math"
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]Size{
		"": 0, "0": 0, "1": 1, "4096": 4096, "1B": 1, "1KiB": 1024, "10MiB": 10 << 20, "3GiB": 3 << 30, "2TiB": 2 << 40,
		"1KB": 1e3, "1MB": 1e6, "1GB": 1e9, "1TB": 1e12, "1.5GB": 15e8, "0.5KiB": 512, "10 MiB": 10 << 20,
		"9223372036854775807": math.MaxInt64,
	} {
		if got, err := ParseSize(s); got != want || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{
		" ", "MiB", "-1", "+1", "1.5", "1..5MiB", "1mib", "1Mb", "1M", "1K", "1iB", "1BB", "1 2MiB", "0x10", "1e3", "1_000", "MiB1", "1MiB ", " 1MiB",
		"9223372036854775808", "8388608TiB", "99999999.5TiB", "NaN", "Inf", "٣MiB",
	} {
		if got, err := ParseSize(s); err == nil {
			t.Errorf("ParseSize(%q) = %d, want an error", s, got)
		} else if !strings.HasPrefix(err.Error(), `"`) {
			t.Errorf("ParseSize(%q): %q does not begin with what was written", s, err)
		}
	}
}

func TestSizeString(t *testing.T) {
	for s, want := range map[Size]string{
		0: "", 1: "1B", 1000: "1KB", 1023: "1023B", 1024: "1KiB", 1536: "1536B", 10 * MiB: "10MiB", 15e8: "1500MB", 2 * TiB: "2TiB", 1e12: "1TB",
	} {
		if got := s.String(); got != want {
			t.Errorf("Size(%d) = %q, want %q", int64(s), got, want)
		}
		if back, err := ParseSize(want); back != s || err != nil {
			t.Errorf("ParseSize(%q) = %d, %v, want %d", want, back, err, s)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"0": 0, "0s": 0, "1s": time.Second, "1h30m": 90 * time.Minute, "1.5h": 90 * time.Minute, "250ms": 250 * time.Millisecond,
		"7d": 168 * time.Hour, "1d12h": 36 * time.Hour, "0d": 0, "106751d": 106751 * 24 * time.Hour, "1d1µs": 24*time.Hour + time.Microsecond,
	} {
		if got, err := ParseDuration(s); time.Duration(got) != want || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{
		"", " ", "1", "d", "-1s", "+1s", "-1d", "+1d", "1.5d", "1d-1s", "1d+1s", "1d1d", "1h1d", "1 s", "1w", "1y", "106752d", "106751d24h", "99999999999999999999d", "9999999h",
	} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("ParseDuration(%q) = %v, want an error", s, got)
		}
	}
}

func TestDurationString(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0: "0", time.Second: "1s", time.Minute: "1m", time.Hour: "1h", 90 * time.Minute: "1h30m", day: "1d", day + time.Second: "1d1s",
		36 * time.Hour: "1d12h", time.Hour + time.Second: "1h0m1s", 10 * time.Second: "10s", 20 * time.Minute: "20m", 10 * time.Hour: "10h",
		100 * time.Millisecond: "100ms", 90*time.Second + 500*time.Millisecond: "1m30.5s",
	} {
		if got := Duration(d).String(); got != want {
			t.Errorf("Duration(%v) = %q, want %q", d, got, want)
		}
		if back, err := ParseDuration(want); time.Duration(back) != d || err != nil {
			t.Errorf("ParseDuration(%q) = %v, %v, want %v", want, back, err, d)
		}
	}
}

func TestLimit(t *testing.T) {
	tests := []struct {
		text     string
		n, total int64
		allows   bool
	}{
		{"0", 0, 10, true},
		{"0", 1, 10, false},
		{"1000", 1000, 1000, true},
		{"1000", 1001, 1 << 40, false},
		{"10%", 10, 100, true},
		{"10%", 11, 100, false},
		{"10%", 1, 9, false},
		{"2.5%", 25, 1000, true},
		{"2.5%", 26, 1000, false},
		{"100%", 100, 100, true},
		{"10%", 1, 0, false},
	}
	for _, tt := range tests {
		l, err := ParseLimit(tt.text)
		if err != nil {
			t.Errorf("ParseLimit(%q): %v", tt.text, err)
			continue
		}
		if got := l.Allows(tt.n, tt.total); got != tt.allows {
			t.Errorf("%s allows %d of %d: %v, want %v", tt.text, tt.n, tt.total, got, tt.allows)
		}
		if got := l.String(); got != tt.text {
			t.Errorf("ParseLimit(%q).String() = %q", tt.text, got)
		}
	}
	for _, s := range []string{"", "%", "x", "-1", "+1", "1.5", "0%", "100.1%", "-5%", "1e1%", "NaN%", "Inf%", "10 %", "4294967296", "1.2.3%"} {
		if got, err := ParseLimit(s); err == nil {
			t.Errorf("ParseLimit(%q) = %v, want an error", s, got)
		}
	}
}

func TestBandwidthLimit(t *testing.T) {
	shanghai, err := time.LoadLocation("Asia/Shanghai")
	if err != nil {
		t.Fatal(err)
	}
	// 2026-01-05 is a Monday.
	at := func(day, hour, minute int, zone *time.Location) time.Time {
		return time.Date(2026, 1, day, hour, minute, 59, 0, zone)
	}
	const mib = 1 << 20
	tests := []struct {
		text string
		t    time.Time
		want int64
	}{
		{"off", at(5, 0, 0, time.UTC), 0},
		{"10MiB", at(5, 0, 0, time.UTC), 10 * mib},
		{"1.5MB", at(5, 0, 0, time.UTC), 15e5},
		{"Mon-Fri 08:00,2MiB 19:00,off", at(5, 7, 59, time.UTC), 0},        // Monday, still Friday's off
		{"Mon-Fri 08:00,2MiB 19:00,off", at(5, 8, 0, time.UTC), 2 * mib},   // to the minute
		{"Mon-Fri 08:00,2MiB 19:00,off", at(9, 18, 59, time.UTC), 2 * mib}, // Friday
		{"Mon-Fri 08:00,2MiB 19:00,off", at(9, 19, 0, time.UTC), 0},
		{"Mon-Fri 08:00,2MiB 19:00,off", at(10, 12, 0, time.UTC), 0}, // Saturday
		{"Mon-Fri 08:00,2MiB 19:00,off", at(11, 12, 0, time.UTC), 0}, // Sunday
		{"08:00,2MiB 19:00,off", at(11, 12, 0, time.UTC), 2 * mib},   // every day
		{"08:00,2MiB", at(11, 7, 0, time.UTC), 2 * mib},              // never ends
		{"19:00,off 08:00,2MiB", at(6, 12, 0, time.UTC), 2 * mib},    // order does not matter
		{"mon-friday 08:00,1MiB sat,SUN 10:00,3MiB", at(10, 9, 0, time.UTC), mib},
		{"mon-friday 08:00,1MiB sat,SUN 10:00,3MiB", at(11, 9, 0, time.UTC), 3 * mib},
		{"mon-friday 08:00,1MiB sat,SUN 10:00,3MiB", at(12, 7, 0, time.UTC), 3 * mib},
		{"Sat-Mon 00:00,1MiB Tue 00:00,off", at(12, 23, 59, time.UTC), mib}, // over the end of the week
		{"Sat-Mon 00:00,1MiB Tue 00:00,off", at(9, 23, 59, time.UTC), 0},
		{"Asia/Shanghai 08:00,2MiB 19:00,off", at(5, 0, 0, time.UTC), 2 * mib}, // 08:00 there
		{"Asia/Shanghai 08:00,2MiB 19:00,off", at(5, 11, 0, time.UTC), 0},
		{"Asia/Shanghai Mon 00:00,2MiB Tue 00:00,off", at(4, 16, 0, time.UTC), 2 * mib}, // Monday there
		{"UTC 08:00,2MiB 19:00,off", at(5, 16, 0, shanghai), 2 * mib},
		{"08:00,2MiB 19:00,off", at(5, 8, 0, shanghai), 2 * mib}, // the host's clock
		{"  08:00,2MiB \t 19:00,off ", at(5, 8, 0, time.UTC), 2 * mib},
	}
	for _, tt := range tests {
		b, err := ParseBandwidth(tt.text)
		if err != nil {
			t.Errorf("ParseBandwidth(%q): %v", tt.text, err)
			continue
		}
		if got := b.Limit(tt.t); got != tt.want {
			t.Errorf("%q at %s: %d, want %d", tt.text, tt.t.Format("Mon 15:04 MST"), got, tt.want)
		}
		if got, want := b.String(), strings.Join(strings.Fields(tt.text), " "); got != want {
			t.Errorf("String() = %q, want %q", got, want)
		}
	}
	var zero Bandwidth
	if zero.Limit(time.Now()) != 0 || zero.String() != "off" {
		t.Errorf("the zero Bandwidth is %q, want off", zero)
	}
	if b, _ := ParseBandwidth("1MiB"); b.Equal(zero) || !b.Equal(b) {
		t.Error("Equal is wrong")
	}
}

func TestParseBandwidthErrors(t *testing.T) {
	for s, want := range map[string]string{
		"":                             `empty; write "off" for no bound`,
		"0":                            `"0" is less than 1KiB a second; write "off" for no bound`,
		"1000":                         `"1000" is less than 1KiB a second; write "off" for no bound`,
		"10mb":                         `"10mb" is neither "off" nor a size per second such as "10MiB"`,
		"Mon-Fri":                      `"Mon-Fri" is neither "off" nor a size per second such as "10MiB"`,
		"Mon-Fri 08:00":                `"" is neither "off" nor a size per second such as "10MiB"`,
		"08:00,2MiB Mon-Fri":           `no entry such as 08:00,2MiB after "Mon-Fri"`,
		"Mon-Fri Sat 08:00,2MiB":       `no entry such as 08:00,2MiB after "Mon-Fri"`,
		"Asia/Shanghai 10MiB":          `"10MiB" is neither a day of the week nor an entry such as 08:00,2MiB`,
		"Asia/Nowhere 08:00,2MiB":      `"Asia/Nowhere" is neither a time zone, a day of the week nor an entry such as 08:00,2MiB`,
		"Mon-Xyz 08:00,2MiB":           `"Mon-Xyz" is neither a time zone, a day of the week nor an entry such as 08:00,2MiB`,
		"8:00,2MiB 19:00,off":          `"8:00,2MiB" is neither a day of the week nor an entry such as 08:00,2MiB`,
		"24:00,2MiB":                   `"24:00,2MiB" is neither a day of the week nor an entry such as 08:00,2MiB`,
		"08:00,2MiB 08:00,off":         `two rates for Sun 08:00`,
		"Mon 08:00,1MiB 08:00,off":     `two rates for Mon 08:00`,
		"08:00,2MiB UTC 19:00,off":     `"UTC" is neither a day of the week nor an entry such as 08:00,2MiB`,
		"08:00,2MiB Mon-Fri 08:00,off": `two rates for Mon 08:00`,
	} {
		_, err := ParseBandwidth(s)
		if err == nil || err.Error() != want {
			t.Errorf("ParseBandwidth(%q) = %v, want %s", s, err, want)
		}
	}
}
