package main

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// maintainer is who signs the Debian changelog; nfpm.yaml names the same.
const maintainer = "The osssync authors <osssync@users.noreply.github.com>"

// papers makes what the program writes about itself: manual pages and
// completions, and the changelog.
func (b *builder) papers(ctx context.Context) error {
	self := filepath.Join(b.stage, "self", "osssync")
	if err := b.compileTo(ctx, self); err != nil {
		return err
	}
	man := filepath.Join(b.stage, "man")
	if err := output(osssync(ctx, self, "man", man), nil); err != nil {
		return err
	}
	pages, err := filepath.Glob(filepath.Join(man, "*.[15]"))
	if err != nil {
		return err
	}
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			return err
		}
		if err := writeGzip(page+".gz", text); err != nil {
			return err
		}
	}
	for _, shell := range []string{"bash", "zsh", "fish", "powershell"} {
		var script bytes.Buffer
		if err := output(osssync(ctx, self, "completion", shell), &script); err != nil {
			return err
		}
		if err := os.WriteFile(filepath.Join(b.stage, "osssync."+shell), script.Bytes(), 0o644); err != nil {
			return err
		}
	}
	if err := b.apkScripts(); err != nil {
		return err
	}
	text, err := os.ReadFile("CHANGELOG.md")
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(b.stage, "changelog.yaml"), b.rpmChangelog(string(text)), 0o644); err != nil {
		return err
	}
	return writeGzip(filepath.Join(b.stage, "changelog.gz"), debianChangelog(string(text), b.src.version, b.src.date))
}

// apkScripts copies the scripts of the apk, in which nfpm keeps their times.
func (b *builder) apkScripts() error {
	dir := filepath.Join(b.stage, "apk")
	if err := os.CopyFS(dir, os.DirFS("packaging/linux/apk")); err != nil {
		return err
	}
	scripts, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, s := range scripts {
		if err := os.Chtimes(filepath.Join(dir, s.Name()), b.src.date, b.src.date); err != nil {
			return err
		}
	}
	return nil
}

// osssync returns a command of the program, in English whoever builds.
func osssync(ctx context.Context, bin string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(ctx, bin, args...)
	cmd.Env = append(os.Environ(), "LANG=C.UTF-8", "LC_ALL=C.UTF-8", "LANGUAGE=")
	return cmd
}

// debianChangelog returns the newest section of CHANGELOG.md in Debian's form:
// a bullet for each of its items, wrapped anew.
func debianChangelog(text, version string, date time.Time) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "osssync (%s) unstable; urgency=medium\n\n", version)
	for _, item := range newest(text) {
		line := "  *"
		for word := range strings.FieldsSeq(item) {
			if len(line)+1+len(word) > 78 {
				b.WriteString(line + "\n")
				line = "   "
			}
			line += " " + word
		}
		b.WriteString(line + "\n")
	}
	fmt.Fprintf(&b, "\n -- %s  %s\n", maintainer, date.Format(time.RFC1123Z))
	return []byte(b.String())
}

// rpmChangelog returns the same in the form that nfpm takes for an rpm, of which
// the release, 1, belongs to the version.
func (b *builder) rpmChangelog(text string) []byte {
	var s strings.Builder
	fmt.Fprintf(&s, "- semver: %s-1\n  date: %s\n  packager: %s\n  changes:\n", b.src.version, b.src.stamp(), maintainer)
	for _, item := range newest(text) {
		fmt.Fprintf(&s, "    - note: %q\n", item)
	}
	return []byte(s.String())
}

// newest returns the items and paragraphs of the first section.
func newest(text string) (items []string) {
	_, section, _ := strings.Cut("\n"+text, "\n## ")
	section, _, _ = strings.Cut(section, "\n## ")
	_, section, _ = strings.Cut(section, "\n") // its title
	begun := false
	for line := range strings.Lines(section) {
		line = strings.TrimRight(line, "\n")
		item, isItem := strings.CutPrefix(line, "- ")
		switch {
		case line == "":
			begun = false
		case isItem || !begun:
			items = append(items, item)
			begun = true
		default:
			items[len(items)-1] += " " + line
		}
	}
	return items
}

// writeGzip writes what `gzip -9n` would: without name and time.
func writeGzip(path string, text []byte) error {
	var buf bytes.Buffer
	if err := compress(&buf, func(w io.Writer) error { _, err := w.Write(text); return err }); err != nil {
		return err
	}
	return os.WriteFile(path, buf.Bytes(), 0o644)
}

func compress(w io.Writer, fill func(io.Writer) error) error {
	z, err := gzip.NewWriterLevel(w, gzip.BestCompression)
	if err != nil {
		return err
	}
	if err := fill(z); err != nil {
		return err
	}
	return z.Close()
}
