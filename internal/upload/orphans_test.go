package upload

import (
	"context"
	"errors"
	"os"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/state"
)

// A crash between the request and its answer leaves an upload that only its key
// and time tell; those of others stay.
func TestOrphans(t *testing.T) {
	data := pattern(3*testPart, 1)
	r := newRig(t, Options{})
	r.write("f", data)
	stranger, err := r.store.Create(t.Context(), "k/f", Header{})
	must(t, err)
	r.store.pending[stranger].began = time.Now().Add(-time.Hour)
	neighbour, err := r.store.Create(t.Context(), "k/f2", Header{})
	must(t, err)
	r.store.fault = func(op string, done bool) error {
		if op == "create" && done {
			return context.Canceled
		}
		return nil
	}
	if res := r.do(Upload, "f"); !errors.Is(res.Err, context.Canceled) {
		t.Fatalf("interrupted: %v", res.Err)
	}
	if u := r.store.plans["f"]; u == nil || u.ID != "" || len(r.store.pending) != 3 {
		t.Fatalf("plan %+v, %d uploads", u, len(r.store.pending))
	}
	r.restart()
	r.mustDo(Upload, "f")
	if len(r.store.pending) != 2 || r.store.pending[stranger] == nil || r.store.pending[neighbour] == nil || len(r.store.plans) != 0 {
		t.Errorf("left over: %v, plans %v", r.store.pending, r.store.plans)
	}
}

// What was begun for a large file ends with it, whatever takes its place.
func TestOrphansOfReplaced(t *testing.T) {
	small := pattern(100, 2)
	tests := map[string]func(r *rig){
		"small": func(r *rig) {
			r.write("b.html", small)
			r.mustDo(Upload, "b.html")
		},
		"the same as the object": func(r *rig) {
			r.write("b.html", small)
			r.store.keep("k/b.html", small, Header{})
			r.store.entries["b.html"] = state.Entry{Version: state.Version{Size: 100}, Assumed: true}
			if res := r.mustDo(Upload, "b.html"); res.Action != Touch {
				r.t.Errorf("result %+v, want a touch", res)
			}
		},
		"copy": func(r *rig) {
			if res := r.u.do(r.t.Context(), r.renamed(Forget, small)); res.Err != nil || res.Action != Copy {
				r.t.Errorf("result %+v, want a copy", res)
			}
		},
	}
	for name, replace := range tests {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, Options{})
			r.write("b.html", pattern(5*testPart, 1))
			r.interrupt(2)
			if res := r.do(Upload, "b.html"); res.Err == nil || len(r.store.pending) != 1 {
				t.Fatalf("interrupted: %+v, %d uploads", res, len(r.store.pending))
			}
			r.restart()
			replace(r)
			r.holds("b.html", small)
		})
	}
}

// An upload that was begun for a file goes with its old path after a rename.
func TestOrphansOfRenamed(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(100, 2)
	j := r.renamed(Delete, data)
	id, err := r.store.Create(t.Context(), "k/a.txt", Header{})
	must(t, err)
	r.store.plans["a.txt"] = &state.Upload{ID: id, Key: "k/a.txt", PartSize: testPart}
	if res := r.u.do(t.Context(), j); res.Err != nil || res.Action != Copy {
		t.Errorf("result %+v, want a copy", res)
	}
	r.holds("b.html", data)
}

