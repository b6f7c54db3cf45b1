package agent

import (
	"bytes"
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/osssync/osssync/internal/config"
	"github.com/osssync/osssync/internal/upload"
)

// A shelf is a bucket of one lease.
type shelf struct {
	mu        sync.Mutex
	body      []byte // nil: there is none
	modified  time.Time
	gets      int
	puts      int
	getErr    error
	putErr    error
	versioned bool // ignores the condition of PutNew
}

func (s *shelf) Get(context.Context, string) (io.ReadCloser, upload.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.gets++
	switch {
	case s.getErr != nil:
		return nil, upload.Stored{}, s.getErr
	case s.body == nil:
		return nil, upload.Stored{}, &upload.RequestError{Op: "get", Class: upload.Missing, Status: http.StatusNotFound}
	}
	return io.NopCloser(bytes.NewReader(s.body)), upload.Stored{Modified: s.modified}, nil
}

func (s *shelf) Put(_ context.Context, _ string, body []byte, _ upload.Header) (upload.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.put(body)
}

func (s *shelf) PutNew(_ context.Context, _ string, body []byte, _ upload.Header) (upload.Stored, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.body != nil && !s.versioned && s.putErr == nil {
		s.puts++
		return upload.Stored{}, &upload.RequestError{Op: "put", Class: upload.Conflict, Status: http.StatusConflict}
	}
	return s.put(body)
}

func (s *shelf) put(body []byte) (upload.Stored, error) {
	s.puts++
	if s.putErr == nil {
		s.body, s.modified = bytes.Clone(body), time.Now()
	}
	return upload.Stored{}, s.putErr
}

func (s *shelf) set(change func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change()
}

func (s *shelf) holder(t *testing.T) string {
	t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	l, err := parseLease(s.body)
	if err != nil {
		t.Fatal(err)
	}
	return l.InstanceID
}

// requests returns how many there were since it was asked last.
func (s *shelf) requests() (gets, puts int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	gets, puts = s.gets, s.puts
	s.gets, s.puts = 0, 0
	return gets, puts
}

var errDenied = &upload.RequestError{Op: "get", Class: upload.ThisJob, Status: http.StatusForbidden, Code: "AccessDenied"}

// newTestGuard returns a guard as `run` has one, over a state directory.
func newTestGuard(s *shelf, instance, dir string) *guard {
	a := New(Options{
		Config: &config.Config{Agent: config.Agent{StateDir: dir}},
		Guards: &Guards{
			Instance: func(context.Context) (string, error) { return instance, nil },
			Store:    func(context.Context, string) (LeaseStore, error) { return s, nil },
			Now:      time.Now,
		},
	})
	g := a.newGuard(&config.Job{Name: "docs", Bucket: "b", Prefix: "p/", Deletes: "mirror"}, "p/")
	g.keeps.Store(true)
	return g
}

func wantHeld(t *testing.T, g *guard, words string) {
	t.Helper()
	if why := g.forbids(t.Context()); words == "" && why != "" || !strings.Contains(why, words) {
		t.Errorf("deletions are held because of %q, want %q", why, words)
	}
}

func TestGuardOfOneInstance(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		g := newTestGuard(s, "i-1", dir)
		wantHeld(t, g, "")
		wantHeld(t, g, "") // within a minute nothing is asked
		if gets, puts := s.requests(); gets != 2 || puts != 1 {
			t.Errorf("%d gets and %d puts to take the lease", gets, puts)
		}
		time.Sleep(2 * leaseFresh)
		wantHeld(t, g, "")
		if gets, puts := s.requests(); gets != 1 || puts != 0 {
			t.Errorf("%d gets and %d puts to look at it again", gets, puts)
		}
		wantHeld(t, newTestGuard(s, "i-1", dir), "") // restarted
		if gets, puts := s.requests(); gets != 1 || puts != 0 {
			t.Errorf("%d gets and %d puts after a restart", gets, puts)
		}
		wantHeld(t, newTestGuard(s, "i-1", t.TempDir()), "") // the disk was lost
		wantHeld(t, newTestGuard(s, "i-1", t.TempDir()), "")
	})
}

func TestGuardOfAClone(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		dir := t.TempDir()
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{versioned: versioned}
			one := newTestGuard(s, "i-1", dir)
			wantHeld(t, one, "")
			clone := newTestGuard(s, "i-2", dir)
			wantHeld(t, clone, "instance i-1 (")
			wantHeld(t, clone, "whose disk is a copy")
			if clone.troubles() == nil || one.troubles() != nil {
				t.Error("the wrong one is warned")
			}
			wantHeld(t, one, "")

			time.Sleep(leaseLife) // the first is gone
			freed := false
			clone.changed = func() { freed = true }
			wantHeld(t, clone, "")
			if !freed || clone.troubles() != nil || s.holder(t) != "i-2" {
				t.Errorf("freed %t, rival %v, the lease is of %s", freed, clone.troubles(), s.holder(t))
			}
			time.Sleep(2 * leaseFresh) // and comes back
			wantHeld(t, one, "instance i-2")
		})
	}
}

// TestGuardsBeginAtOnce lets many instances begin at the same moment: one of
// them may delete.
func TestGuardsBeginAtOnce(t *testing.T) {
	for _, versioned := range []bool{false, true} {
		dirs := make([]string, 20)
		for i := range dirs {
			dirs[i] = t.TempDir()
		}
		synctest.Test(t, func(t *testing.T) {
			s := &shelf{versioned: versioned}
			var mu sync.Mutex
			var wg sync.WaitGroup
			free := 0
			for i, dir := range dirs {
				g := newTestGuard(s, "i-"+string(rune('a'+i)), dir)
				wg.Go(func() {
					if g.forbids(t.Context()) == "" {
						mu.Lock()
						defer mu.Unlock()
						free++
					}
				})
			}
			wg.Wait()
			if free != 1 {
				t.Errorf("%d of them may delete", free)
			}
		})
	}
}

