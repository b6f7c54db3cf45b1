//go:build unix

package creds

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// childStranger tries a cache that is another user's; arg is "DIR|ENDPOINT".
func childStranger(arg string) {
	dir, endpoint, _ := strings.Cut(arg, "|")
	logs := &logBuffer{}
	p := New(Options{Endpoint: endpoint, CacheDir: dir, Logger: textLogger(logs), BootID: func() (string, error) { return "boot", nil }})
	s, err := p.Get(context.Background())
	if err != nil {
		panic(err)
	}
	fmt.Printf("%s %v", s.Source, strings.Contains(logs.String(), errCacheNotOurs.Error()))
}

// Neither another user's directory nor another user's file is believed. Where
// the tests are not run by root they cannot become another user; the root
// directory is one's then.
func TestOtherUsersCache(t *testing.T) {
	if os.Geteuid() != 0 {
		if _, err := openPrivateDir("/", false); err == nil {
			t.Error("root's directory is taken")
		}
		return
	}
	const nobody = 65534
	endpoint := serveLoopback(t, newFake())
	exe := publicCopy(t)
	fillAs := func(dir string) {
		p := New(Options{Endpoint: endpoint, CacheDir: dir, BootID: func() (string, error) { return "boot", nil }})
		if _, err := p.Get(context.Background()); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct {
		name   string
		uid    uint32                          // who comes along
		change func(dir, path string) []string // what to give to nobody
	}{
		{"root's directory", nobody, func(dir, _ string) []string {
			if err := os.Chmod(dir, 0o755); err != nil {
				t.Fatal(err)
			}
			return nil
		}},
		{"root's file", nobody, func(dir, _ string) []string { return []string{dir} }},
		{"another user's file, read by root", 0, func(_, path string) []string { return []string{path} }},
		{"another user's directory, read by root", 0, func(dir, _ string) []string { return []string{dir} }},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			parent := t.TempDir()
			for p := parent; p != os.TempDir() && p != "/"; p = filepath.Dir(p) {
				if err := os.Chmod(p, 0o755); err != nil {
					t.Fatal(err)
				}
			}
			dir := filepath.Join(parent, "c")
			fillAs(dir)
			for _, path := range tt.change(dir, filepath.Join(dir, "v1.json")) {
				if err := os.Chown(path, nobody, nobody); err != nil {
					t.Fatal(err)
				}
			}
			cmd := child(t, "stranger", nil, dir+"|"+endpoint)
			cmd.Path = exe
			cmd.Dir = "/"
			cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: tt.uid, Gid: tt.uid}}
			out, err := cmd.CombinedOutput()
			if err != nil || string(out) != "metadata true" {
				t.Errorf("child said %q, %v; want it to ask the service and to say why", out, err)
			}
		})
	}
}

// publicCopy returns a copy of this program that any user can run.
func publicCopy(t testing.TB) string {
	exe, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	data := read(t, exe)
	f, err := os.CreateTemp("", "creds-test-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = os.Remove(f.Name()) })
	if _, err := f.Write(data); err != nil {
		t.Fatal(err)
	}
	if err := f.Chmod(0o755); err != nil {
		t.Fatal(err)
	}
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	return f.Name()
}
