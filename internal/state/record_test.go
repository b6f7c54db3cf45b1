package state

import (
	"errors"
	"math"
	"testing"
	"time"
)

// records are entries with something about them that is hard to keep.
var records = []Entry{
	{},
	entry(1),
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE"},
	{ETag: "5b3c1a2e053d763e1b002cc607c5a0fe"},
	{ETag: "5b3c1a2e053d763e1b002cc607c5A0FE"},       // mixed case
	{ETag: "01234567890123456789012345678901"},       // either case
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE-10000"}, // multipart
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE-18446744073709551615"},
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE-18446744073709551616"},
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE-007"},
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0FE-"},
	{ETag: "5B3C1A2E053D763E1B002CC607C5A0Fé"},
	{ETag: "-"},
	{Key: "a/\xff\x00b", ETag: "\xff"},
	{Racy: true},
	{Assumed: true},
	{Version: Version{Size: math.MaxInt64, MTime: math.MinInt64, CTime: math.MaxInt64, FileID: FileID{math.MaxUint64, math.MaxUint64}}, CRC64: math.MaxUint64, Racy: true, Assumed: true, Key: "k"},
	{Version: Version{Size: -1, MTime: math.MaxInt64, CTime: math.MinInt64, FileID: FileID{0, 1}}},
	{Uploaded: time.UnixMilli(math.MaxInt64 / 10_000_000)},
}

func TestRecord(t *testing.T) {
	for _, want := range records {
		want.Uploaded = time.UnixMilli(want.Uploaded.UnixMilli()).UTC()
		rec := appendRecord([]byte("before"), &want, 7)[len("before"):]
		var got Entry
		if err := parseRecord(rec, 7, &got); err != nil || got != want {
			t.Errorf("parsed %+v, %v, want %+v", got, err, want)
		}
	}
}

// TestRecordRefuses flips every bit of a record, cuts it everywhere, and shows
// it under another path and another root.
func TestRecordRefuses(t *testing.T) {
	v := newView(nil, testKey)
	e := entry(5)
	e.Key = "key"
	rec := appendRecord(nil, &e, v.sum("dir", "name"))
	refused := func(what string, rec []byte, sum uint32) {
		t.Helper()
		if err := parseRecord(rec, sum, new(Entry)); !errors.Is(err, errRecord) {
			t.Errorf("%s: parsed, %v", what, err)
		}
	}
	for bit := range 8 * len(rec) {
		rec[bit/8] ^= 1 << (bit % 8)
		refused("flipped bit", rec, v.sum("dir", "name"))
		rec[bit/8] ^= 1 << (bit % 8)
	}
	for n := range rec {
		refused("cut short", rec[:n], v.sum("dir", "name"))
	}
	for _, path := range [][2]string{{"dir", "other"}, {"di", "rname"}, {"", "dir/name"}, {"dir/name", ""}, {"dir", "name\x00"}} {
		refused("other path", rec, v.sum(path[0], path[1]))
	}
	for _, key := range []RootKey{{}, {Source: testKey.Source, Bucket: testKey.Bucket}, {Source: testKey.Source + testKey.Bucket, Prefix: testKey.Prefix}} {
		refused("other root", rec, newView(nil, key).sum("dir", "name"))
	}
}

// TestRecordSize holds the size that the format promises for a usual file.
func TestRecordSize(t *testing.T) {
	e := entry(100_000)
	e.Uploaded = noon.Add(20 * time.Second)
	if n := len(appendRecord(nil, &e, 0)); n > 56 {
		t.Errorf("a usual record has %d bytes, want 56 at most", n)
	}
}

func FuzzRecord(f *testing.F) {
	for _, e := range records {
		rec := appendRecord(nil, &e, 0)
		f.Add(rec[:len(rec)-4])
	}
	f.Add([]byte{recordVersion, flagsKnown})
	f.Fuzz(func(t *testing.T, body []byte) {
		var first, second Entry
		if parseBody(body, &first) != nil {
			return
		}
		rec := appendRecord(nil, &first, 1)
		if err := parseRecord(rec, 1, &second); err != nil {
			t.Fatalf("%x parses as %+v, whose own record does not: %v", body, first, err)
		}
		if first != second {
			t.Fatalf("%+v came back as %+v", first, second)
		}
	})
}

// FuzzRecordFields tries values instead of bytes.
func FuzzRecordFields(f *testing.F) {
	for _, e := range records {
		f.Add(e.Size, e.MTime, e.CTime, e.FileID[0], e.FileID[1], e.CRC64, e.ETag, e.Key, e.Uploaded.UnixMilli(), e.Racy, e.Assumed)
	}
	f.Fuzz(func(t *testing.T, size, mtime, ctime int64, id0, id1, crc uint64, etag, key string, uploaded int64, racy, assumed bool) {
		want := Entry{Version{size, mtime, ctime, FileID{id0, id1}}, crc, etag, key, time.UnixMilli(uploaded).UTC(), racy, assumed}
		var got Entry
		if err := parseRecord(appendRecord(nil, &want, 9), 9, &got); err != nil {
			t.Fatal(err)
		}
		// Times so far away that they have no milliseconds wrap around.
		if got.Uploaded.UnixMilli() == want.Uploaded.UnixMilli() {
			got.Uploaded = want.Uploaded
		}
		if got != want {
			t.Fatalf("got %+v, want %+v", got, want)
		}
	})
}

// FuzzPlan does the same for the rows of unfinished uploads and of roots.
func FuzzPlan(f *testing.F) {
	f.Add("id", "key", int64(1), int64(2), 3, "etag", uint64(4))
	f.Add("", "", int64(math.MinInt64), int64(math.MaxInt64), math.MaxInt32, "\xff", uint64(math.MaxUint64))
	f.Fuzz(func(t *testing.T, id, key string, a, b int64, n int, etag string, crc uint64) {
		n &= math.MaxInt32
		u := &Upload{ID: id, Key: key, Version: Version{a, b, a, FileID{crc, crc}}, PartSize: b, Began: noon}
		if got, err := parseUpload(appendUpload(nil, u, 1), 1); err != nil || got.Version != u.Version || got.ID != id || got.Key != key || got.PartSize != b || !got.Began.Equal(noon) {
			t.Errorf("upload %+v came back as %+v, %v", u, got, err)
		}
		p := Part{n, a, crc, etag}
		if got, err := parsePart(appendPart(nil, &p, partSum(id)), partSum(id)); err != nil || got != p {
			t.Errorf("part %+v came back as %+v, %v", p, got, err)
		}
		r := rootRecord{Identity{crc, FileID{uint64(a), uint64(b)}}, a > 0, b > 0, a > b}
		if got := parseRoot(r.append(nil, 5), 5); got != r {
			t.Errorf("root %+v came back as %+v", r, got)
		}
		if got := parseRoot(r.append(nil, 5), 6); got != (rootRecord{}) {
			t.Errorf("root of another key came back as %+v", got)
		}
	})
}