func TestGuardRenews(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		g := newTestGuard(s, "i-1", dir)
		done := make(chan struct{})
		ctx, cancel := context.WithCancel(t.Context())
		go func() {
			defer close(done)
			if err := g.beside(ctx, func(ctx context.Context) error { <-ctx.Done(); return ctx.Err() }); !errors.Is(err, context.Canceled) {
				t.Errorf("beside = %v", err)
			}
		}()
		time.Sleep(leaseRenewal / 2)
		if gets, puts := s.requests(); gets+puts != 0 {
			t.Errorf("%d gets and %d puts of a job that changed nothing", gets, puts)
		}
		g.touch()
		time.Sleep(leasePause + time.Second)
		if s.holder(t) != "i-1" {
			t.Error("a job that changed something has no lease")
		}
		s.requests()
		time.Sleep(24 * time.Hour)
		if gets, puts := s.requests(); gets < 20 || gets > 30 || puts < 10 || puts > 30 {
			t.Errorf("%d gets and %d puts a day", gets, puts)
		}
		s.mu.Lock()
		if age := time.Since(s.modified); age > 2*leaseRenewal+leaseRenewal/2 {
			t.Errorf("the lease is %v old", age)
		}
		s.mu.Unlock()
		cancel()
		<-done
	})
}

func TestGuardWithoutPermission(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{getErr: errDenied}
		var log bytes.Buffer
		g := newTestGuard(s, "i-1", dir)
		wantHeld(t, g, "") // it could be stored, so there was none
		wantHeld(t, newTestGuard(s, "i-1", dir), "")
		clone := newTestGuard(s, "i-2", dir)
		clone.log = slog.New(slog.NewTextHandler(&log, nil))
		for range 3 {
			wantHeld(t, clone, "oss:GetObject")
		}
		if n := strings.Count(log.String(), "\n"); n != 1 {
			t.Errorf("%d lines in the log:\n%s", n, &log)
		}
		s.set(func() { s.getErr = nil })
		wantHeld(t, clone, "whose disk is a copy")

		s.set(func() { s.getErr, s.putErr, s.body = errDenied, errDenied, nil })
		wantHeld(t, newTestGuard(s, "i-3", t.TempDir()), "AccessDenied")
	})
}

func TestGuardOutage(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{getErr: &upload.RequestError{Op: "get", Class: upload.Transient, Status: 503}}
		g := newTestGuard(s, "i-1", dir)
		wantHeld(t, g, "503")
		if gets, _ := s.requests(); gets < 2 {
			t.Errorf("asked %d times", gets)
		}
		var freed atomic.Bool
		g.changed = func() { freed.Store(true) }
		s.set(func() { s.getErr = nil })
		go g.run(t.Context())
		g.touch()
		time.Sleep(leasePause + time.Second)
		if !freed.Load() {
			t.Error("nobody heard that deletions may go on")
		}
	})
}

// TestGuardOfSync looks and writes nothing.
func TestGuardOfSync(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{}
		look := newTestGuard(s, "i-2", t.TempDir())
		look.keeps.Store(false)
		wantHeld(t, look, "")
		wantHeld(t, newTestGuard(s, "i-1", dir), "")
		s.requests()
		wantHeld(t, look, "") // that was looked at within the minute
		time.Sleep(2 * leaseFresh)
		for range 100 {
			wantHeld(t, look, "instance i-1")
		}
		if gets, _ := s.requests(); gets != 1 {
			t.Errorf("%d gets", gets)
		}
		same := newTestGuard(s, "i-1", dir)
		same.keeps.Store(false)
		time.Sleep(2 * leaseRenewal)
		wantHeld(t, same, "")
		if _, puts := s.requests(); puts != 0 {
			t.Errorf("%d puts", puts)
		}
	})
}

func TestGuardLeavesAFileOfTheUser(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		s := &shelf{body: []byte("mine"), modified: time.Now().Add(-time.Hour * 100)}
		wantHeld(t, newTestGuard(s, "i-1", dir), "is no lease: delete it")
		if string(s.body) != "mine" {
			t.Errorf("it is now %q", s.body)
		}
	})
}

func TestNoGuard(t *testing.T) {
	a := New(Options{Config: &config.Config{}, Guards: &Guards{}})
	if g := a.newGuard(&config.Job{Prefix: "logs/{instance_id}/"}, "logs/i-1/"); g != nil {
		t.Error("a prefix of this instance alone is guarded")
	}
	var none *guard
	none.touch()
	if none.troubles() != nil || none.beside(t.Context(), func(context.Context) error { return io.EOF }) != io.EOF {
		t.Error("a nil guard does something")
	}
}

func TestInstallation(t *testing.T) {
	dir := t.TempDir()
	one := &installation{dir: dir}
	id, err := one.id()
	if err != nil || len(id) < 20 {
		t.Fatalf("id = %q, %v", id, err)
	}
	if err := one.remember("b/p", "i-1"); err != nil {
		t.Fatal(err)
	}
	again := &installation{dir: dir}
	if got, err := again.id(); got != id || err != nil {
		t.Errorf("id = %q, %v after a restart, was %q", got, err, id)
	}
	if got, err := again.wrote("b/p"); got != "i-1" || err != nil {
		t.Errorf("wrote = %q, %v", got, err)
	}
	other := &installation{dir: t.TempDir()}
	if got, err := other.id(); got == id || err != nil {
		t.Errorf("id = %q, %v in another directory", got, err)
	}
	if _, err := (&installation{dir: dir + "/none"}).id(); err == nil {
		t.Error("an id without a place to keep it")
	}
}
