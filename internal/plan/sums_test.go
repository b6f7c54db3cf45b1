package plan

import (
	"math/rand/v2"
	"testing"
)

// TestSums: the table holds what a map would.
func TestSums(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 2))
	got, want := new(sums), map[uint64]uint64{}
	hashes := []uint64{1, 1<<56 | 1, 1<<63 | 1, 2, 3, 4, 5} // a tag of 0 is one of 1
	for range 5000 {
		hashes = append(hashes, rnd.Uint64())
	}
	for range 200_000 {
		hash := hashes[rnd.IntN(len(hashes))]
		if rnd.IntN(3) == 0 {
			got.remove(hash)
			delete(want, hash)
			continue
		}
		sum := rnd.Uint64()
		got.set(hash, sum)
		want[hash] = sum
	}
	for _, hash := range hashes {
		if got.get(hash) != want[hash] {
			t.Fatalf("%x is %x, want %x", hash, got.get(hash), want[hash])
		}
	}
	for range 100_000 {
		hash := rnd.Uint64()
		got.set(hash, 1)
		got.remove(hash)
	}
	slots := 0
	for i := range got {
		slots += len(got[i].slots)
	}
	if slots > 3*len(hashes) {
		t.Errorf("%d slots for %d sums", slots, len(want))
	}
}

// TestSumsMemory: what a million directories need.
func TestSumsMemory(t *testing.T) {
	const n = 1_000_000
	rnd := rand.New(rand.NewPCG(1, 2))
	var table sums
	for range n {
		table.set(rnd.Uint64(), rnd.Uint64())
	}
	slots, used := 0, 0
	for i := range table {
		slots += len(table[i].slots)
		used += table[i].used
	}
	if bytes := 12 * slots / n; bytes > 19 || used < n-10 {
		t.Errorf("%d bytes each, %d of %d", bytes, used, n)
	}
}
