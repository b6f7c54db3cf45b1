package bucket

import (
	"context"
	"net/http"

	"github.com/osssync/osssync/internal/upload"
)

// PutNew stores an object where there is none of that key. Where there is one,
// the error's class is [upload.Conflict]; but a bucket that keeps versions, or
// has kept them, ignores the condition and stores it.
func (b *Bucket) PutNew(ctx context.Context, key string, body []byte, h upload.Header) (upload.Stored, error) {
	c := &call{op: "put", method: http.MethodPut, key: key, header: headers(h), body: nonNil(body)}
	c.header.set("x-oss-forbid-overwrite", "true")
	return b.put(ctx, c)
}
