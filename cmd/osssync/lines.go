package main

import (
	"bytes"
	"fmt"
	"os"
	"strings"
	"time"

	"github.com/mattn/go-runewidth"
	"golang.org/x/term"
)

// The colours that are used, as terminals are told of them.
const (
	bold   = "1"
	dim    = "2"
	red    = "31"
	green  = "32"
	yellow = "33"
	cyan   = "36"
)

// A piece is text of one colour, "" for the terminal's own. Control characters
// in it are made visible when it is written.
type piece struct{ text, color string }

// A line is what stands on one line of a terminal.
type line []piece

// plain is a line of one piece.
func plain(format string, args ...any) line { return line{{fmt.Sprintf(format, args...), ""}} }

// A canvas is how lines are written: the zero canvas is that of a pipe.
type canvas struct {
	escapes       bool // it is a terminal that can be drawn on
	color         bool
	width, height int // of the terminal in columns and lines; 0 means without end
}

// canvas returns how lines are written to w now.
func (a *app) canvas(w any) canvas {
	f := fileOf(w)
	if f == nil || !term.IsTerminal(int(f.Fd())) {
		return canvas{}
	}
	c := canvas{escapes: os.Getenv("TERM") != "dumb" && takesEscapes(f)}
	c.color = c.escapes && os.Getenv("NO_COLOR") == ""
	if w, h, err := term.GetSize(int(f.Fd())); err == nil {
		c.width, c.height = w, h
	}
	return c
}

// write appends the line without its end, cut where the canvas ends.
func (c canvas) write(b *bytes.Buffer, l line) {
	left := c.width
	for _, p := range l {
		text := visible(p.text)
		if c.width > 0 {
			if left <= 0 {
				return
			}
			text = cut(text, left)
			left -= columns(text)
		}
		if c.color && p.color != "" && strings.TrimSpace(text) != "" {
			fmt.Fprintf(b, "\x1b[%sm%s\x1b[0m", p.color, text)
			continue
		}
		b.WriteString(text)
	}
}

// block returns lines as they are printed once, none of them cut.
func (c canvas) block(lines []line) []byte {
	c.width = 0
	var b bytes.Buffer
	for _, l := range lines {
		c.write(&b, l)
		b.WriteByte('\n')
	}
	return b.Bytes()
}

// single returns one line without its end, cut so that it cannot wrap.
func (c canvas) single(l line) []byte {
	c.width = max(c.width-1, 0)
	var b bytes.Buffer
	c.write(&b, l)
	return b.Bytes()
}

// frame returns lines as they are drawn over the last frame: from the corner,
// each cleared behind its end, so that nothing flickers. What the terminal has
// no room for is counted by more.
func (c canvas) frame(lines []line, more func(n int) string) []byte {
	if c.height > 1 && len(lines) > c.height {
		hidden := len(lines) - c.height + 1
		lines = append(lines[:c.height-1:c.height-1], line{{more(hidden), dim}})
	}
	c.width = max(c.width-1, 0) // clearing behind a full line would take its last column
	var b bytes.Buffer
	b.WriteString("\x1b[H")
	for i, l := range lines {
		if i > 0 {
			b.WriteString("\r\n")
		}
		c.write(&b, l)
		b.WriteString("\x1b[K")
	}
	b.WriteString("\x1b[J")
	return b.Bytes()
}

// table sets cells in columns, with two spaces between them. Every row has as
// many as the first.
func table(rows []line) []line {
	widths := make([]int, len(rows[0]))
	for _, r := range rows {
		for i, p := range r {
			widths[i] = max(widths[i], columns(visible(p.text)))
		}
	}
	set := make([]line, len(rows))
	for n, r := range rows {
		for i, p := range r {
			if i < len(r)-1 {
				pad := widths[i] - columns(visible(p.text)) + 2
				set[n] = append(set[n], p, piece{strings.Repeat(" ", pad), ""})
			} else {
				set[n] = append(set[n], p)
			}
		}
	}
	return set
}

// visible is printable for what must keep to its column, which a tab does not.
func visible(s string) string { return strings.ReplaceAll(printable(s), "\t", `\x09`) }

// wide knows how many columns characters take, whatever the locale.
func wide() *runewidth.Condition { return &runewidth.Condition{StrictEmojiNeutral: true} }

func columns(s string) int { return wide().StringWidth(s) }

func cut(s string, width int) string { return wide().Truncate(s, width, "…") }

// span writes a duration as people say it, in at most two units: 3s, 5m20s,
// 2h5m, 3d4h.
func span(d time.Duration) string {
	d = max(d, 0)
	const day = 24 * time.Hour
	two := func(big time.Duration, b string, small time.Duration, s string) string {
		if rest := d % big / small; rest > 0 {
			return fmt.Sprintf("%d%s%d%s", d/big, b, rest, s)
		}
		return fmt.Sprintf("%d%s", d/big, b)
	}
	switch {
	case d >= day:
		return two(day, "d", time.Hour, "h")
	case d >= time.Hour:
		return two(time.Hour, "h", time.Minute, "m")
	case d >= time.Minute:
		return two(time.Minute, "m", time.Second, "s")
	case d > 0 && d < time.Second:
		return "1s" // a wait that is not over is not nothing
	}
	return fmt.Sprintf("%ds", d/time.Second)
}

// stamp writes a time for people, in UTC like everything else here.
func stamp(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }
