package main

import (
	"fmt"
	"hash/crc64"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// copyTree copies the regular files of src into dst, as cp -r does.
func copyTree(src, dst string) (files int, bytes int64, err error) {
	err = filepath.WalkDir(src, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(src, path)
		if err != nil {
			return err
		}
		to := filepath.Join(dst, rel)
		if e.IsDir() {
			return os.MkdirAll(to, 0o755)
		}
		if !e.Type().IsRegular() {
			return nil
		}
		n, err := copyFile(path, to)
		files++
		bytes += n
		return err
	})
	return files, bytes, err
}

func copyFile(from, to string) (int64, error) {
	in, err := os.Open(from)
	if err != nil {
		return 0, err
	}
	defer in.Close()
	out, err := os.Create(to)
	if err != nil {
		return 0, err
	}
	n, err := io.Copy(out, in)
	if closeErr := out.Close(); err == nil {
		err = closeErr
	}
	return n, err
}

// A sum is what an object must have: the size and CRC-64/ECMA of its file.
type sum struct {
	size int64
	crc  uint64
}

// sums returns what the objects of dir must be, by key.
func sums(dir string) (map[string]sum, error) {
	table := crc64.MakeTable(crc64.ECMA)
	want := map[string]sum{}
	err := filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || !e.Type().IsRegular() {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		f, err := os.Open(path)
		if err != nil {
			return err
		}
		defer f.Close()
		h := crc64.New(table)
		n, err := io.Copy(h, f)
		want[filepath.ToSlash(rel)] = sum{n, h.Sum64()}
		return err
	})
	return want, err
}

// edit changes, adds and renames some files, and says how many of each.
func edit(dir string) (edited, added, renamed int, err error) {
	var paths []string
	err = filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			paths = append(paths, path)
		}
		return err
	})
	if err != nil {
		return 0, 0, 0, err
	}
	for i := 0; i < len(paths); i += 100 {
		if err := appendTo(paths[i], fmt.Sprintf("\n// edit %d\n", i)); err != nil {
			return 0, 0, 0, err
		}
		edited++
	}
	for i := 0; i < 100; i++ {
		name := filepath.Join(dir, "added", fmt.Sprintf("%02d", i%10), fmt.Sprintf("文件 %d.txt", i))
		if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
			return 0, 0, 0, err
		}
		if err := os.WriteFile(name, fmt.Appendf(nil, "added %d\n", i), 0o644); err != nil {
			return 0, 0, 0, err
		}
		added++
	}
	for i := 50; i < len(paths); i += 200 {
		if err := os.Rename(paths[i], paths[i]+".renamed"); err != nil {
			return 0, 0, 0, err
		}
		renamed++
	}
	return edited, added, renamed, nil
}

func appendTo(path, text string) error {
	f, err := os.OpenFile(path, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = f.WriteString(text)
	if closeErr := f.Close(); err == nil {
		err = closeErr
	}
	return err
}
