package oss

import (
	"encoding/xml"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// A document is an XML answer in the making. It is written by hand, for a list
// of a thousand keys through encoding/xml costs more than the rest of the
// request, and because the service writes control characters in keys as
// references that encoding/xml, rightly, does not.
type document struct{ b []byte }

func (d *document) start() { d.b = append(d.b, `<?xml version="1.0" encoding="UTF-8"?>`+"\n"...) }

func (d *document) open(name string) {
	d.b = append(d.b, '<')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *document) close(name string) {
	d.b = append(d.b, '<', '/')
	d.b = append(d.b, name...)
	d.b = append(d.b, '>')
}

func (d *document) text(name, text string) {
	d.open(name)
	d.b = appendText(d.b, text)
	d.close(name)
}

func (d *document) int(name string, n int64) {
	d.open(name)
	d.b = strconv.AppendInt(d.b, n, 10)
	d.close(name)
}

func (d *document) bool(name string, v bool) {
	d.open(name)
	d.b = strconv.AppendBool(d.b, v)
	d.close(name)
}

// time writes a time as the service does: UTC, milliseconds always .000, which
// some clients insist on.
func (d *document) time(name string, nanos int64) {
	d.open(name)
	d.b = time.Unix(0, nanos).UTC().AppendFormat(d.b, "2006-01-02T15:04:05.000Z")
	d.close(name)
}

func (d *document) owner() {
	d.open("Owner")
	d.text("ID", ownerID)
	d.text("DisplayName", ownerID)
	d.close("Owner")
}

// ownerID is the account that owns all buckets and objects.
const ownerID = "1234567890123456"

func appendText(b []byte, s string) []byte {
	for i := 0; i < len(s); {
		c := s[i]
		switch {
		case c == '&':
			b = append(b, "&amp;"...)
		case c == '<':
			b = append(b, "&lt;"...)
		case c == '>':
			b = append(b, "&gt;"...)
		case c == '"':
			b = append(b, "&quot;"...)
		case c == '\'':
			b = append(b, "&apos;"...)
		case c < ' ':
			b = append(b, "&#"...)
			b = strconv.AppendUint(b, uint64(c), 10)
			b = append(b, ';')
		case c < utf8.RuneSelf:
			b = append(b, c)
		default:
			r, n := utf8.DecodeRuneInString(s[i:])
			b = utf8.AppendRune(b, r)
			i += n
			continue
		}
		i++
	}
	return b
}

// maxXML bounds the body of a request that is a document: a completion of
// 10,000 parts or a removal of 1,000 keys of 1,023 escaped bytes.
const maxXML = 8 << 20

// readXML decodes the body of a request into v, which is a pointer to a struct.
// An empty body, or one that is no XML, is malformed.
func (x *exchange) readXML(v any) error {
	body, err := x.readDocument()
	if err != nil {
		return err
	}
	return decodeXML(body, v)
}

// readDocument reads a body that is a document and checks its Content-MD5.
func (x *exchange) readDocument() ([]byte, error) {
	body, err := io.ReadAll(io.LimitReader(x.r.Body, maxXML+1))
	if err != nil {
		return nil, incompleteBody()
	}
	if len(body) > maxXML {
		return nil, entityTooLarge(int64(len(body)), maxXML)
	}
	x.in += int64(len(body))
	if err := x.checkMD5(body); err != nil {
		return nil, err
	}
	return body, nil
}

func decodeXML(body []byte, v any) error {
	if len(body) == 0 {
		return malformedXML("The XML you provided was not well-formed or did not validate against our published schema.")
	}
	if err := xml.Unmarshal([]byte(maskControls(string(body))), v); err != nil {
		return malformedXML("The XML you provided was not well-formed or did not validate against our published schema.")
	}
	return nil
}

// mask marks, in text that encoding/xml is to read, a control character that
// XML 1.0 forbids and clients send all the same as a reference. It comes before
// a letter: '@' for 0, 'A' for 1. The mask itself is doubled.
const mask = "\uF8FF"

// maskControls replaces references to control characters, such as "&#12;".
func maskControls(s string) string {
	if !strings.Contains(s, "&#") && !strings.Contains(s, mask) {
		return s
	}
	var b strings.Builder
	s = strings.ReplaceAll(s, mask, mask+mask)
	for {
		i := strings.Index(s, "&#")
		if i < 0 {
			b.WriteString(s)
			return b.String()
		}
		b.WriteString(s[:i])
		s = s[i:]
		end := strings.IndexByte(s, ';')
		if end < 0 {
			b.WriteString(s)
			return b.String()
		}
		if c, ok := reference(s[2:end]); ok && c < ' ' && c != '\t' && c != '\n' && c != '\r' {
			b.WriteString(mask)
			b.WriteByte(byte(c) + '@')
		} else {
			b.WriteString(s[:end+1])
		}
		s = s[end+1:]
	}
}

func reference(digits string) (rune, bool) {
	base := 10
	if strings.HasPrefix(digits, "x") {
		base, digits = 16, digits[1:]
	}
	n, err := strconv.ParseUint(digits, base, 21)
	return rune(n), err == nil
}

// unmask undoes maskControls in a text that has been decoded.
func unmask(s string) string {
	if !strings.Contains(s, mask) {
		return s
	}
	var b strings.Builder
	for {
		before, after, found := strings.Cut(s, mask)
		b.WriteString(before)
		switch {
		case !found:
			return b.String()
		case strings.HasPrefix(after, mask):
			b.WriteString(mask)
			s = after[len(mask):]
		case after == "":
			return b.String()
		default:
			b.WriteByte(after[0] - '@')
			s = after[1:]
		}
	}
}