// An answer that says no leaves nothing to look for.
func TestOrphansRefusedCreate(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(3*testPart, 1))
	r.store.fault = func(op string, _ bool) error {
		if op == "create" {
			return &RequestError{Op: op, Class: ThisJob, Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	if res := r.do(Upload, "f"); !errors.Is(res.Err, ThisJob) {
		t.Fatalf("%+v", res)
	}
	if len(r.store.plans) != 0 {
		t.Errorf("plans %v", r.store.plans)
	}
}

// A role that may not list uploads sends the file all the same.
func TestOrphansMayNotList(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(3*testPart, 1)
	r.write("f", data)
	r.store.plans["f"] = &state.Upload{Key: "k/f", Began: time.Now()}
	r.store.fault = func(op string, _ bool) error {
		if op == "pending" {
			return &RequestError{Op: op, Class: ThisJob, Status: 403, Code: "AccessDenied"}
		}
		return nil
	}
	r.mustDo(Upload, "f")
	r.holds("f", data)
}

// The uploads of files that are gone, small or left out now are aborted, those of
// others go on.
func TestTidy(t *testing.T) {
	r := newRig(t, Options{})
	taken := func(path string, _ int64) bool { return path != "left out" }
	for _, name := range []string{"gone", "there", "small", "left out"} {
		r.write(name, pattern(3*testPart, 1))
		r.interrupt(1)
		if res := r.do(Upload, name); !errors.Is(res.Err, context.Canceled) {
			t.Fatalf("interrupted: %v", res.Err)
		}
	}
	r.restart()
	must(t, os.Remove(r.path("gone")))
	r.write("small", pattern(100, 2))
	must(t, r.u.Tidy(t.Context(), r.target, taken))
	if len(r.store.pending) != 1 || len(r.store.plans) != 1 || r.store.plans["there"] == nil {
		t.Errorf("left over: %v, plans %v", r.store.pending, r.store.plans)
	}
	clear(r.store.plans)
	clear(r.store.calls)
	must(t, r.u.Tidy(t.Context(), r.target, taken))
	if n := r.store.count("pending", "abort"); n != 0 {
		t.Errorf("%d requests though nothing is remembered", n)
	}
}

func TestStrangers(t *testing.T) {
	now := time.Now()
	list := []Pending{{"a", "1", now}, {"a", "2", now}, {"b", "3", now}, {"b", "4", now.Add(-time.Hour)}, {"c", "5", now}}
	ours := []state.PathUpload{
		{Path: "a", Upload: state.Upload{Key: "a", ID: "1", Began: now}},
		{Path: "b", Upload: state.Upload{Key: "b", Began: now}},
	}
	var ids string
	for _, p := range Strangers(list, ours) {
		ids += p.ID
	}
	if ids != "245" {
		t.Errorf("strangers are %s, want 2, 4 and 5", ids)
	}
}

// A role that may not look at objects does not know whether an upload that is
// gone was completed: it begins anew.
func TestCompletedUnknown(t *testing.T) {
	r := newRig(t, Options{})
	data := pattern(3*testPart, 1)
	r.write("f", data)
	r.interrupt(1)
	if res := r.do(Upload, "f"); !errors.Is(res.Err, context.Canceled) {
		t.Fatalf("interrupted: %v", res.Err)
	}
	r.restart()
	clear(r.store.pending)
	r.store.fault = func(op string, _ bool) error {
		if op == "head" {
			return &RequestError{Op: op, Class: ThisJob, Status: 403}
		}
		return nil
	}
	r.mustDo(Upload, "f")
	r.holds("f", data)
}

// The answer to Create was a success that could not be read: the upload is there.
func TestOrphansCreateUnread(t *testing.T) {
	r := newRig(t, Options{})
	r.write("f", pattern(3*testPart, 1))
	r.store.fault = func(op string, done bool) error {
		if op == "create" && done {
			return &RequestError{Op: op, Class: Transient, Status: 200} // as bucket's broken
		}
		return nil
	}
	if r.do(Upload, "f").Err == nil {
		t.Fatal("no error")
	}
	r.store.fault = nil
	if len(r.store.pending) > 0 && len(r.store.plans) == 0 {
		t.Errorf("an upload at the server of which the index knows nothing: %d", len(r.store.pending))
	}
	r.mustDo(Upload, "f")
	if len(r.store.pending) > 0 {
		t.Errorf("orphans are left: %d", len(r.store.pending))
	}
}
