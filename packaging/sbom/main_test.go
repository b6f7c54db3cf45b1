package main

import (
	"bytes"
	"encoding/json"
	"os"
	"runtime/debug"
	"strings"
	"testing"
	"time"
)

func TestDescribe(t *testing.T) {
	t.Parallel()
	info := &debug.BuildInfo{GoVersion: "go1.26.0", Main: debug.Module{Path: "example.org/program"}, Deps: []*debug.Module{
		{Path: "example.org/one/v2", Version: "v2.0.1+incompatible", Sum: "h1:abc="},
		{Path: "example.org/two", Version: "v1.0.0", Replace: &debug.Module{Path: "example.org/fork", Version: "v1.0.1"}},
	}}
	d := describe(info, "program", "1.2.3", "00ff", time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC))
	var names []string
	ids := map[string]bool{"SPDXRef-DOCUMENT": true}
	for _, p := range d.Packages {
		names = append(names, p.Name+" "+p.VersionInfo)
		if ids[p.SPDXID] {
			t.Errorf("%s twice", p.SPDXID)
		}
		ids[p.SPDXID] = true
	}
	if got, want := strings.Join(names, ", "), "example.org/program 1.2.3, stdlib 1.26.0, example.org/one/v2 v2.0.1+incompatible, example.org/fork v1.0.1"; got != want {
		t.Errorf("packages %s, want %s", got, want)
	}
	for _, r := range d.Relationships {
		if !ids[r.Element] || !ids[r.Related] {
			t.Errorf("%+v names what is not there", r)
		}
	}
	if got := d.Packages[2].ExternalRefs[0].Locator; got != "pkg:golang/example.org/one/v2@v2.0.1%2Bincompatible" {
		t.Errorf("purl %s", got)
	}
	if d.CreationInfo.Created != "2026-01-02T03:04:05Z" || !strings.HasSuffix(d.DocumentNamespace, "/1.2.3/00ff") {
		t.Errorf("created %s, namespace %s", d.CreationInfo.Created, d.DocumentNamespace)
	}
}

// TestRun describes a real Go program, this test.
func TestRun(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	var out [2]bytes.Buffer
	for i := range out {
		if err := run([]string{"-version", "1.2.3", "-date", "2026-01-02T03:04:05Z", self}, &out[i]); err != nil {
			t.Fatal(err)
		}
	}
	if out[0].String() != out[1].String() {
		t.Error("two documents of one program differ")
	}
	var doc document
	if err := json.Unmarshal(out[0].Bytes(), &doc); err != nil || doc.SPDXVersion != "SPDX-2.3" {
		t.Errorf("no SPDX document: %v", err)
	}
	if err := run([]string{"-version", "1", "-date", "2026-01-02T03:04:05Z", "main.go"}, &out[0]); err == nil {
		t.Error("a file that is no program was taken")
	}
}
