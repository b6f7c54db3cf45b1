package oss

import "hash/crc64"

// crcTable is that of CRC-64/ECMA-182 as the service computes it.
var crcTable = crc64.MakeTable(crc64.ECMA)

// A matrix over GF(2): its rows are what each bit of a CRC becomes.
type matrix [64]uint64

func (m *matrix) times(v uint64) uint64 {
	sum := uint64(0)
	for i := 0; v != 0; i, v = i+1, v>>1 {
		if v&1 != 0 {
			sum ^= m[i]
		}
	}
	return sum
}

func (m *matrix) square() matrix {
	var s matrix
	for i := range s {
		s[i] = m.times(m[i])
	}
	return s
}

// combineCRC returns the CRC of two texts one after the other, from that of
// each and the length of the second: it runs n zero bytes through the first by
// squaring.
func combineCRC(first, second uint64, n int64) uint64 {
	if n <= 0 {
		return first
	}
	var one matrix // the operator of one zero bit
	one[0] = crc64.ECMA
	for i := 1; i < len(one); i++ {
		one[i] = 1 << (i - 1)
	}
	two := one.square()
	op := two.square() // four bits
	for ; n != 0; n >>= 1 {
		op = op.square() // first eight bits, a byte
		if n&1 != 0 {
			first = op.times(first)
		}
	}
	return first ^ second
}
