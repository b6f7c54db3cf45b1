package upload

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"testing"

	"github.com/osssync/osssync/internal/state"
)

// interrupt makes the store fail for ever from the n-th part on, as a crash of
// this process would look to the next one.
func (r *rig) interrupt(n int) {
	parts := 0
	r.store.fault = func(op string, done bool) error {
		r.store.mu.Lock()
		defer r.store.mu.Unlock()
		if op == "part" && !done {
			if parts++; parts > n {
				return context.Canceled
			}
		}
		return nil
	}
}

// restart forgets all that is in memory.
func (r *rig) restart() {
	r.store.fault = nil
	r.u = New(newQueue(), Options{PartSize: testPart, Workers: 4})
	clear(r.store.calls)
}

func TestResume(t *testing.T) {
	const parts = 6
	data := pattern(parts*testPart-500, 1)
	for _, sent := range []int{0, 4, parts} {
		r := newRig(t, Options{})
		r.write("f", data)
		r.interrupt(sent)
		if sent == parts {
			r.store.fault = func(op string, _ bool) error {
				if op == "complete" {
					return context.Canceled
				}
				return nil
			}
		}
		if res := r.do(Upload, "f"); !errors.Is(res.Err, context.Canceled) {
			t.Fatalf("interrupted: %v", res.Err)
		}
		r.restart()
		res := r.mustDo(Upload, "f")
		r.holds("f", data)
		if got := r.store.count("part"); got != parts-sent {
			t.Errorf("after %d parts: %d more were sent, want %d", sent, got, parts-sent)
		}
		if most := int64((parts - sent) * testPart); res.Bytes > most {
			t.Errorf("after %d parts: %d bytes, want at most %d", sent, res.Bytes, most)
		}
		if r.store.count("create") != 0 || r.store.count("parts") != 1 {
			t.Errorf("after %d parts: calls %v", sent, r.store.calls)
		}
	}
}

// Parts are believed only when both sides and the file agree.
func TestResumeDoubt(t *testing.T) {
	const parts = 5
	data := pattern(parts*testPart, 2)
	tests := []struct {
		name string
		do   func(s *store, u *state.Upload)
		sent int // parts that must be sent again
	}{
		{"nothing", func(*store, *state.Upload) {}, 0},
		{"part lost by the server", func(s *store, u *state.Upload) { delete(s.pending[u.ID].parts, 2) }, 1},
		{"part unknown to the index", func(_ *store, u *state.Upload) { u.Parts = u.Parts[1:] }, 0},
		{"other bytes on the server", func(s *store, u *state.Upload) { s.pending[u.ID].parts[3] = pattern(testPart, 3) }, 1},
		{"part of another size", func(s *store, u *state.Upload) { s.pending[u.ID].parts[3] = data[:testPart-8] }, 1},
		{"part beyond the end", func(s *store, u *state.Upload) { s.pending[u.ID].parts[parts+1] = data[:testPart] }, 0},
		{"wrong CRC in the index", func(_ *store, u *state.Upload) { u.Parts[0].CRC64++ }, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.write("f", data)
			r.store.fault = func(op string, _ bool) error {
				if op == "complete" {
					return context.Canceled
				}
				return nil
			}
			r.do(Upload, "f")
			r.restart()
			tt.do(r.store, r.store.plans["f"])
			r.mustDo(Upload, "f")
			r.holds("f", data)
			if got := r.store.count("part"); got != tt.sent {
				t.Errorf("%d parts sent, want %d", got, tt.sent)
			}
		})
	}
}

// A file that changed starts over, and what the server had of it is aborted.
func TestResumeChanged(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(5*testPart, 4))
	r.interrupt(3)
	r.do(Upload, "f")
	r.restart()
	old := r.store.plans["f"].ID
	data := pattern(5*testPart, 5)
	r.write("f", data)
	r.mustDo(Upload, "f")
	r.holds("f", data)
	if r.store.count("abort") != 1 || r.store.count("part") != 5 {
		t.Errorf("calls %v", r.store.calls)
	}
	if _, ok := r.store.pending[old]; ok {
		t.Error("the old upload is still there")
	}
}

// The upload was completed, but nobody was told before the crash.
func TestResumeCompleted(t *testing.T) {
	data := pattern(4*testPart, 6)
	r := newRig(t, Options{})
	r.write("f", data)
	r.store.fault = func(op string, done bool) error {
		if op == "complete" && done || op == "head" {
			return context.Canceled
		}
		return nil
	}
	r.do(Upload, "f")
	r.restart()
	res := r.mustDo(Upload, "f")
	r.holds("f", data)
	if res.Bytes != 0 || r.store.count("part", "create") != 0 {
		t.Errorf("sent again: %+v, calls %v", res, r.store.calls)
	}
}

