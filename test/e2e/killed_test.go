package e2e

import (
	"flag"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
	"github.com/osssync/osssync/test/sandbox/oss"
)

var (
	killedSize  = flag.Int64("killed.mib", 96, "size of the file whose upload is killed again and again, MiB")
	killedTimes = flag.Int("killed.times", 4, "how often it is killed")
)

// TestKilledAgainAndAgain ends the agent without a warning at random moments of
// one large upload. It is finished all the same, and what is sent twice is no
// more than what was on its way: no part that had arrived is sent again.
func TestKilledAgainAndAgain(t *testing.T) {
	t.Parallel()
	const (
		part    = 8 << 20 // as long as 10,000 of them are enough
		onTheir = 12      // parts of one file on their way at once, at most
	)
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	size := *killedSize << 20
	if err := writeRandom(filepath.Join(source, "large"), size, 3); err != nil {
		t.Fatal(err)
	}
	b.OSS.Faults().Add(oss.Fault{Op: oss.UploadPart, Bandwidth: 32 << 20})
	moments := make([]int64, *killedTimes)
	for i := range moments {
		moments[i] = rand.Int64N(size)
	}
	slices.Sort(moments)
	for _, m := range moments {
		d := start(t, config)
		waitFor(t, "the next moment", func() bool { arrived, _ := parts(b); return arrived >= m })
		d.stop(syscall.SIGKILL)
	}
	d := start(t, config)
	waitMirror(t, b, source)
	d.stop(syscall.SIGTERM)
	_, begun := parts(b)
	sent := begun * part // of a request that was cut, as if all had been sent
	if most := size + int64(*killedTimes)*part*onTheir; sent > most {
		t.Errorf("%d MiB sent for a file of %d MiB, killed %d times; want at most %d", sent>>20, size>>20, *killedTimes, most>>20)
	}
	if n := b.OSS.Requests().Count(oss.InitiateMultipartUpload); n != 1 {
		t.Errorf("%d uploads begun for one file", n)
	}
	t.Logf("%d of %d MiB sent twice in %d kills", (sent-size)>>20, size>>20, *killedTimes)
}

// parts returns how many bytes of parts have arrived, and how many parts were
// begun to be sent.
func parts(b *box.Box) (arrived, begun int64) {
	for _, r := range b.OSS.Requests().Entries() {
		if r.Op != oss.UploadPart {
			continue
		}
		begun++
		if r.Status == 200 {
			arrived += r.In
		}
	}
	return arrived, begun
}
