package bucket

import (
	"errors"
	"io"
	"testing"

	"github.com/osssync/osssync/internal/upload"
)

// TestPutNew stores an object once, with a key that has to be escaped.
func TestPutNew(t *testing.T) {
	b, _, _ := open(t, nil)
	const key = "p 1/.osssync/lease"
	if s, err := b.PutNew(t.Context(), key, []byte("first"), upload.Header{ContentType: "application/json"}); err != nil || s.Size != 5 {
		t.Fatalf("PutNew = %+v, %v", s, err)
	}
	if _, err := b.PutNew(t.Context(), key, []byte("second"), upload.Header{}); !errors.Is(err, upload.Conflict) {
		t.Errorf("PutNew of what is there = %v", err)
	}
	r, _, err := b.Get(t.Context(), key)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if body, err := io.ReadAll(r); string(body) != "first" || err != nil {
		t.Errorf("the object is %q, %v", body, err)
	}
}
