package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func TestSpan(t *testing.T) {
	for d, want := range map[time.Duration]string{
		-time.Second:                   "0s",
		0:                              "0s",
		time.Millisecond:               "1s",
		3*time.Second + 900e6:          "3s",
		time.Minute:                    "1m",
		5*time.Minute + 20*time.Second: "5m20s",
		2*time.Hour + 5*time.Minute:    "2h5m",
		24 * time.Hour:                 "1d",
		76*time.Hour + 59*time.Minute:  "3d4h",
	} {
		if got := span(d); got != want {
			t.Errorf("span(%v) = %s, want %s", d, got, want)
		}
	}
}

func TestCanvas(t *testing.T) {
	l := line{{"a\x1b[2Jb\tc", red}, {"  ", bold}, {"空格与名称", ""}}
	for _, tt := range []struct {
		c    canvas
		want string
	}{
		{canvas{}, `a\x1b[2Jb\x09c  空格与名称`},
		{canvas{color: true}, "\x1b[31ma\\x1b[2Jb\\x09c\x1b[0m  空格与名称"},
		{canvas{width: 20}, `a\x1b[2Jb\x09c  空…`},
		{canvas{width: 15}, `a\x1b[2Jb\x09c…`},
		{canvas{width: 5, color: true}, "\x1b[31ma\\x1…\x1b[0m"},
	} {
		var b bytes.Buffer
		tt.c.write(&b, l)
		if b.String() != tt.want {
			t.Errorf("%+v:\n%q, want\n%q", tt.c, b.String(), tt.want)
		}
	}
}

// What is printed once is not cut: it may be copied.
func TestBlock(t *testing.T) {
	got := string(canvas{width: 3}.block([]line{plain("%s", "abcdef"), {}, plain("%s", "g")}))
	if want := "abcdef\n\ng\n"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// A frame begins at the corner, clears what it does not fill, ends without a
// line feed, which would scroll, and never has more lines than the terminal.
func TestFrame(t *testing.T) {
	lines := []line{plain("%s", "one"), plain("%s", "two"), plain("%s", "three"), plain("%s", "four")}
	more := func(n int) string { return fmt.Sprint(n, " more") }
	want := "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\n2 m…\x1b[K\x1b[J"
	if got := string(canvas{width: 5, height: 3}.frame(lines, more)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
	want = "\x1b[Hone\x1b[K\r\ntwo\x1b[K\r\nthree\x1b[K\r\nfour\x1b[K\x1b[J"
	if got := string(canvas{height: 4}.frame(lines, more)); got != want {
		t.Errorf("%q, want %q", got, want)
	}
}

// Columns are as wide as a terminal shows them, whatever they are in bytes.
func TestTable(t *testing.T) {
	rows := table([]line{{{"任务", bold}, {"N", ""}}, {{"docs", ""}, {"12", ""}}, {{"日志-1", ""}, {"3", ""}}})
	got := string(canvas{}.block(rows))
	if diff := cmp.Diff("任务    N\ndocs    12\n日志-1  3\n", got); diff != "" {
		t.Error(diff)
	}
}
