package main

import (
	"archive/tar"
	"archive/zip"
	"errors"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"
)

// A file is one of an archive.
type file struct {
	name string // in the archive
	path string // on disk
	mode int64
}

// bundle makes the archive for those who install by hand: a tar.gz, or a zip
// for Windows.
func (b *builder) bundle(t target) error {
	name := "osssync_" + b.src.version + "_" + t.String()
	files, err := b.bundled(t)
	if err != nil {
		return err
	}
	for i := range files {
		files[i].name = name + "/" + files[i].name
	}
	slices.SortFunc(files, func(a, b file) int { return strings.Compare(a.name, b.name) })
	ext, write := ".tar.gz", writeTar
	if t.os == "windows" {
		ext, write = ".zip", writeZip
	}
	out, err := os.Create(filepath.Join(b.out, name+ext))
	if err != nil {
		return err
	}
	err = errors.Join(write(out, files, b.src.date), out.Close())
	if err == nil {
		b.say("%s", filepath.Base(out.Name()))
	}
	return err
}

// bundled lists what goes into an archive.
func (b *builder) bundled(t target) ([]file, error) {
	files := []file{{filepath.Base(b.binary(t)), b.binary(t), 0o755}}
	plain := func(name, path string) { files = append(files, file{name, path, 0o644}) }
	for _, name := range []string{"README.md", "README.zh-CN.md", "LICENSE", "CHANGELOG.md", "config.example.toml"} {
		plain(name, name)
	}
	if t.os == "windows" {
		plain("docs/configuration.md", "docs/configuration.md")
		plain("docs/windows.md", "docs/windows.md")
		plain("completions/osssync.ps1", filepath.Join(b.stage, "osssync.powershell"))
		return files, nil
	}
	plain("completions/osssync.bash", filepath.Join(b.stage, "osssync.bash"))
	plain("completions/osssync.fish", filepath.Join(b.stage, "osssync.fish"))
	plain("completions/_osssync", filepath.Join(b.stage, "osssync.zsh"))
	plain("systemd/osssync.service", "packaging/linux/osssync.service")
	plain("systemd/osssync@.service", "packaging/linux/osssync@.service")
	plain("systemd/osssync.sysusers.conf", "packaging/linux/osssync.sysusers")
	for dir, pattern := range map[string]string{
		"man":              filepath.Join(b.stage, "man", "*.gz"),
		"systemd/examples": "packaging/linux/examples/*.conf",
	} {
		paths, err := filepath.Glob(pattern)
		if err != nil {
			return nil, err
		}
		for _, path := range paths {
			plain(dir+"/"+filepath.Base(path), path)
		}
	}
	return files, nil
}

// writeTar writes the files in their order, as nobody's and of one time.
func writeTar(w io.Writer, files []file, at time.Time) error {
	return compress(w, func(z io.Writer) error {
		t := tar.NewWriter(z)
		for _, f := range files {
			data, err := os.ReadFile(f.path)
			if err != nil {
				return err
			}
			h := &tar.Header{Format: tar.FormatUSTAR, Typeflag: tar.TypeReg, Name: f.name, Mode: f.mode, Size: int64(len(data)), ModTime: at, Uname: "root", Gname: "root"}
			if err := t.WriteHeader(h); err != nil {
				return err
			}
			if _, err := t.Write(data); err != nil {
				return err
			}
		}
		return t.Close()
	})
}

// writeZip is writeTar for a zip.
func writeZip(w io.Writer, files []file, at time.Time) error {
	z := zip.NewWriter(w)
	for _, f := range files {
		data, err := os.ReadFile(f.path)
		if err != nil {
			return err
		}
		h := &zip.FileHeader{Name: f.name, Method: zip.Deflate, Modified: at}
		h.SetMode(os.FileMode(f.mode))
		e, err := z.CreateHeader(h)
		if err != nil {
			return err
		}
		if _, err := e.Write(data); err != nil {
			return err
		}
	}
	return z.Close()
}
