package upload

import (
	"encoding/binary"
	"errors"
	"flag"
	"fmt"
	"math/rand/v2"
	"os"
	"runtime"
	"sync"
	"testing"
	"time"
)

var rounds = flag.Int("torn.rounds", 200, "how often each kind of file is read while it is being written")

// A stamp is eight bytes that say which generation of a file they are of. All
// of a file's stamps are equal but while it is being written.

// stamps returns n bytes of a generation.
func stamps(generation uint64, n int) []byte {
	p := make([]byte, n)
	for i := 0; i < n; i += 8 {
		binary.LittleEndian.PutUint64(p[i:], generation)
	}
	return p
}

// whole says what is wrong with bytes that must all be of one generation.
func whole(p []byte) error {
	for i := 8; i < len(p); i += 8 {
		if a, b := binary.LittleEndian.Uint64(p), binary.LittleEndian.Uint64(p[i:]); a != b {
			return fmt.Errorf("generation %d at 0, %d at %d", a, b, i)
		}
	}
	return nil
}

// momentary says what is wrong with bytes that must be what a file held at one
// moment while it was being overwritten from its begin: a generation, and behind
// it the one before.
func momentary(p []byte) error {
	steps := 0
	for i := 8; i < len(p); i += 8 {
		a, b := binary.LittleEndian.Uint64(p[i-8:]), binary.LittleEndian.Uint64(p[i:])
		if a != b {
			if steps++; steps > 1 || b != a-1 {
				return fmt.Errorf("generation %d, then %d at %d", a, b, i)
			}
		}
	}
	return nil
}

// writers are ways in which programs change files.
var writers = map[string]func(name, aside string, generation uint64, size int) error{
	"overwrite": func(name, _ string, generation uint64, size int) error {
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		return inPieces(f, stamps(generation, size))
	},
	"truncate": func(name, _ string, generation uint64, size int) error {
		f, err := os.Create(name)
		if err != nil {
			return err
		}
		defer f.Close()
		return inPieces(f, stamps(generation, size/2+int(generation%2)*size/2&^7))
	},
	"replace": func(name, aside string, generation uint64, size int) error {
		if err := os.WriteFile(aside, stamps(generation, size), 0o644); err != nil {
			return err
		}
		return os.Rename(aside, name)
	},
	"grow and shrink": func(name, _ string, generation uint64, size int) error {
		if generation%64 == 0 {
			return os.Truncate(name, int64(size/2&^7))
		}
		f, err := os.OpenFile(name, os.O_WRONLY|os.O_APPEND|os.O_CREATE, 0o644)
		if err != nil {
			return err
		}
		defer f.Close()
		return inPieces(f, stamps(7, size/64&^7))
	},
}

// inPieces writes p by several calls.
func inPieces(f *os.File, p []byte) error {
	for len(p) > 0 {
		n := min(len(p), (rand.IntN(len(p))+8)&^7)
		if _, err := f.Write(p[:n]); err != nil {
			return err
		}
		p = p[n:]
		if rand.IntN(4) == 0 {
			runtime.Gosched()
		}
	}
	return nil
}

// A file that is changed all the time never becomes an object that mixes two
// of its states, however it is changed and read.
func TestTorn(t *testing.T) {
	modes := []struct {
		name  string
		live  bool // the job takes a file that is being written
		blind bool // the file system knows no leases
	}{{"leases", false, false}, {"no leases", false, true}, {"live", true, false}}
	sizes := []struct {
		name   string
		size   int
		rounds int
	}{{"small", 24 << 10, *rounds}, {"large", testPart*2 + 4096, *rounds / 10}}
	for how, write := range writers {
		for _, m := range modes {
			for _, s := range sizes {
				t.Run(how+"/"+m.name+"/"+s.name, func(t *testing.T) {
					check := whole
					if m.live || m.blind || timesLag {
						check = momentary
					}
					n := s.rounds
					if how == "replace" {
						n /= 5 // some file systems flush a file that replaces another
					}
					torn(t, func(r *rig) { r.target.Tree.blind(m.blind) }, func(name, aside string, g uint64) error {
						return write(name, aside, g, s.size)
					}, m.live, n, check)
				})
			}
		}
	}
}

