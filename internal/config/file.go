package config

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/BurntSushi/toml"
)

// Larger files are no configuration, but something like /dev/zero.
const maxFileSize = 1 << 20

const dropDir = "conf.d"

// A file is one parsed file.
type file struct {
	path string
	text text
	tree map[string]any // as the TOML parser gives it
	at   map[place]int  // byte offsets
}

// origin returns where p is, or where the nearest table around it is.
func (f *file) origin(p place) Origin {
	for p != "" {
		if offset, ok := f.at[p]; ok {
			line, column := f.text.position(offset)
			return Origin{f.path, line, column}
		}
		p = p[:strings.LastIndexByte(string(p), 0)]
	}
	return Origin{File: f.path}
}

// readFile reads and parses a file. Every error is an *Error.
func readFile(path string) (*file, error) {
	src, err := readText(path)
	if err != nil {
		return nil, &Error{File: path, Err: err}
	}
	f := &file{path: path, text: newText(src)}
	_, err = toml.Decode(src, &f.tree)
	if e, ok := errors.AsType[toml.ParseError](err); ok {
		return nil, syntaxError(path, f.text, e)
	} else if err != nil {
		return nil, &Error{File: path, Err: err}
	}
	f.at = locate(src)
	return f, nil
}

func readText(path string) (string, error) {
	r, err := os.Open(path)
	if err != nil {
		return "", cause(err)
	}
	defer r.Close()
	b, err := io.ReadAll(io.LimitReader(r, maxFileSize+1))
	if err != nil {
		return "", cause(err)
	}
	if len(b) > maxFileSize {
		return "", fmt.Errorf("more than %s, which is no configuration", Size(maxFileSize))
	}
	return strings.TrimPrefix(string(b), "\ufeff"), nil
}

// cause drops the path from an error, for [Error] names it. What is left still
// matches fs.ErrNotExist and its like.
func cause(err error) error {
	if e, ok := errors.AsType[*fs.PathError](err); ok {
		return e.Err
	}
	return err
}

func syntaxError(path string, t text, e toml.ParseError) *Error {
	line, column := t.position(e.Position.Start)
	out := &Error{File: path, Line: line, Column: column, Err: errors.New(tidy(e.Message))}
	if strings.HasPrefix(e.Message, "invalid escape") {
		out.Hint = `in a "string" a backslash begins an escape; write 'C:\path' or "C:/path"`
	}
	return out
}

// tidy makes the parser's message one of ours. It leaves out long words, which
// may be part of a value that is a secret.
func tidy(message string) string {
	words := strings.Fields(strings.TrimSuffix(message, "."))
	for i, w := range words {
		if name := strings.Trim(w, "'"); len(name) > 15 && (i == 0 || words[i-1] != "Key") {
			words[i] = "…"
		}
	}
	if len(words) > 0 {
		words[0] = strings.ToLower(words[0][:1]) + words[0][1:]
	}
	return strings.Join(words, " ")
}

// dropIns returns the files of conf.d beside path, in the order of their names.
// Hidden files are not taken: they are what editors leave behind.
func dropIns(path string) ([]string, error) {
	dir := filepath.Join(filepath.Dir(path), dropDir)
	entries, err := os.ReadDir(dir) // sorted
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, &Error{File: dir, Err: cause(err)}
	}
	var files []string
	for _, e := range entries {
		if name := e.Name(); strings.HasSuffix(name, ".toml") && !strings.HasPrefix(name, ".") {
			files = append(files, filepath.Join(dir, name))
		}
	}
	return files, nil
}
