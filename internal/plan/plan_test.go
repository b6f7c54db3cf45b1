package plan

import (
	"testing"

	"github.com/osssync/osssync/internal/state"
	"github.com/osssync/osssync/internal/upload"
)

func TestDecide(t *testing.T) {
	base := state.Version{Size: 10, MTime: 1_000_000_007, CTime: 1_000_000_009, FileID: state.FileID{42}}
	disk := func(change func(*state.Version)) *state.Version {
		v := base
		if change != nil {
			change(&v)
		}
		return &v
	}
	entry := func(change func(*state.Entry)) *state.Entry {
		e := state.Entry{Version: base, CRC64: 7, ETag: "E"}
		if change != nil {
			change(&e)
		}
		return &e
	}
	racy := func(e *state.Entry) { e.Racy = true }
	assumed := func(e *state.Entry) { e.Assumed = true }
	excluded := Rules{Excluded: "- *.tmp"}
	tests := []struct {
		name  string
		disk  *state.Version
		known *state.Entry
		rules Rules
		want  upload.Action
	}{
		{"made and deleted before we looked", nil, nil, Rules{}, upload.Skip},
		{"the same, mirrored", nil, nil, Rules{Deletes: Mirror}, upload.Skip},
		{"new", disk(nil), nil, Rules{}, upload.Upload},
		{"new, deletions held", disk(nil), nil, Rules{Hold: "h"}, upload.Upload},
		{"new, left out", disk(nil), nil, excluded, upload.Skip},
		{"irregular, not known", nil, nil, Rules{Irregular: true}, upload.Skip},

		{"unchanged", disk(nil), entry(nil), Rules{Deletes: Mirror}, upload.Skip},
		{"grown", disk(func(v *state.Version) { v.Size++ }), entry(nil), Rules{}, upload.Upload},
		{"shrunk within one tick", disk(func(v *state.Version) { v.Size-- }), entry(nil), Rules{}, upload.Upload},
		{"newer", disk(func(v *state.Version) { v.MTime++ }), entry(nil), Rules{}, upload.Upload},
		{"restored from a backup: older", disk(func(v *state.Version) { v.MTime -= 1e15 }), entry(nil), Rules{}, upload.Upload},
		{"rewritten, mtime set back", disk(func(v *state.Version) { v.CTime++ }), entry(nil), Rules{}, upload.Upload},
		{"ctime older, after a clock step", disk(func(v *state.Version) { v.CTime-- }), entry(nil), Rules{}, upload.Upload},
		{"another file of the same times", disk(func(v *state.Version) { v.FileID[0]++ }), entry(nil), Rules{}, upload.Upload},
		{"another file by the high word", disk(func(v *state.Version) { v.FileID[1]++ }), entry(nil), Rules{}, upload.Upload},
		{"equal but racy", disk(nil), entry(racy), Rules{}, upload.Upload},
		{"equal, assumed from a snapshot", disk(nil), entry(assumed), Rules{}, upload.Upload},
		{"equal, but does not stay", disk(nil), entry(nil), Rules{Leaving: true}, upload.Upload},
		{"gone, as it should be", nil, entry(nil), Rules{Leaving: true}, upload.Forget},
		{"equal, key changed", disk(nil), entry(nil), Rules{Rekeyed: true}, upload.Upload},
		{"changed, deletions held", disk(func(v *state.Version) { v.Size++ }), entry(nil), Rules{Hold: "h"}, upload.Upload},
		{"filter changed", disk(nil), entry(nil), excluded, upload.Forget},
		{"filter changed, mirrored", disk(nil), entry(nil), Rules{Excluded: "- a", Deletes: Mirror}, upload.Forget},
		{"filter changed, held", disk(nil), entry(nil), Rules{Excluded: "- a", Hold: "h"}, upload.Skip},
		{"grown beyond max_size", disk(func(v *state.Version) { v.Size = 1e9 }), entry(nil), Rules{Excluded: "max_size 1"}, upload.Forget},

		{"gone, keep", nil, entry(nil), Rules{Deletes: Keep}, upload.Forget},
		{"gone, default", nil, entry(nil), Rules{}, upload.Forget},
		{"gone, unknown mode", nil, entry(nil), Rules{Deletes: "purge"}, upload.Forget},
		{"gone, mirror", nil, entry(nil), Rules{Deletes: Mirror}, upload.Delete},
		{"gone, trash", nil, entry(nil), Rules{Deletes: Trash}, upload.Trash},
		{"gone, racy", nil, entry(racy), Rules{Deletes: Mirror}, upload.Delete},
		{"gone, mirror, held", nil, entry(nil), Rules{Deletes: Mirror, Hold: "h"}, upload.Skip},
		{"gone, keep, held", nil, entry(nil), Rules{Hold: "h"}, upload.Skip},
		{"gone, mirror, assumed", nil, entry(assumed), Rules{Deletes: Mirror}, upload.Forget},
		{"gone, trash, assumed", nil, entry(assumed), Rules{Deletes: Trash}, upload.Forget},
		{"gone and left out", nil, entry(nil), Rules{Deletes: Mirror, Excluded: "- a"}, upload.Forget},
		{"directory replaced by a link", nil, entry(nil), Rules{Deletes: Mirror, Irregular: true}, upload.Forget},
		{"the same, held", nil, entry(nil), Rules{Deletes: Mirror, Irregular: true, Hold: "h"}, upload.Skip},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			got := Decide(tt.disk, tt.known, tt.rules)
			if got.Action != tt.want || got.Reason == "" {
				t.Errorf("Decide = %+v, want action %v and a reason", got, tt.want)
			}
		})
	}
}

// What deletes is only ever chosen for a path at which nothing is, of a verified
// entry, where nothing is held.
func TestDecideNeverDestroysByChance(t *testing.T) {
	v := state.Version{Size: 1, MTime: 2, CTime: 3, FileID: state.FileID{4}}
	for bits := range 1 << 10 {
		on := func(i int) bool { return bits>>i&1 != 0 }
		var disk *state.Version
		if on(0) {
			disk = &v
		}
		var known *state.Entry
		if on(1) {
			known = &state.Entry{Version: v, Racy: on(2), Assumed: on(3)}
		}
		r := Rules{Deletes: Keep, Irregular: on(4), Rekeyed: on(5), Leaving: on(9)}
		if on(6) {
			r.Excluded = "- x"
		}
		if on(7) {
			r.Hold = "h"
		}
		if on(8) {
			r.Deletes = Mirror
		}
		switch d := Decide(disk, known, r); d.Action {
		case upload.Delete, upload.Trash:
			if disk != nil || known == nil || known.Assumed || r.Irregular || r.Excluded != "" || r.Hold != "" || r.Deletes == Keep {
				t.Errorf("%b: %+v", bits, d)
			}
		case upload.Forget:
			if known == nil || r.Hold != "" || disk != nil && r.Excluded == "" {
				t.Errorf("%b: %+v", bits, d)
			}
		case upload.Upload:
			if disk == nil || r.Excluded != "" {
				t.Errorf("%b: %+v", bits, d)
			}
		}
	}
}
