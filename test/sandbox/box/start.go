package box

import (
	"context"
	"testing"
	"time"
)

// Start runs a box until the test ends, in a temporary directory of its own.
func Start(t testing.TB, opt Options) *Box {
	t.Helper()
	b, err := New(t.TempDir(), opt)
	if err != nil {
		t.Fatalf("start the sandbox: %v", err)
	}
	t.Cleanup(func() {
		if err := b.Close(); err != nil {
			t.Errorf("close the sandbox: %v", err)
		}
	})
	return b
}

// WaitFor waits until the bucket's objects are as ok wants them and returns
// them. The test fails if they are not so within the time.
func (b *Box) WaitFor(t testing.TB, within time.Duration, ok func(map[string]Object) bool) map[string]Object {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), within)
	defer cancel()
	objects, err := b.Wait(ctx, ok)
	if err != nil {
		t.Fatalf("objects are not as wanted: %v; there are %d: %v", err, len(objects), some(objects))
	}
	return objects
}

// WaitForKeys waits until the bucket holds all of the keys, and perhaps others.
func (b *Box) WaitForKeys(t testing.TB, within time.Duration, keys ...string) map[string]Object {
	t.Helper()
	return b.WaitFor(t, within, func(objects map[string]Object) bool {
		for _, k := range keys {
			if _, ok := objects[k]; !ok {
				return false
			}
		}
		return true
	})
}
