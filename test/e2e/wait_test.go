package e2e

import (
	"bufio"
	"errors"
	"flag"
	"fmt"
	"hash/crc64"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/agent"
	"github.com/osssync/osssync/test/sandbox/box"
)

var (
	waitWrites = flag.Int("wait.writes", 1600, "writes of the test that waits while files are written")
	waitCalls  = flag.Int("wait.callers", 6, "how many wait at once in that test, again and again")
	waitSeed   = flag.Uint64("wait.seed", 1, "seed of that test")
)

const writers = 8 // processes

// A ledger knows every state that each file had. A state is entered before it
// is written, and counts when the writer is done with it.
type ledger struct {
	mu     sync.Mutex
	states map[string][]uint64 // CRC-64 of each state, by key
	done   map[string]int      // how many of them are written
}

// begin enters the next state of a file and returns its content.
func (l *ledger) begin(key string) string {
	l.mu.Lock()
	defer l.mu.Unlock()
	text := fmt.Sprint(key, " state ", len(l.states[key]))
	l.states[key] = append(l.states[key], crc64.Checksum([]byte(text), crcTable))
	return text
}

func (l *ledger) end(key string) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done[key] = len(l.states[key])
}

// written returns how many states each file has had.
func (l *ledger) written() map[string]int {
	l.mu.Lock()
	defer l.mu.Unlock()
	all := make(map[string]int, len(l.done))
	for key, n := range l.done {
		all[key] = n
	}
	return all
}

// check wants, of each file, an object of the last state that it had at the
// time, or of a later one.
func (l *ledger) check(t *testing.T, had map[string]int, have map[string]box.Object) {
	t.Helper()
	l.mu.Lock()
	defer l.mu.Unlock()
	for key, n := range had {
		o, ok := have[key]
		switch {
		case !ok:
			t.Errorf("wait returned, but %s is not in the bucket", key)
		case o.Size == 0 && n < len(l.states[key]):
			// It is being written anew and was empty for a moment.
		case !contains(l.states[key][n-1:], o.CRC64):
			t.Errorf("wait returned, but the object of %s is none of its states since the %dth", key, n)
		}
	}
}

func contains(all []uint64, one uint64) bool {
	for _, x := range all {
		if x == one {
			return true
		}
	}
	return false
}

// TestWaitUnderLoad has eight processes write files, in place, by rename and in
// new directories, and calls wait meanwhile, at random times: no change that
// was made before a call may be missing in the bucket when it returns. Nor may
// it where the tree is polled, or where the job starts anew again and again.
func TestWaitUnderLoad(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name    string
		job     box.Job
		writes  int
		reloads bool
	}{
		{"watched", nil, *waitWrites, false},
		{"polled", box.Job{"watch": "poll"}, *waitWrites / 4, false},
		{"reloaded", nil, *waitWrites / 2, true},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t)
			job := f.job("docs", box.Job{"prefix": "", "settle": "20ms", "filter": []string{"- *.new"}})
			for k, v := range tt.job {
				job[k] = v
			}
			f.configure(nil, job)
			c := start(t, f.file).control(f.box)
			var reload func()
			if tt.reloads {
				reload = func() {
					job["settle"] = map[string]string{"20ms": "30ms", "30ms": "20ms"}[job["settle"].(string)]
					f.configure(nil, job)
					if got, err := c.Reload(within(t)); err != nil || len(got.Restarted) != 1 {
						t.Errorf("reload: %+v, %v", got, err)
					}
				}
			}
			waitUnderLoad(t, f.box, c, f.source("docs"), tt.writes, reload)
		})
	}
}

