package state

import (
	"encoding/binary"
	"hash/crc32"
	"math"
	"time"
)

// The rows of an unfinished upload are records of their own, sealed in the
// same way. A part's checksum covers the upload id, so that a part can only
// ever count for the upload that it was sent to.

// appendUpload appends u without its parts. sum is the fileSum of its path.
func appendUpload(b []byte, u *Upload, sum uint32) []byte {
	from := len(b)
	b = append(b, recordVersion)
	b = appendString(b, u.ID)
	b = appendString(b, u.Key)
	b = appendVersion(b, u.Version, true)
	b = binary.AppendVarint(b, u.PartSize)
	b = binary.AppendVarint(b, u.Began.UnixMilli())
	if u.Header != 0 {
		b = binary.LittleEndian.AppendUint64(b, u.Header)
	}
	return seal(b, from, sum)
}

func parseUpload(rec []byte, sum uint32) (*Upload, error) {
	body, ok := unseal(rec, sum)
	r := reader{b: body}
	if !ok || r.byte() != recordVersion {
		return nil, errRecord
	}
	u := &Upload{ID: r.string(), Key: r.string()}
	u.Version = r.version(true)
	u.PartSize = r.varint()
	u.Began = time.UnixMilli(r.varint()).UTC()
	if len(r.b) > 0 { // earlier versions had none
		u.Header = r.uint64()
	}
	if r.bad || len(r.b) != 0 {
		return nil, errRecord
	}
	return u, nil
}

func partSum(uploadID string) uint32 { return crc32.Checksum([]byte(uploadID), castagnoli) }

func appendPart(b []byte, p *Part, sum uint32) []byte {
	from := len(b)
	b = append(b, recordVersion)
	b = binary.AppendUvarint(b, uint64(p.Number))
	b = binary.AppendVarint(b, p.Size)
	b = binary.LittleEndian.AppendUint64(b, p.CRC64)
	b = appendString(b, p.ETag)
	return seal(b, from, sum)
}

func parsePart(rec []byte, sum uint32) (p Part, err error) {
	body, ok := unseal(rec, sum)
	r := reader{b: body}
	if !ok || r.byte() != recordVersion {
		return p, errRecord
	}
	number := r.uvarint()
	p = Part{Size: r.varint(), CRC64: r.uint64(), ETag: r.string()}
	if r.bad || len(r.b) != 0 || number > math.MaxInt32 {
		return p, errRecord
	}
	p.Number = int(number)
	return p, nil
}

// A rootRecord is what a root's row holds besides its key and counters.
type rootRecord struct {
	identity   Identity
	identified bool // identity is set
	verified   bool // a whole scan and listing have confirmed the entries
	doubted    bool // the index was rebuilt, and the entries were not verified since
}

const (
	rootIdentified = 1 << iota
	rootVerified
	rootDoubted
)

func (r rootRecord) append(b []byte, seed uint32) []byte {
	from := len(b)
	var flags byte
	if r.identified {
		flags |= rootIdentified
	}
	if r.verified {
		flags |= rootVerified
	}
	if r.doubted {
		flags |= rootDoubted
	}
	b = append(b, recordVersion, flags)
	b = binary.AppendUvarint(b, r.identity.Device)
	b = binary.AppendUvarint(b, r.identity.FileID[0])
	b = binary.AppendUvarint(b, r.identity.FileID[1])
	return seal(b, from, seed)
}

// parseRoot returns the zero value for a damaged record: an unknown directory
// whose entries want verifying, which is the safe thing to believe.
func parseRoot(rec []byte, seed uint32) rootRecord {
	body, ok := unseal(rec, seed)
	r := reader{b: body}
	if !ok || r.byte() != recordVersion {
		return rootRecord{}
	}
	flags := r.byte()
	root := rootRecord{
		identity:   Identity{Device: r.uvarint(), FileID: FileID{r.uvarint(), r.uvarint()}},
		identified: flags&rootIdentified != 0,
		verified:   flags&rootVerified != 0,
		doubted:    flags&rootDoubted != 0,
	}
	if r.bad || len(r.b) != 0 {
		return rootRecord{}
	}
	return root
}
