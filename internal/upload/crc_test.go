package upload

import (
	"hash/crc64"
	"math/rand/v2"
	"testing"
)

func TestChecksum(t *testing.T) {
	table := crc64.MakeTable(crc64.ECMA)
	rng := rand.New(rand.NewPCG(1, 2))
	data := make([]byte, 70_000)
	for i := range data {
		data[i] = byte(rng.Uint32())
	}
	if got, want := checksum([]byte("123456789")), uint64(0x995dc9bbdf1939fa); got != want {
		t.Fatalf("checksum of the check string = %#x, want %#x", got, want)
	}
	lengths := []int{0, 1, 7, 8, 9, crcBlock - 1, crcBlock, crcBlock + 1, crcBlock + 15, 2*crcBlock + 3, len(data)}
	for range 200 {
		lengths = append(lengths, rng.IntN(len(data)))
	}
	for _, n := range lengths {
		want := crc64.Checksum(data[:n], table)
		if got := checksum(data[:n]); got != want {
			t.Fatalf("checksum of %d bytes = %#x, want %#x", n, got, want)
		}
		cut := rng.IntN(n + 1)
		a, b := checksum(data[:cut]), checksum(data[cut:n])
		if got := combine(a, b, int64(n-cut)); got != want {
			t.Fatalf("combine of %d and %d bytes = %#x, want %#x", cut, n-cut, got, want)
		}
		if got := extend(a, data[cut:n]); got != want {
			t.Fatalf("extend of %d by %d bytes = %#x, want %#x", cut, n-cut, got, want)
		}
	}
}

// Lengths beyond what fits in memory are held to the algebra: n zero bytes
// after a stretch, in one step or in two.
func TestCombineLong(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	for range 100 {
		crc := rng.Uint64()
		a, b := rng.Int64N(1<<45), rng.Int64N(1<<45)
		once := combine(crc, 0, a+b)
		if twice := combine(combine(crc, 0, a), 0, b); once != twice {
			t.Fatalf("combine over %d+%d zero bytes differs: %#x, %#x", a, b, once, twice)
		}
	}
}

func BenchmarkChecksum(b *testing.B) {
	for _, n := range []int{4 << 10, 8 << 20} {
		data := make([]byte, n)
		b.Run(sizeName(n), func(b *testing.B) {
			b.SetBytes(int64(n))
			for b.Loop() {
				checksum(data)
			}
		})
	}
}

func sizeName(n int) string {
	if n >= 1<<20 {
		return "large"
	}
	return "small"
}
