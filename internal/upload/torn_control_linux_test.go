package upload

import (
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// TestTornControl reads a file that is being rewritten as one would without
// asking who has it open: size and times before and after are equal, so what was
// read counts. Were that enough, [TestTorn] would show nothing.
func TestTornControl(t *testing.T) {
	dir := t.TempDir()
	name := filepath.Join(dir, "f")
	write := func(g uint64) error { return writers["overwrite"](name, "", g, 24<<10) }
	must(t, write(1))
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for g := uint64(2); ; g++ {
			select {
			case <-stop:
				return
			default:
			}
			if err := write(g); err != nil {
				t.Error(err)
				return
			}
		}
	})
	defer wg.Wait()
	defer close(stop)
	accepted := 0
	for end := time.Now().Add(time.Minute); time.Now().Before(end); {
		data, ok := readNaively(t, name)
		if !ok {
			continue
		}
		if accepted++; whole(data) != nil {
			t.Logf("the first torn one is the %dth", accepted)
			return
		}
	}
	t.Errorf("none of %d was torn", accepted)
}

// readNaively reads a file and reports whether it has the same size and times
// afterwards.
func readNaively(t *testing.T, name string) ([]byte, bool) {
	f, err := os.Open(name)
	must(t, err)
	defer f.Close()
	var before, after unix.Stat_t
	must(t, unix.Fstat(int(f.Fd()), &before))
	data := make([]byte, before.Size)
	n, err := f.ReadAt(data, 0)
	must(t, err)
	must(t, unix.Fstat(int(f.Fd()), &after))
	return data[:n], before.Size == after.Size && before.Mtim == after.Mtim && before.Ctim == after.Ctim
}
