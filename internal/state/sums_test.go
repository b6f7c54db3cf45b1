package state

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestSums(t *testing.T) {
	dir := t.TempDir()
	db := open(t, dir, Options{})
	r := openRoot(t, db, testKey)
	ctx := t.Context()
	want := func(path string, want *Sums) {
		t.Helper()
		got, err := r.Uploads().Kept(ctx, path)
		if diff := cmp.Diff(want, got); diff != "" || err != nil {
			t.Errorf("Kept(%q): %v (-want +got):\n%s", path, err, diff)
		}
	}
	keep := func(path string, s Sums) {
		t.Helper()
		if err := r.Uploads().Keep(ctx, path, s); err != nil {
			t.Fatal(err)
		}
	}
	big := entry(1)
	big.Size = 20 << 20
	s := Sums{Size: 20 << 20, CRC64: 1 << 63, PartSize: 8 << 20, Parts: []uint64{1, ^uint64(0), 3}}
	record(t, r, "a/log", big)
	want("a/log", nil)
	keep("a/log", s)
	want("a/log", &s)
	want("a/other", nil)

	closeDB(t, db)
	db = open(t, dir, Options{})
	r = openRoot(t, db, testKey)
	want("a/log", &s)

	record(t, r, "a/log", big) // other bytes, perhaps
	want("a/log", nil)
	keep("a/log", s)
	keep("a/log", Sums{})
	want("a/log", nil)
	keep("a/log", s)
	if err := r.Forget(ctx, "a/log"); err != nil {
		t.Fatal(err)
	}
	want("a/log", nil)
	if n := rows(t, db, "sums"); n != 0 {
		t.Errorf("%d sums are left over", n)
	}
	for _, bad := range []Sums{
		{Size: 100, PartSize: 100, Parts: []uint64{1}},
		{Size: 20_000 << 20, PartSize: 1 << 20, Parts: make([]uint64, 20_000)},
	} {
		if err := r.Uploads().Keep(ctx, "a/log", bad); err == nil {
			t.Errorf("%d parts of %d bytes were kept", len(bad.Parts), bad.Size)
		}
	}
}

// Sums are believed only whole, and for the path that they were kept for.
func TestSumsDamaged(t *testing.T) {
	s := Sums{Size: 20 << 20, CRC64: 7, PartSize: 8 << 20, Parts: []uint64{1, 2, 3}}
	rec := appendSums(nil, &s, 5)
	if got, err := parseSums(rec, 5); err != nil || cmp.Diff(&s, got) != "" {
		t.Fatalf("parseSums = %v, %v", got, err)
	}
	if _, err := parseSums(rec, 6); err == nil {
		t.Error("sums of another path were believed")
	}
	for i := range rec {
		bad := append([]byte{}, rec...)
		bad[i] ^= 1
		if _, err := parseSums(bad, 5); err == nil {
			t.Errorf("byte %d was flipped, and nobody noticed", i)
		}
	}
	s.Parts = s.Parts[:2]
	if _, err := parseSums(appendSums(nil, &s, 5), 5); err == nil {
		t.Error("two parts were believed to be three")
	}
}
