package state

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"hash/crc32"
	"strconv"
	"strings"
	"time"
)

// A record is an Entry in the table files, about 52 bytes:
//
//	byte     1, the version of this layout
//	byte     flags
//	uvarint  size
//	varint   mtime - recordEpoch, ns
//	varint   ctime - mtime, ns
//	uvarint  file id, low word; with flagFileID the high word too
//	8 bytes  CRC-64, little endian
//	ETag     16 bytes, and with flagParts a uvarint; or uvarint length and text
//	varint   uploaded - mtime, ms
//	key      with flagKey: uvarint length and text
//	4 bytes  CRC-32C, little endian, of the root, the path and all the above
//
// Because the checksum covers root and path, a record that a damaged page
// shows under another name is refused as well.
const recordVersion = 1

// recordEpoch is 2020-01-01: mtimes near it are short.
const recordEpoch = 1577836800_000000000

const (
	flagRacy     = 1 << iota
	flagAssumed  // from a listing or a snapshot
	flagKey      // the key is not the usual one
	flagFileID   // the file id has a high word
	flagHexUpper // the ETag is 32 upper-case hex digits
	flagHexLower // or lower-case ones
	flagParts    // followed by "-" and a number
	flagsKnown   = 1<<iota - 1
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

var errRecord = errors.New("damaged record")

// seed is the checksum of what all rows of a root have in common.
func (k RootKey) seed() uint32 {
	return crc32.Checksum([]byte(k.Source+"\x00"+k.Bucket+"\x00"+k.Prefix+"\x00"), castagnoli)
}

// dirSum continues a root's seed by a directory.
func dirSum(seed uint32, dir string) uint32 {
	return crc32.Update(seed, castagnoli, append([]byte(dir), '/'))
}

// fileSum continues a directory's sum by a name.
func fileSum(sum uint32, name []byte) uint32 {
	return crc32.Update(crc32.Update(sum, castagnoli, name), castagnoli, []byte{0})
}

// seal appends the checksum to a record that begins at b[from].
func seal(b []byte, from int, sum uint32) []byte {
	return binary.LittleEndian.AppendUint32(b, crc32.Update(sum, castagnoli, b[from:]))
}

// unseal returns the record without its checksum, if that holds.
func unseal(rec []byte, sum uint32) ([]byte, bool) {
	n := len(rec) - 4
	if n < 0 || crc32.Update(sum, castagnoli, rec[:n]) != binary.LittleEndian.Uint32(rec[n:]) {
		return nil, false
	}
	return rec[:n], true
}

// appendRecord appends e as a record to b. sum is the fileSum of its path.
func appendRecord(b []byte, e *Entry, sum uint32) []byte {
	from := len(b)
	raw, flags, parts := splitETag(e.ETag)
	for _, f := range []struct {
		on   bool
		flag byte
	}{{e.Racy, flagRacy}, {e.Assumed, flagAssumed}, {e.Key != "", flagKey}, {e.FileID[1] != 0, flagFileID}} {
		if f.on {
			flags |= f.flag
		}
	}
	b = append(b, recordVersion, flags)
	b = appendVersion(b, e.Version, flags&flagFileID != 0)
	b = binary.LittleEndian.AppendUint64(b, e.CRC64)
	switch {
	case flags&(flagHexUpper|flagHexLower) == 0:
		b = appendString(b, e.ETag)
	case flags&flagParts != 0:
		b = binary.AppendUvarint(append(b, raw[:]...), parts)
	default:
		b = append(b, raw[:]...)
	}
	b = binary.AppendVarint(b, e.Uploaded.UnixMilli()-e.MTime/1e6)
	if e.Key != "" {
		b = appendString(b, e.Key)
	}
	return seal(b, from, sum)
}

func appendVersion(b []byte, v Version, wide bool) []byte {
	b = binary.AppendUvarint(b, uint64(v.Size))
	b = binary.AppendVarint(b, v.MTime-recordEpoch)
	b = binary.AppendVarint(b, v.CTime-v.MTime)
	b = binary.AppendUvarint(b, v.FileID[0])
	if wide {
		b = binary.AppendUvarint(b, v.FileID[1])
	}
	return b
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

// splitETag packs the two forms that OSS gives: 32 hex digits, with or without
// a number after them. flags is 0 for any other, which is kept as it is.
func splitETag(s string) (raw [16]byte, flags byte, parts uint64) {
	digits, number, multi := strings.Cut(s, "-")
	if len(digits) != 32 {
		return raw, 0, 0
	}
	if multi {
		var err error
		if parts, err = strconv.ParseUint(number, 10, 64); err != nil || strconv.FormatUint(parts, 10) != number {
			return raw, 0, 0
		}
		flags = flagParts
	}
	if _, err := hex.Decode(raw[:], []byte(digits)); err != nil {
		return raw, 0, 0
	}
	switch digits {
	case strings.ToUpper(digits):
		return raw, flags | flagHexUpper, parts
	case strings.ToLower(digits):
		return raw, flags | flagHexLower, parts
	}
	return raw, 0, 0
}

// parseRecord reads what appendRecord wrote. It returns errRecord unless the
// checksum holds and every byte has its meaning.
func parseRecord(rec []byte, sum uint32, e *Entry) error {
	body, ok := unseal(rec, sum)
	if !ok {
		return errRecord
	}
	return parseBody(body, e)
}

func parseBody(body []byte, e *Entry) error {
	r := reader{b: body}
	version, flags := r.byte(), r.byte()
	if version != recordVersion || flags > flagsKnown {
		return errRecord
	}
	*e = Entry{Racy: flags&flagRacy != 0, Assumed: flags&flagAssumed != 0}
	e.Version = r.version(flags&flagFileID != 0)
	e.CRC64 = r.uint64()
	e.ETag = r.etag(flags)
	e.Uploaded = time.UnixMilli(r.varint() + e.MTime/1e6).UTC()
	if flags&flagKey != 0 {
		e.Key = r.string()
	}
	if r.bad || len(r.b) != 0 {
		return errRecord
	}
	return nil
}

// A reader takes values off the front of b. After one that is not there, bad
// is set and all others are zero.
type reader struct {
	b   []byte
	bad bool
}

func (r *reader) bytes(n uint64) []byte {
	if r.bad || n > uint64(len(r.b)) {
		r.bad = true
		return nil
	}
	head := r.b[:n]
	r.b = r.b[n:]
	return head
}

func (r *reader) byte() byte {
	if b := r.bytes(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uint64() uint64 {
	if b := r.bytes(8); b != nil {
		return binary.LittleEndian.Uint64(b)
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if r.bad || n <= 0 {
		r.bad = true
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	u := r.uvarint()
	return int64(u>>1) ^ -int64(u&1)
}

func (r *reader) string() string { return string(r.bytes(r.uvarint())) }

func (r *reader) version(wide bool) (v Version) {
	v.Size = int64(r.uvarint())
	v.MTime = r.varint() + recordEpoch
	v.CTime = r.varint() + v.MTime
	v.FileID[0] = r.uvarint()
	if wide {
		v.FileID[1] = r.uvarint()
	}
	return v
}

func (r *reader) etag(flags byte) string {
	if flags&(flagHexUpper|flagHexLower) == 0 {
		return r.string()
	}
	const upper, lower = "0123456789ABCDEF", "0123456789abcdef"
	digits := upper
	if flags&flagHexLower != 0 {
		digits = lower
	}
	var buf [32 + 1 + 20]byte
	for i, b := range r.bytes(16) {
		buf[2*i], buf[2*i+1] = digits[b>>4], digits[b&15]
	}
	if flags&flagParts == 0 {
		return string(buf[:32])
	}
	buf[32] = '-'
	return string(strconv.AppendUint(buf[:33], r.uvarint(), 10))
}
