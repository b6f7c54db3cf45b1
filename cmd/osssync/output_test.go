package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"testing"
)

// A faulty writer fails from its second write on, and when it is closed.
type faulty struct {
	bytes.Buffer
	failed error // of writes
	close  error
}

func (f *faulty) Write(b []byte) (int, error) {
	if f.Len() > 0 && f.failed != nil {
		return 0, f.failed
	}
	return f.Buffer.Write(b)
}

func (f *faulty) Close() error { return f.close }

func TestOutput(t *testing.T) {
	full, quota, other := &fs.PathError{Op: "write", Path: "/dev/stdout", Err: errors.New("full")}, errors.New("quota"), errors.New("other")
	for _, tt := range []struct {
		name    string
		f       *faulty
		command error
		want    string
		text    string
	}{
		{"good", &faulty{}, nil, "", "abc"},
		{"another error", &faulty{}, other, "other", "abc"},
		{"a write fails", &faulty{failed: full}, nil, "write standard output: full", "a"},
		{"both", &faulty{failed: full, close: quota}, other, "other\nwrite standard output: full", "a"},
		{"told only when it is closed", &faulty{close: quota}, nil, "close standard output: quota", "abc"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := &output{w: tt.f}
			for _, s := range []string{"a", "b", "c"} {
				fmt.Fprint(o, s)
			}
			got := ""
			if err := o.finish(tt.command); err != nil {
				got = err.Error()
			}
			if got != tt.want || tt.f.String() != tt.text {
				t.Errorf("%q after %q, want %q after %q", got, tt.f.String(), tt.want, tt.text)
			}
		})
	}
	o := &output{w: &faulty{failed: full}}
	fmt.Fprint(o, "a")
	_, err := fmt.Fprint(o, "b")
	if got := o.finish(fmt.Errorf("ls: %w", err)); got == nil || got.Error() != "ls: write standard output: full" {
		t.Errorf("%v: the error of the output is told twice, or not", got)
	}
}

// A terminal is still known for one.
func TestFileOf(t *testing.T) {
	for _, w := range []any{os.Stdout, &output{w: os.Stdout}} {
		if fileOf(w) != os.Stdout {
			t.Errorf("%T: not the file", w)
		}
	}
	for _, w := range []any{nil, &bytes.Buffer{}, &output{w: &bytes.Buffer{}}} {
		if fileOf(w) != nil {
			t.Errorf("%T: a file", w)
		}
	}
}