func torn(t *testing.T, prepare func(*rig), write func(name, aside string, g uint64) error, live bool, rounds int, check func([]byte) error) {
	r := newRig(t, Options{Settle: time.Hour})
	prepare(r)
	objects := 0
	r.store.stored = func(_ string, data []byte) {
		objects++
		if err := check(data); err != nil {
			t.Errorf("object of %d bytes mixes states: %v", len(data), err)
		}
	}
	aside := r.t.TempDir() + "/aside"
	must(t, write(r.path("f"), aside, 1))
	var wg sync.WaitGroup
	stop := make(chan struct{})
	wg.Go(func() {
		for g := uint64(2); ; g++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := write(r.path("f"), aside, g); isOpen(err) {
				g-- // once more, for here an open file is not replaced
			} else if err != nil {
				t.Error(err)
				return
			}
			time.Sleep(time.Duration(rand.IntN(300)) * time.Microsecond)
		}
	})
	for range rounds {
		j := r.job(Upload, "f")
		j.Live = live
		j.Known = nil
		if err := r.u.do(t.Context(), j).Err; err != nil &&
			!errors.Is(err, ErrBusy) && !errors.Is(err, ErrChanged) && !errors.Is(err, ErrVanished) {
			t.Error(err)
			break
		}
	}
	close(stop)
	wg.Wait()
	// Left alone, it arrives as it is.
	j := r.job(Upload, "f")
	if res := r.u.do(t.Context(), j); res.Err != nil {
		t.Fatal(res.Err)
	}
	data, err := os.ReadFile(r.path("f"))
	if err != nil {
		t.Fatal(err)
	}
	r.holds("f", data)
	t.Logf("%d objects of %d rounds", objects, rounds)
}

// A second reading that differs anywhere, or that comes to its end too early,
// disproves the first.
func TestCompare(t *testing.T) {
	r := newRig(t, Options{})
	const size = 70_000
	for _, at := range []int64{-1, 0, 32 << 10, size - 1} {
		data := pattern(size, 1)
		r.write("f", data)
		rd, err := r.u.begin(r.job(Upload, "f"))
		must(t, err)
		if at >= 0 {
			f, err := os.OpenFile(r.path("f"), os.O_WRONLY, 0)
			must(t, err)
			f.WriteAt([]byte{data[at] + 1}, at)
			f.Close()
		}
		if err := rd.compare(data, 0); errors.Is(err, ErrChanged) != (at >= 0) {
			t.Errorf("byte %d changed: %v", at, err)
		}
		must(t, os.Truncate(r.path("f"), size-1))
		if err := rd.compare(data, 0); !errors.Is(err, ErrChanged) {
			t.Errorf("file has become shorter: %v", err)
		}
		rd.Close()
	}
}

// Where writers cannot be seen, what is young is read twice.
func TestReadTwice(t *testing.T) {
	for _, tt := range []struct {
		blind, live bool
		settle      time.Duration
		want        bool
	}{
		{false, false, time.Hour, false},
		{true, false, time.Nanosecond, false},
		{true, false, time.Hour, true},
		{false, true, time.Hour, true},
	} {
		r := newRig(t, Options{Settle: tt.settle})
		r.target.Tree.blind(tt.blind)
		r.write("f", []byte("x"))
		j := r.job(Upload, "f")
		j.Live = tt.live
		rd, err := r.u.begin(j)
		must(t, err)
		if rd.twice != (tt.want || timesLag) {
			t.Errorf("%+v: read twice: %t", tt, rd.twice)
		}
		rd.Close()
	}
}

// The double-read proof of a log: what is sent is a prefix of it.
func TestLiveLog(t *testing.T) {
	for _, start := range []int{4 << 10, 3*testPart + 100} {
		r := newRig(t, Options{})
		data := pattern(start+1<<20, 1)
		r.write("log", data[:start])
		r.store.stored = func(_ string, got []byte) {
			if len(got) < start || string(got) != string(data[:len(got)]) {
				t.Errorf("object of %d bytes is no prefix of the log", len(got))
			}
		}
		f, err := os.OpenFile(r.path("log"), os.O_WRONLY|os.O_APPEND, 0)
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if res := r.do(Upload, "log"); timesLag && res.Err == nil {
			t.Log("a writer is not seen on this system; what it has written is a snapshot")
		} else if !errors.Is(res.Err, ErrBusy) {
			t.Errorf("file with a writer: %v, want ErrBusy", res.Err)
		}
		for end := start; end < start+200; end++ {
			if _, err := f.Write(data[end : end+1]); err != nil {
				t.Fatal(err)
			}
			j := r.job(Upload, "log")
			j.Live = true
			if end%20 == 0 {
				if res := r.u.do(t.Context(), j); res.Err != nil || !res.Entry.Racy {
					t.Fatalf("live job: %+v", res)
				}
			}
		}
	}
}