// While the file changes under a running upload, nothing is completed, and the
// upload is aborted.
func TestChangeDuringUpload(t *testing.T) {
	for _, how := range []string{"append", "overwrite", "replace", "replace directory", "shrink"} {
		r := newRig(t, Options{})
		r.write("d/f", pattern(5*testPart, 7))
		changed := false
		var impossible error
		r.store.hold = func(string, int64) {
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			if changed {
				return
			}
			changed = true
			switch how {
			case "append":
				f, err := os.OpenFile(r.path("d/f"), os.O_APPEND|os.O_WRONLY, 0)
				must(t, err)
				f.Write([]byte("x"))
				f.Close()
			case "overwrite":
				f, err := os.OpenFile(r.path("d/f"), os.O_WRONLY, 0)
				must(t, err)
				f.WriteAt([]byte("x"), 4*testPart)
				f.Close()
			case "replace":
				must(t, os.WriteFile(r.path("d/g"), pattern(5*testPart, 8), 0o644))
				impossible = os.Rename(r.path("d/g"), r.path("d/f"))
			case "replace directory":
				if impossible = os.Rename(r.path("d"), r.path("e")); impossible == nil {
					r.write("d/f", pattern(5*testPart, 8))
				}
			case "shrink":
				must(t, os.Truncate(r.path("d/f"), 4*testPart))
			}
		}
		res := r.do(Upload, "d/f")
		if isOpen(impossible) {
			t.Logf("%s: not tried, for this system refuses it: %v", how, impossible)
			continue
		}
		must(t, impossible)
		if !errors.Is(res.Err, ErrChanged) {
			t.Errorf("%s: %v, want ErrChanged", how, res.Err)
		}
		if len(r.store.objects)+len(r.store.pending)+len(r.store.plans)+len(r.store.entries) > 0 {
			t.Errorf("%s: left over: %d objects, %v, %v", how, len(r.store.objects), r.store.pending, r.store.plans)
		}
		data, err := os.ReadFile(r.path("d/f"))
		must(t, err)
		r.mustDo(Upload, "d/f")
		r.holds("d/f", data)
	}
}

// Killed at random moments, again and again, an upload ends, and each time it
// lost no more than what was on its way.
func TestKilledOften(t *testing.T) {
	const parts, workers = 16, 4
	data := pattern(parts*testPart-1, 9)
	r := newRig(t, Options{})
	r.write("f", data)
	kills, sent := 0, int64(0)
	for {
		ctx, kill := context.WithCancel(t.Context())
		left := 1 + rand.IntN(12)
		r.u = New(newQueue(), Options{PartSize: testPart, Workers: workers})
		r.store.fault = func(op string, _ bool) error {
			r.store.mu.Lock()
			defer r.store.mu.Unlock()
			if op == "create" || op == "begin" {
				return nil // killed between the two, an upload is left that nobody knows of
			}
			if left--; left < 0 {
				kill()
				return context.Canceled
			}
			return nil
		}
		res := r.u.do(ctx, r.job(Upload, "f"))
		kill()
		sent += res.Bytes
		if res.Err == nil {
			break
		}
		if kills++; kills > 500 {
			t.Fatal("never ends")
		}
	}
	r.holds("f", data)
	if most := int64(len(data)) + int64(kills)*workers*testPart; sent > most {
		t.Errorf("%d bytes sent in spite of %d kills, want at most %d", sent, kills, most)
	}
	t.Logf("%d kills, %d bytes sent twice", kills, sent-int64(len(data)))
}

// The object of a large file gets the properties that are configured when it is
// completed, not those of when its upload began.
func TestResumeOtherProperties(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(3*testPart, 1))
	r.store.fault = func(op string, done bool) error {
		if op == "complete" && !done {
			return &RequestError{Op: op, Class: Transient, Status: 503}
		}
		return nil
	}
	if r.do(Upload, "f").Err == nil {
		t.Fatal("want a failure")
	}
	r.store.fault = nil
	r.target.Object.StorageClass = "IA"
	r.mustDo(Upload, "f")
	if got := r.store.objects["k/f"].h.StorageClass; got != "IA" {
		t.Errorf("storage class %q, want IA", got)
	}
}
