// Command build makes what is released of osssync: deb, rpm and apk packages, a
// tar.gz and a zip, for each its list of contents as SPDX, and SHA256SUMS. It
// is what `make packages` runs, in the root of the repository, and needs nfpm.
// SHA256SUMS comes last, by -sums, when the MSI is there too.
//
// The same commit always gives the same bytes: no time but the commit's goes
// into any file, and no path, name or umask of the machine.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

func main() {
	if err := run(context.Background(), os.Args[1:], os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "build:", err)
		os.Exit(1)
	}
}

// A builder makes one release.
type builder struct {
	src     source
	out     string // directory of what is released
	stage   string // directory of what goes into it
	targets []target
	formats []string // of packages
	log     io.Writer
}

// A target is a system that osssync is built for.
type target struct{ os, arch string }

func (t target) String() string { return t.os + "_" + t.arch }

// Targets that are released.
func allTargets() []target {
	return []target{{"linux", "amd64"}, {"linux", "arm64"}, {"windows", "amd64"}}
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	f := flag.NewFlagSet("build", flag.ContinueOnError)
	out := f.String("out", "dist", "write to `DIR`, which must be empty or not there")
	version := f.String("version", "", "call it `VERSION`, not what git says")
	only := f.String("only", "", "build for `OS_ARCH` alone, such as linux_amd64")
	formats := f.String("formats", "deb,rpm,apk", "make these packages; empty for none")
	sums := f.String("sums", "", "build nothing, but write SHA256SUMS of what is in `DIR`")
	if err := f.Parse(args); err != nil {
		return err
	}
	if *sums != "" {
		return sum(*sums)
	}
	src, err := describe(ctx, *version)
	if err != nil {
		return err
	}
	if err := emptyDir(*out); err != nil {
		return err
	}
	stage, err := os.MkdirTemp("", "osssync-build-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(stage)
	b := &builder{src: src, out: *out, stage: stage, log: stdout}
	for _, t := range allTargets() {
		if *only == "" || *only == t.String() {
			b.targets = append(b.targets, t)
		}
	}
	if len(b.targets) == 0 {
		return fmt.Errorf("no target %s", *only)
	}
	b.formats = strings.FieldsFunc(*formats, func(r rune) bool { return r == ',' })
	return b.build(ctx)
}

// build does it all.
func (b *builder) build(ctx context.Context) error {
	begun := time.Now()
	b.say("osssync %s, commit %s of %s", b.src.version, b.src.commit, b.src.stamp())
	for _, t := range b.targets {
		if err := b.compile(ctx, t); err != nil {
			return err
		}
	}
	if err := b.papers(ctx); err != nil {
		return err
	}
	for _, t := range b.targets {
		if err := errors.Join(b.bundle(t), b.contents(ctx, t)); err != nil {
			return err
		}
		if t.os != "linux" {
			if err := b.msi(ctx, t); err != nil {
				return err
			}
			continue
		}
		for _, format := range b.formats {
			if err := b.pack(ctx, t, format); err != nil {
				return err
			}
		}
	}
	b.say("built in %v", time.Since(begun).Round(time.Millisecond))
	return nil
}

func (b *builder) say(format string, args ...any) { fmt.Fprintf(b.log, format+"\n", args...) }

// date is the environment of what must not take the time from the clock.
func (b *builder) date() []string {
	return append(os.Environ(), fmt.Sprintf("SOURCE_DATE_EPOCH=%d", b.src.date.Unix()))
}

// msi has the installer for Windows made, where that can be.
func (b *builder) msi(ctx context.Context, t target) error {
	if _, err := exec.LookPath("wixl"); err != nil {
		b.say("SKIPPED: the MSI needs wixl and msibuild (Debian: wixl, msitools)")
		return nil
	}
	out, err := filepath.Abs(b.out)
	if err != nil {
		return err
	}
	cmd := exec.CommandContext(ctx, "packaging/windows/build.sh", b.src.version, b.binary(t), out)
	cmd.Env = b.date()
	return output(cmd, b.log)
}

// emptyDir makes a directory, and fails where there is something in it.
func emptyDir(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	there, err := os.ReadDir(dir)
	if err == nil && len(there) > 0 {
		err = fmt.Errorf("%s is not empty", dir)
	}
	return err
}

// binary returns where the program for a target is.
func (b *builder) binary(t target) string {
	name := "osssync"
	if t.os == "windows" {
		name += ".exe"
	}
	return filepath.Join(b.stage, t.String(), name)
}

// compile builds the program for a target. What Windows wants in it comes before
// it is packed in any way.
func (b *builder) compile(ctx context.Context, t target) error {
	err := b.compileTo(ctx, b.binary(t), "GOOS="+t.os, "GOARCH="+t.arch)
	if err != nil || t.os != "windows" {
		return err
	}
	cmd := exec.CommandContext(ctx, "packaging/windows/program.sh", b.src.version, b.binary(t))
	cmd.Env = b.date()
	return output(cmd, nil)
}

func (b *builder) compileTo(ctx context.Context, path string, env ...string) error {
	flags := fmt.Sprintf("-s -w -buildid= -X main.version=%s -X main.commit=%s -X main.date=%s",
		b.src.version, b.src.commit, b.src.stamp())
	cmd := exec.CommandContext(ctx, "go", "build", "-trimpath", "-buildvcs=false", "-ldflags", flags, "-o", path, "./cmd/osssync")
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0", "GOFLAGS=", "GOAMD64=v1", "GOARM64=v8.0", "GOWORK=off")
	cmd.Env = append(cmd.Env, env...)
	return output(cmd, nil)
}

// output runs a command and writes what it prints to w, nil for nowhere.
func output(cmd *exec.Cmd, w io.Writer) error {
	var complaint strings.Builder
	cmd.Stdout, cmd.Stderr = w, &complaint
	if err := cmd.Run(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(cmd.Args, " "), err, complaint.String())
	}
	return nil
}
