package watch

import (
	"encoding/binary"
	"math/bits"
)

// A directory's digest is the sum, modulo 2^64, of one hash for each entry. A
// sum does not depend on the order in which the entries were read. It is kept
// on disk by others, so what it is made of must not change between releases.

const (
	digestSeed = 0x9e3779b97f4a7c15 // also the digest of an empty directory, so that none is 0
	digestMul1 = 0xa0761d6478bd642f
	digestMul2 = 0xe7037ed1a0b428db
)

// digestFile returns a regular file's share of its directory's digest.
func digestFile(f *File) uint64 {
	h := digestName(digestSeed, f.Name)
	h = mix(h^uint64(f.Size), digestMul1^f.FileID[0])
	h = mix(h^uint64(f.MTime), digestMul2^uint64(f.CTime))
	return mix(h^f.FileID[1], digestMul1)
}

// digestDir returns a child directory's share: of its name only, for what it
// holds has a digest of its own.
func digestDir(name string) uint64 { return mix(digestName(digestMul2, name), digestSeed) }

func digestName(h uint64, name string) uint64 {
	h ^= uint64(len(name))
	for len(name) >= 8 {
		h = mix(h^le64(name), digestMul1)
		name = name[8:]
	}
	var tail [8]byte
	copy(tail[:], name)
	return mix(h^binary.LittleEndian.Uint64(tail[:]), digestMul2)
}

func le64(s string) uint64 {
	_ = s[7]
	return uint64(s[0]) | uint64(s[1])<<8 | uint64(s[2])<<16 | uint64(s[3])<<24 |
		uint64(s[4])<<32 | uint64(s[5])<<40 | uint64(s[6])<<48 | uint64(s[7])<<56
}

// mix folds the 128-bit product of a and b, as wyhash does.
func mix(a, b uint64) uint64 {
	hi, lo := bits.Mul64(a, b)
	return hi ^ lo
}
