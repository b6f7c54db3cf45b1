package upload

import (
	"context"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// Many files of all sizes, through Run, within the budget.
func TestRun(t *testing.T) {
	const memory = 6 * testPart
	r := newRig(t, Options{})
	var jobs []*Job
	files := map[string][]byte{}
	for i := range 60 {
		size := i * 1401
		if i%12 == 0 {
			size = (i%5 + 2) * testPart
		}
		name := fmt.Sprintf("d%d/f%d", i%7, i)
		files[name] = pattern(size, uint64(i))
		r.write(name, files[name])
		jobs = append(jobs, r.job(Upload, name))
	}
	var held, most atomic.Int64
	r.store.hold = func(_ string, size int64) {
		now := held.Add(size)
		for old := most.Load(); now > old && !most.CompareAndSwap(old, now); old = most.Load() {
		}
		time.Sleep(100 * time.Microsecond)
		held.Add(-size)
	}
	q := newQueue(jobs...)
	u := New(q, Options{Workers: 16, Memory: memory, PartSize: testPart})
	if err := u.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	for _, j := range jobs {
		if err := q.results[j].Err; err != nil {
			t.Errorf("%s: %v", j.Path, err)
		}
		r.holds(j.Path, files[j.Path])
	}
	if got := most.Load(); got > memory || got < testPart {
		t.Errorf("at most %d bytes were in flight, the budget is %d", got, memory)
	}
	if !u.memory.all.TryAcquire(memory) {
		t.Error("memory was not given back")
	}
}

// When ctx ends, what runs may finish within the grace; nothing is begun.
func TestStop(t *testing.T) {
	for _, tt := range []struct {
		name    string
		takes   time.Duration // each request
		want    time.Duration // until Run returns
		arrives bool
	}{
		{"in time", 5 * time.Second, 10 * time.Second, true},
		{"too slow", time.Hour, 20 * time.Second, false},
	} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, Options{})
			var jobs []*Job
			for i := range 9 {
				name := fmt.Sprint(i)
				r.write(name, pattern(1000, uint64(i)))
				jobs = append(jobs, r.job(Upload, name))
			}
			ctx, cancel := context.WithCancel(t.Context())
			slow := slowStore{r.store, tt.takes}
			r.target.Bucket = slow
			q := newQueue(jobs...)
			q.open = true
			u := New(q, Options{Workers: 3, Grace: func() time.Duration { return 20 * time.Second }})
			done := make(chan error)
			go func() { done <- u.Run(ctx) }()
			time.Sleep(time.Millisecond)
			cancel()
			start := time.Now()
			if err := <-done; err != nil {
				t.Errorf("%s: Run = %v", tt.name, err)
			}
			if took := time.Since(start).Round(time.Second); took != tt.want {
				t.Errorf("%s: stopped after %v, want %v", tt.name, took, tt.want)
			}
			if want := 3 * workersPerRequest; len(q.results) != want {
				t.Errorf("%s: %d jobs were taken, want %d", tt.name, len(q.results), want)
			}
			for j, res := range q.results {
				if tt.arrives != (res.Err == nil) || !tt.arrives && !errors.Is(res.Err, context.Canceled) {
					t.Errorf("%s: %s: %v", tt.name, j.Path, res.Err)
				}
			}
		})
	}
}

// A slowStore takes its time for each Put, unless its context ends.
type slowStore struct {
	*store
	takes time.Duration
}

func (s slowStore) Put(ctx context.Context, key string, body []byte, h Header) (Stored, error) {
	if err := sleep(ctx, s.takes); err != nil {
		return Stored{}, fmt.Errorf("put: %w", err)
	}
	return s.store.Put(ctx, key, body, h)
}

// Large files, however many, do not keep small ones waiting.
func TestLargeDoNotStarveSmall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, Options{})
		var jobs []*Job
		big := pattern(3*testPart, 1)
		for i := range 20 {
			name := fmt.Sprintf("big%d", i)
			r.write(name, big)
			jobs = append(jobs, r.job(Upload, name))
		}
		for i := range 40 {
			name := fmt.Sprintf("small%d", i)
			r.write(name, []byte("x"))
			jobs = append(jobs, r.job(Upload, name))
		}
		start := time.Now()
		var lastSmall time.Duration
		r.store.hold = func(op string, _ int64) {
			if op == "put" {
				time.Sleep(10 * time.Millisecond)
				r.store.mu.Lock()
				lastSmall = max(lastSmall, time.Since(start))
				r.store.mu.Unlock()
			} else {
				time.Sleep(time.Second)
			}
		}
		u := New(newQueue(jobs...), Options{Workers: 32, PartSize: testPart})
		if err := u.Run(t.Context()); err != nil {
			t.Fatal(err)
		}
		if all := time.Since(start); lastSmall > 3*time.Second || all < 4*time.Second {
			t.Errorf("the last small file arrived after %v of %v", lastSmall, all)
		}
	})
}

func TestReadErrors(t *testing.T) {
	r := newRig(t, Options{})
	must(t, os.Mkdir(r.path("dir"), 0o755))
	names := []string{"dir", "link"}
	if err := symlink("dir", r.path("link")); err != nil {
		t.Logf("link: not tried: %v", err)
		names = names[:1]
	}
	for _, name := range names {
		res := r.do(Upload, name)
		if e, ok := errors.AsType[*FileError](res.Err); !ok || !errors.Is(e, ErrNotRegular) || e.Path != name {
			t.Errorf("%s: %v, want a FileError with ErrNotRegular", name, res.Err)
		}
	}
}
