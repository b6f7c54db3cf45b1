package upload

import (
	"encoding/binary"
	"hash/crc64"
)

// The CRC that OSS keeps of every object is CRC-64/ECMA, reflected: that of
// hash/crc64. A CRC is also a polynomial over GF(2), so the CRC of a whole
// follows from those of its parts, and one buffer can be summed at two places
// at once, which keeps two chains of table look-ups in flight instead of one.

// poly is the ECMA polynomial, reflected, without its highest term.
const poly = crc64.ECMA

// slicing[j][b] is the CRC register after byte b and j zero bytes.
var slicing = makeSlicing()

func makeSlicing() *[8][256]uint64 {
	t := new([8][256]uint64)
	t[0] = *crc64.MakeTable(poly)
	for b := range 256 {
		crc := t[0][b]
		for j := 1; j < 8; j++ {
			crc = t[0][byte(crc)] ^ crc>>8
			t[j][b] = crc
		}
	}
	return t
}

// squares[k] is x to the power of 2^k, modulo the polynomial.
var squares = makeSquares()

func makeSquares() *[64]uint64 {
	t := new([64]uint64)
	p := uint64(1) << 62 // x: the coefficient of x^i is bit 63-i
	for k := range t {
		t[k] = p
		p = mulmod(p, p)
	}
	return t
}

// mulmod multiplies two polynomials modulo the polynomial.
func mulmod(a, b uint64) uint64 {
	var p uint64
	for ; a != 0; a <<= 1 {
		p ^= b & -(a >> 63) // no branch: it would be a guess
		b = b>>1 ^ poly&-(b&1)
	}
	return p
}

// zeros returns x^(8n), by which a CRC is multiplied when n bytes follow it.
func zeros(n int64) uint64 {
	p := uint64(1) << 63 // one
	for k := 3; n > 0; k, n = k+1, n>>1 {
		if n&1 != 0 {
			p = mulmod(p, squares[k&63])
		}
	}
	return p
}

// combine returns the CRC of two stretches of bytes from that of each and the
// length of the second.
func combine(first, second uint64, secondLen int64) uint64 {
	return mulmod(zeros(secondLen), first) ^ second
}

// crcBlock is the length from which a buffer is summed at two places.
const crcBlock = 2 << 10

// checksum returns the CRC-64 of p.
func checksum(p []byte) uint64 {
	return extend(0, p)
}

// extend returns the CRC-64 of some bytes and p from the CRC of those bytes.
func extend(crc uint64, p []byte) uint64 {
	if len(p) >= crcBlock {
		half := len(p) / 2 &^ 7
		a, b := step2(^crc, ^uint64(0), p[:half], p[half:2*half])
		crc = combine(^a, ^b, int64(half))
		p = p[2*half:]
	}
	return ^step(^crc, p)
}

// step advances a register by a stretch of any length.
func step(a uint64, p []byte) uint64 {
	t := slicing
	for len(p) >= 8 {
		a ^= binary.LittleEndian.Uint64(p)
		p = p[8:]
		a = t[7][a&0xff] ^ t[6][a>>8&0xff] ^ t[5][a>>16&0xff] ^ t[4][a>>24&0xff] ^
			t[3][a>>32&0xff] ^ t[2][a>>40&0xff] ^ t[1][a>>48&0xff] ^ t[0][a>>56]
	}
	for _, c := range p {
		a = t[0][byte(a)^c] ^ a>>8
	}
	return a
}

// step2 advances two registers, each by one of two stretches of equal length,
// a multiple of eight.
func step2(a, b uint64, p, q []byte) (uint64, uint64) {
	t := slicing
	for len(p) >= 8 && len(q) >= 8 {
		a ^= binary.LittleEndian.Uint64(p)
		b ^= binary.LittleEndian.Uint64(q)
		p, q = p[8:], q[8:]
		a = t[7][a&0xff] ^ t[6][a>>8&0xff] ^ t[5][a>>16&0xff] ^ t[4][a>>24&0xff] ^
			t[3][a>>32&0xff] ^ t[2][a>>40&0xff] ^ t[1][a>>48&0xff] ^ t[0][a>>56]
		b = t[7][b&0xff] ^ t[6][b>>8&0xff] ^ t[5][b>>16&0xff] ^ t[4][b>>24&0xff] ^
			t[3][b>>32&0xff] ^ t[2][b>>40&0xff] ^ t[1][b>>48&0xff] ^ t[0][b>>56]
	}
	return a, b
}
