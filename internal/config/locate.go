package config

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/BurntSushi/toml"
)

// The TOML parser keeps to itself where it found a key. locate finds it again.
// It is no second parser: it is given only what the first one took.

// A place is the path of a key or of an element of an array: names and indexes,
// each after a NUL.
type place string

func (p place) join(names ...string) place {
	for _, name := range names {
		p += place("\x00" + name)
	}
	return p
}

func (p place) index(i int) place { return p.join(strconv.Itoa(i)) }

// locate returns the byte offset of each key and each element of an array in
// src. A table's is that of its name in its first header.
func locate(src string) map[place]int {
	l := locator{src: src, at: map[place]int{}, last: map[place]int{}}
	l.document()
	return l.at
}

// locator walks through a document.
type locator struct {
	src  string
	i    int           // next byte
	at   map[place]int // what was found
	last map[place]int // index of the last table of each array of tables
}

// A part is one name of a dotted key.
type part struct {
	name string
	at   int
}

func (l *locator) note(p place, at int) {
	if _, ok := l.at[p]; !ok {
		l.at[p] = at
	}
}

// peek returns the next byte, or 0 at the end.
func (l *locator) peek() byte {
	if l.i < len(l.src) {
		return l.src[l.i]
	}
	return 0
}

// blank skips spaces, newlines and comments.
func (l *locator) blank() {
	for l.i < len(l.src) {
		switch l.src[l.i] {
		case ' ', '\t', '\r', '\n':
			l.i++
		case '#':
			end := strings.IndexByte(l.src[l.i:], '\n')
			if end < 0 {
				l.i = len(l.src)
				return
			}
			l.i += end
		default:
			return
		}
	}
}

func (l *locator) document() {
	var table place
	for {
		l.blank()
		start := l.i
		switch {
		case l.i >= len(l.src):
			return
		case l.src[l.i] == '[':
			table = l.header()
		default:
			l.pair(table)
		}
		if l.i == start {
			l.i++
		}
	}
}

// header reads [a.b] or [[a.b]] and returns the table that it opens.
func (l *locator) header() place {
	isArray := strings.HasPrefix(l.src[l.i:], "[[")
	l.i++
	if isArray {
		l.i++
	}
	var p place
	parts := l.key()
	for n, part := range parts {
		p = p.join(part.name)
		l.note(p, part.at)
		i, known := l.last[p]
		if isArray && n == len(parts)-1 {
			if known {
				i++
			}
			l.last[p] = i
			p = p.index(i)
			l.note(p, part.at)
		} else if known {
			p = p.index(i)
		}
	}
	for l.peek() == ']' {
		l.i++
	}
	return p
}

// pair reads key = value.
func (l *locator) pair(table place) {
	p := table
	for _, part := range l.key() {
		p = p.join(part.name)
		l.note(p, part.at)
	}
	if l.peek() == '=' {
		l.i++
	}
	l.blank()
	l.value(p)
}

// key reads a dotted key.
func (l *locator) key() []part {
	var parts []part
	for {
		for l.peek() == ' ' || l.peek() == '\t' {
			l.i++
		}
		start := l.i
		parts = append(parts, part{l.name(), start})
		for l.peek() == ' ' || l.peek() == '\t' {
			l.i++
		}
		if l.peek() != '.' {
			return parts
		}
		l.i++
	}
}

func (l *locator) name() string {
	start := l.i
	if c := l.peek(); c == '"' || c == '\'' {
		l.text()
		return unquote(l.src[start:l.i])
	}
	for l.i < len(l.src) && !strings.ContainsRune(" \t\r\n.=]", rune(l.src[l.i])) {
		l.i++
	}
	return l.src[start:l.i]
}

func unquote(s string) string {
	var v struct{ Name string }
	if _, err := toml.Decode("Name = "+s, &v); err != nil {
		return s
	}
	return v.Name
}

// value reads a value and notes the elements of arrays and inline tables.
func (l *locator) value(p place) {
	switch l.peek() {
	case '"', '\'':
		l.text()
	case '[':
		l.elements(']', func(n int) {
			e := p.index(n)
			l.note(e, l.i)
			l.value(e)
		})
	case '{':
		l.elements('}', func(int) { l.pair(p) })
	default:
		for l.i < len(l.src) && !strings.ContainsRune(",]}#\r\n", rune(l.src[l.i])) {
			l.i++
		}
	}
}

// elements reads what is between a bracket and its end, separated by commas.
func (l *locator) elements(end byte, element func(n int)) {
	l.i++
	for n := 0; l.i < len(l.src); {
		l.blank()
		start := l.i
		switch l.peek() {
		case end:
			l.i++
			return
		case ',':
			l.i++
		default:
			element(n)
			n++
		}
		if l.i == start {
			l.i++
		}
	}
}

// text skips a string of any of the four kinds.
func (l *locator) text() {
	quote := l.src[l.i : l.i+1]
	long := strings.Repeat(quote, 3)
	if !strings.HasPrefix(l.src[l.i:], long) {
		l.i++
		l.until(quote)
		return
	}
	l.i += len(long)
	l.until(long)
	for range 2 { // quotes may stand right before the closing ones
		if strings.HasPrefix(l.src[l.i:], quote) {
			l.i++
		}
	}
}

// until skips to after the end of a string.
func (l *locator) until(end string) {
	for l.i < len(l.src) {
		switch {
		case strings.HasPrefix(l.src[l.i:], end):
			l.i += len(end)
			return
		case l.src[l.i] == '\\' && end[0] == '"':
			l.i += 2
		default:
			l.i++
		}
	}
	l.i = len(l.src)
}

// A text finds lines and columns in a file.
type text struct {
	src   string
	lines []int // offset of the beginning of each line
}

func newText(src string) text {
	t := text{src, []int{0}}
	for i := range len(src) {
		if src[i] == '\n' {
			t.lines = append(t.lines, i+1)
		}
	}
	return t
}

// position returns the line and the column, in characters, of an offset. Both
// count from 1.
func (t text) position(offset int) (line, column int) {
	offset = min(max(offset, 0), len(t.src))
	line, found := slices.BinarySearch(t.lines, offset)
	if found {
		line++
	}
	return line, utf8.RuneCountInString(t.src[t.lines[line-1]:offset]) + 1
}
