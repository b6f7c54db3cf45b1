package oss

import (
	"bytes"
	"errors"
	"io"
	"os"
	"testing"
	"testing/synctest"
)

func testPacks(t *testing.T) (p *packs, woken, retired *int) {
	t.Helper()
	b, err := openBlobs(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	woken, retired = new(int), new(int)
	b.retire = func(bl *blob) { *retired++; b.reclaim(bl) }
	b.packs.wake = func() { *woken++ }
	return b.packs, woken, retired
}

// read returns the content of a segment.
func read(t *testing.T, b *blobs, sg segment) []byte {
	t.Helper()
	c := newContent(b, []segment{sg}, 0, sg.size)
	defer c.Close()
	got, err := io.ReadAll(c)
	if err != nil {
		t.Fatal(err)
	}
	return got
}

// TestPacksWait checks that no more is kept in memory than is said, and that
// bodies are the same before and after they were written.
func TestPacksWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, woken, retired := testPacks(t)
		const perPack = packSize / maxPacked
		body := func(i int) []byte { return bytes.Repeat([]byte{byte(i), byte(i >> 8)}, maxPacked/2) }
		var segs []segment
		done := make(chan error, 1)
		go func() {
			for i := range (maxUnwritten + 3) * perPack {
				sg, err := p.add(body(i))
				if err != nil {
					done <- err
					return
				}
				segs = append(segs, sg)
			}
			done <- nil
		}()
		synctest.Wait()
		if got, want := len(segs), maxUnwritten*perPack; got != want || *woken == 0 {
			t.Fatalf("%d bodies were taken, and the writer woken %d times; want %d", got, *woken, want)
		}
		check := func() {
			for i, sg := range segs {
				if !bytes.Equal(read(t, p.blobs, sg), body(i)) {
					t.Fatalf("body %d is another", i)
				}
			}
		}
		check()
		if err := p.save(); err != nil {
			t.Fatal(err)
		}
		if err := <-done; err != nil {
			t.Fatal(err)
		}
		check()
		if err := p.save(); err != nil {
			t.Fatal(err)
		}
		check()
		if *retired != 0 {
			t.Errorf("%d packs were given up that are in use", *retired)
		}
		p.blobs.release(segs)
		if *retired != maxUnwritten+2 {
			t.Errorf("%d packs were given up, want all but the current one", *retired)
		}
		current := p.blobs.path(segs[len(segs)-1].id)
		if _, err := os.Stat(current); err != nil {
			t.Error(err)
		}
		p.close()
		if _, err := os.Stat(current); err == nil {
			t.Error("the file of a pack with nothing in it outlives the server")
		}
	})
}

// TestPacksFail checks that nobody waits for a writer that has failed.
func TestPacksFail(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p, _, _ := testPacks(t)
		broken := errors.New("broken")
		done := make(chan error, 1)
		go func() {
			var err error
			for err == nil {
				_, err = p.add(make([]byte, maxPacked))
			}
			done <- err
		}()
		synctest.Wait()
		p.fail(broken)
		if err := <-done; !errors.Is(err, broken) {
			t.Errorf("error %v, want %v", err, broken)
		}
	})
}
