package e2e

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	_ "modernc.org/sqlite"

	"github.com/osssync/osssync/test/sandbox/box"
)

// TestDowngrade has a later release write the index: this one refuses to touch
// it, in every command that would, says what can be done, and goes on once that
// is done.
func TestDowngrade(t *testing.T) {
	t.Parallel()
	b := box.Start(t, box.Options{})
	config, source := configure(t, b, nil, nil)
	write(t, filepath.Join(source, "a"), "a")
	if out, err := exec.Command(bin, "-c", config, "sync").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	index := filepath.Join(b.Dir, "state", "index.db")
	setFormat(t, index, 99)
	before, err := os.ReadFile(index)
	if err != nil {
		t.Fatal(err)
	}
	asked := b.Asked()
	for _, command := range []string{"run", "sync", "sync --dry-run"} {
		cmd := exec.Command(bin, append([]string{"-c", config}, strings.Fields(command)...)...)
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		if err := cmd.Run(); exitCode(err) != 1 {
			t.Errorf("%s: exit code %d", command, exitCode(err))
		}
		for _, want := range []string{"osssync: index: ", "written by a newer osssync (format 99, this one knows ", "hint: install the newer release again"} {
			if !strings.Contains(stderr.String(), want) {
				t.Errorf("%s does not say %q: %s", command, want, &stderr)
			}
		}
	}
	if after, err := os.ReadFile(index); err != nil || !bytes.Equal(before, after) {
		t.Errorf("the newer index was changed, %v", err)
	}
	if n := b.Asked() - asked; n != 0 {
		t.Errorf("%d requests", n)
	}
	if err := os.Rename(index, index+".newer"); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(b.Dir, "state", "index.snap")); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if out, err := exec.Command(bin, "-c", config, "sync").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
}

// setFormat makes an index one of another format, as its release would.
func setFormat(t *testing.T, index string, format int) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+index)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	for _, q := range []string{"PRAGMA user_version=99", "UPDATE meta SET v=99 WHERE k='format'", "PRAGMA wal_checkpoint(TRUNCATE)"} {
		if _, err := db.Exec(strings.ReplaceAll(q, "99", fmt.Sprint(format))); err != nil {
			t.Fatal(err)
		}
	}
}
