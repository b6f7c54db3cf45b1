//go:build linux

package windows

import (
	"os"
	"strings"
	"testing"

	"github.com/osssync/osssync/test/sandbox/box"
)

// byHand checks what osssync service install and uninstall do, for who has the
// program without the MSI, and below a path with a space in it.
func byHand(t *testing.T, w *wine, b *box.Box, exe string) {
	t.Helper()
	data, err := os.ReadFile(exe)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(w.file("my tools"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, w.file("my tools/osssync.exe"), string(data))
	const mine = `C:\my tools\osssync.exe`
	if _, code := w.exit(mine, "service", "status"); code != 7 {
		t.Errorf("status without a service: exit code %d, want 7", code)
	}
	for _, verb := range []string{"start", "stop", "uninstall"} {
		if _, code := w.exit(mine, "service", verb); code != 1 {
			t.Errorf("%s without a service: exit code %d, want 1", verb, code)
		}
	}
	// What a Windows always has; Wine takes it along with the last entry in it.
	w.must("reg", "add", applications, "/f")
	w.must(mine, "service", "install")
	out := w.must("reg", "query", services)
	for _, want := range []string{`"` + mine + `" service run`, `NT SERVICE\osssync`, "DelayedAutoStart    REG_DWORD    0x1", "Start    REG_DWORD    0x2", "PreshutdownTimeout    REG_DWORD    0x3a98"} {
		if !strings.Contains(out, want) {
			t.Errorf("the service has no %s", want)
		}
	}
	if out := w.must("reg", "query", eventlog); !strings.Contains(out, "EventCreate.exe") {
		t.Error("no event source")
	}
	if _, code := w.exit(mine, "service", "install"); code != 1 {
		t.Errorf("a second service install: exit code %d, want 1", code)
	}
	w.must(mine, "service", "start")
	write(t, w.file("data/hand.txt"), "5")
	b.WaitForKeys(t, within, "in/hand.txt")
	w.must(mine, "service", "uninstall")
	if _, code := w.exit(mine, "service", "status"); code != 7 {
		t.Errorf("status of a service that was removed: exit code %d, want 7", code)
	}
	for _, key := range []string{services, eventlog} {
		if _, ok := w.run("reg", "query", key); ok {
			t.Errorf("%s is left", key)
		}
	}
}