func waitUnderLoad(t *testing.T, b *box.Box, c *agent.Client, source string, writes int, disturb func()) {
	l := &ledger{states: map[string][]uint64{}, done: map[string]int{}}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			if err := l.write(source, w, writes/writers); err != nil {
				t.Error(err)
			}
		})
	}
	stop := make(chan struct{})
	var others sync.WaitGroup
	var waits atomic.Int64
	for i := range *waitCalls {
		others.Go(func() {
			atRandom(stop, uint64(100+i), func() { waitAndCheck(t, b, c, l); waits.Add(1) })
		})
	}
	if disturb != nil {
		others.Go(func() { atRandom(stop, 200, disturb) })
	}
	wg.Wait()
	close(stop)
	others.Wait()
	waitAndCheck(t, b, c, l)
	if diff := differs(t, b, source); diff != "" {
		t.Errorf("after the last wait %s", diff)
	}
	t.Logf("%d waits during %d writes", waits.Load(), writes)
}

// atRandom calls f again and again, with pauses, until stop is closed.
func atRandom(stop <-chan struct{}, seed uint64, f func()) {
	rng := rand.New(rand.NewPCG(*waitSeed, seed))
	for {
		select {
		case <-stop:
			return
		case <-time.After(time.Duration(rng.IntN(100)) * time.Millisecond):
		}
		f()
	}
}

func waitAndCheck(t *testing.T, b *box.Box, c *agent.Client, l *ledger) {
	had := l.written()
	r, err := c.Wait(within(t), nil)
	if err != nil || !r.Jobs[0].Done || r.Jobs[0].FailedFiles > 0 {
		t.Errorf("wait: %+v, %v", r, err)
		return
	}
	have, err := b.Objects()
	if err != nil {
		t.Error(err)
		return
	}
	l.check(t, had, have)
}

// write has a process make n changes to files that are its alone. What it is to
// write next it asks for, so that every state is in the ledger before it is on
// the disk.
func (l *ledger) write(dir string, writer, n int) error {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), fmt.Sprintf("%s=%d %d %d %s", writerEnv, writer, n, *waitSeed, dir))
	cmd.Stderr = os.Stderr
	answers, err := cmd.StdinPipe()
	if err != nil {
		return err
	}
	says, err := cmd.StdoutPipe()
	if err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return err
	}
	for s := bufio.NewScanner(says); s.Scan(); {
		switch verb, key, _ := strings.Cut(s.Text(), " "); verb {
		case "begin":
			if _, err := fmt.Fprintln(answers, l.begin(key)); err != nil {
				return errors.Join(err, cmd.Wait())
			}
		case "end":
			l.end(key)
		}
	}
	return cmd.Wait()
}

// writerEnv makes the test binary a writer: "writer changes seed directory".
const writerEnv = "OSSSYNC_E2E_WRITER"

// writeAsTold is what such a process does.
func writeAsTold(arg string) error {
	var writer, n int
	var seed uint64
	var dir string
	if _, err := fmt.Sscanf(arg, "%d %d %d %s", &writer, &n, &seed, &dir); err != nil {
		return err
	}
	rng := rand.New(rand.NewPCG(seed, uint64(writer)))
	answers := bufio.NewReader(os.Stdin)
	for i := range n {
		key := fmt.Sprintf("w%d/d%d/f%d", writer, i/40, rng.IntN(i+1))
		path := filepath.Join(dir, filepath.FromSlash(key))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		fmt.Println("begin", key)
		text, err := answers.ReadString('\n')
		if err != nil {
			return err
		}
		if err := put(path, strings.TrimSuffix(text, "\n"), rng.IntN(2) == 0); err != nil {
			return err
		}
		fmt.Println("end", key)
		time.Sleep(time.Duration(rng.IntN(5)) * time.Millisecond)
	}
	return nil
}

// put writes a file in place, or beside and renames it.
func put(path, text string, inPlace bool) error {
	if inPlace {
		return os.WriteFile(path, []byte(text), 0o644)
	}
	tmp := path + ".new"
	if err := os.WriteFile(tmp, []byte(text), 0o644); err != nil {
		return err
	}
	return os.Rename(tmp, path)
}
