package e2e

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestSpotRelease keeps files open that would not be sent for long, and wants
// them sent because the instance is about to be taken away.
func TestSpotRelease(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	b.ECS.SetSpotTermination(time.Now().Add(5 * time.Minute))
	config, source := configure(t, b, box.Job{"settle": "10m", "max_wait": "1h"}, nil)
	d := start(t, config)
	d.waitLog("instance will be released")
	d.waitLog("scanned")
	for _, name := range []string{"app.log", "other.log"} {
		f, err := os.Create(filepath.Join(source, name))
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		if _, err := f.WriteString("the last words of " + name); err != nil {
			t.Fatal(err)
		}
	}
	waitMirror(t, b, source)
}
