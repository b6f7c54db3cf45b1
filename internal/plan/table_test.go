package plan

import (
	"bufio"
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

// A row is one of the truth table in the package's documentation.
type row struct {
	disk, known, also, action string
}

// A situation is what Decide is asked about.
type situation struct {
	disk  *state.Version
	known *state.Entry
	rules Rules
}

// tableRows reads the table out of the documentation: four columns, which the
// line of dashes below their heads says the begins of.
func tableRows(t *testing.T) []row {
	t.Helper()
	f, err := os.Open("plan.go")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var rows []row
	var begins []int
	for s := bufio.NewScanner(f); s.Scan(); {
		line, comment := strings.CutPrefix(s.Text(), "//\t")
		switch {
		case !comment && begins != nil:
			return rows
		case !comment:
		case strings.HasPrefix(line, "---"):
			for _, m := range regexp.MustCompile(`-+`).FindAllStringIndex(line, -1) {
				begins = append(begins, m[0])
			}
		case begins != nil:
			var cells [4]string
			for i := range cells {
				end := len(line)
				if i < 3 {
					end = min(end, begins[i+1])
				}
				cells[i] = strings.TrimSpace(line[begins[i]:end])
			}
			rows = append(rows, row{cells[0], cells[1], cells[2], cells[3]})
		}
	}
	t.Fatal("no table in plan.go")
	return nil
}

// columns says what the words in the table's third column mean. All that a row
// does not name is as it usually is.
var columns = map[string]func(*situation){
	"":                        func(*situation) {},
	"deletions are held":      func(s *situation) { s.rules.Hold = "h" },
	"path is filtered out":    func(s *situation) { s.rules.Excluded = "- x" },
	"filtered out, held":      func(s *situation) { s.rules.Excluded, s.rules.Hold = "- x", "h" },
	"entry is only assumed":   func(s *situation) { s.known.Assumed = true },
	"deletes = keep":          func(s *situation) { s.rules.Deletes = Keep },
	"deletes = mirror":        func(s *situation) { s.rules.Deletes = Mirror },
	"deletes = trash":         func(s *situation) { s.rules.Deletes = Trash },
	"size differs":            func(s *situation) { s.disk.Size++ },
	"mtime differs":           func(s *situation) { s.disk.MTime++ },
	"its key differs":         func(s *situation) { s.rules.Rekeyed = true },
	"only ctime or id differ": func(s *situation) { s.disk.CTime++; s.disk.FileID[1]++ },
	"equal, entry is racy":    func(s *situation) { s.known.Racy = true },
	"equal, only assumed":     func(s *situation) { s.known.Assumed = true },
	"equal, has yet to leave": func(s *situation) { s.rules.Leaving = true },
	"equal":                   func(*situation) {},
}

var actions = map[string]upload.Action{
	"skip": upload.Skip, "forget": upload.Forget, "delete": upload.Delete, "trash": upload.Trash,
	"upload": upload.Upload, "upload, or touch by proof": upload.Upload,
}

// situation makes what a row is about, with deletes as the rest of it.
func (r row) situation(t *testing.T, deletes Deletes) situation {
	t.Helper()
	v := state.Version{Size: 10, MTime: 1_000_000_007, CTime: 1_000_000_009, FileID: state.FileID{42}}
	s := situation{rules: Rules{Deletes: deletes}}
	switch r.disk {
	case "nothing":
	case "irregular":
		s.rules.Irregular = true
	case "a file":
		disk := v
		s.disk = &disk
	default:
		t.Fatalf("on disk: %q", r.disk)
	}
	switch r.known {
	case "nothing":
	case "an entry":
		s.known = &state.Entry{Version: v, CRC64: 7, ETag: "E"}
	default:
		t.Fatalf("in the index: %q", r.known)
	}
	also, ok := columns[r.also]
	if !ok {
		t.Fatalf("also: %q", r.also)
	}
	also(&s)
	return s
}

// TestTable holds Decide to its truth table in the package's documentation, so
// that neither can be changed without the other.
func TestTable(t *testing.T) {
	rows := tableRows(t)
	if len(rows) != 22 {
		t.Errorf("%d rows", len(rows))
	}
	var seen []string
	for _, r := range rows {
		want, ok := actions[r.action]
		if !ok {
			t.Fatalf("action %q", r.action)
		}
		seen = append(seen, r.also)
		for _, deletes := range []Deletes{Keep, Mirror, Trash} {
			if strings.HasPrefix(r.also, "deletes = ") && !strings.HasSuffix(r.also, string(deletes)) {
				continue
			}
			s := r.situation(t, deletes)
			if got := Decide(s.disk, s.known, s.rules); got.Action != want {
				t.Errorf("%+v with deletes = %s: %v, want %v", r, deletes, got, want)
			}
		}
	}
	for also := range columns {
		if !slices.Contains(seen, also) {
			t.Errorf("no row says %q", also)
		}
	}
}
