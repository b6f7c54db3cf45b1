package watch

import (
	"context"
	"testing"
	"testing/synctest"
)

func TestMarks(t *testing.T) {
	const (
		created = mark(Changed) | markLook
		moved   = mark(Moved) | markLook
		removed = mark(Removed) | markGone
		written = mark(Changed) | markFile
		closed  = mark(Closed) | markFile
		attrib  = mark(Changed)
	)
	for _, tt := range []struct {
		name  string
		marks []mark
		want  mark
	}{
		{"written file", []mark{created, written, closed}, closed},
		{"written on", []mark{closed, written}, written},
		{"new directory, then its mode", []mark{created, attrib}, attrib | markLook},
		{"file replaced by a directory", []mark{removed, created}, created | markGone},
		{"renamed over", []mark{closed, moved}, moved},
		{"created and removed", []mark{created, removed}, removed | markLook},
	} {
		got := tt.marks[0]
		for _, m := range tt.marks[1:] {
			got = got.then(m)
		}
		if got != tt.want {
			t.Errorf("%s: %#x, want %#x", tt.name, got, tt.want)
		}
	}
}

func TestFence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := newPending(func() {})
		fenced := func() chan error {
			c := make(chan error, 1)
			go func() { c <- p.fence(t.Context()) }()
			synctest.Wait()
			return c
		}
		ended := func(c chan error) bool {
			synctest.Wait()
			return len(c) == 1
		}
		if !ended(fenced()) {
			t.Fatal("a fence around nothing does not end")
		}
		p.file("d", "f", mark(Changed))
		first := fenced()
		p.file("d", "g", mark(Changed)) // later, but goes with the first
		p.file("e", "f", mark(Changed)) // later, and need not be waited for
		b, err := p.takeFiles(t.Context())
		if err != nil || b.dir != "d" || len(b.names) != 2 {
			t.Fatalf("takeFiles = %+v, %v", b, err)
		}
		if ended(first) {
			t.Error("the fence ended while the work was in hand")
		}
		p.again("d/sub", true, b.era)
		p.done(b.era)
		if ended(first) {
			t.Error("the fence ended before what followed from the work was done")
		}
		p.hold()
		second := fenced()
		d, err := p.takeDir(t.Context())
		if err != nil || d.dir != "d/sub" || !d.deep {
			t.Fatalf("takeDir = %+v, %v", d, err)
		}
		p.done(d.era)
		if !ended(first) {
			t.Error("the fence did not end")
		}
		b, _ = p.takeFiles(t.Context())
		p.done(b.era)
		if ended(second) {
			t.Error("the fence ended before the scan it waits for")
		}
		held := p.takeHeld()
		p.putHeld(held)
		p.done(p.takeHeld()...)
		if !ended(second) {
			t.Error("the fence did not end after the scan")
		}
		if n := len(p.open); n != 0 {
			t.Errorf("%d eras are left open", n)
		}
	})
}

func TestFenceGivesUp(t *testing.T) {
	p := newPending(func() {})
	p.hold()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.fence(ctx); err != context.Canceled {
		t.Errorf("fence = %v", err)
	}
}

func TestCollapseKeepsEras(t *testing.T) {
	scans := 0
	p := newPending(func() { scans++ })
	p.maxFiles, p.maxDirs = 100, 3
	for d := range 10 {
		for f := range 30 {
			p.file(string(rune('a'+d)), string(rune('a'+f)), mark(Closed))
		}
	}
	if n, collapses := p.count(); n > 103 || collapses == 0 {
		t.Errorf("%d pending after %d collapses", n, collapses)
	}
	if scans == 0 {
		t.Error("no scan was asked for")
	}
	work := len(p.fifo) + len(p.dirFIFO) + len(p.held)
	if open := p.open[0]; open != work {
		t.Errorf("%d pieces of work are open, %d are there", open, work)
	}
	for len(p.fifo) > 0 {
		b, _ := p.takeFiles(t.Context())
		p.done(b.era)
	}
	for len(p.dirFIFO) > 0 {
		d, _ := p.takeDir(t.Context())
		p.done(d.era)
	}
	p.done(p.takeHeld()...)
	if n, _ := p.count(); n != 0 || len(p.open) != 0 {
		t.Errorf("%d pending and %v open at the end", n, p.open)
	}
}
