package upload

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/osssync/osssync/internal/state"
)

// A void takes everything and keeps nothing.
type void struct{ *store }

func (void) Put(_ context.Context, _ string, body []byte, _ Header) (Stored, error) {
	return Stored{Size: int64(len(body)), CRC64: checksum(body), ETag: "E", RequestID: "R"}, nil
}

func (void) Part(_ context.Context, _, _ string, n int, body []byte) (state.Part, error) {
	return state.Part{Number: n, Size: int64(len(body)), CRC64: checksum(body), ETag: "E"}, nil
}

func (void) Complete(_ context.Context, _, _ string, parts []state.Part) (Stored, error) {
	var crc uint64
	for _, p := range parts {
		crc = combine(crc, p.CRC64, p.Size)
	}
	return Stored{Size: -1, CRC64: crc, ETag: "E", RequestID: "R"}, nil
}

func (void) Record(context.Context, string, state.Entry) error { return nil }

// BenchmarkFile is what one file costs besides its requests and the index: to
// open it, to prove that nobody writes, to read and sum it. The server's sum is
// part of the figure.
func BenchmarkFile(b *testing.B) {
	for _, size := range []int{4 << 10, 1 << 20, 256 << 20} {
		b.Run(fmt.Sprint(size), func(b *testing.B) {
			dir := b.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "f"), make([]byte, size), 0o644); err != nil {
				b.Fatal(err)
			}
			tree, err := OpenTree(dir, false)
			if err != nil {
				b.Fatal(err)
			}
			defer tree.Close()
			s := void{newStore()}
			u := New(newQueue(), Options{})
			j := &Job{Target: &Target{Tree: tree, Bucket: s, Index: s}, Action: Upload, Path: "f", Key: "k"}
			if j.Version, err = tree.Stat("f"); err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(size))
			b.ReportAllocs()
			for b.Loop() {
				if res := u.do(b.Context(), j); res.Err != nil {
					b.Fatal(res.Err)
				}
			}
		})
	}
}

// BenchmarkProbe is the question whether anybody writes to a file.
func BenchmarkProbe(b *testing.B) {
	dir := b.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "f"), nil, 0o644); err != nil {
		b.Fatal(err)
	}
	tree, err := OpenTree(dir, false)
	if err != nil {
		b.Fatal(err)
	}
	defer tree.Close()
	b.Run("open and close", func(b *testing.B) {
		for b.Loop() {
			f, err := tree.Open("f")
			if err != nil {
				b.Fatal(err)
			}
			f.Close()
		}
	})
	f, err := tree.Open("f")
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	b.Run("writers", func(b *testing.B) {
		for b.Loop() {
			f.Writers()
		}
	})
	b.Run("stat", func(b *testing.B) {
		for b.Loop() {
			tree.Stat("f")
		}
	})
}
