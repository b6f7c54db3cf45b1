package bucket

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/osssync/osssync/internal/creds"
	"github.com/osssync/osssync/internal/upload"
	"github.com/osssync/osssync/test/sandbox/oss"
)

// A credential that the service refuses is replaced once, and the request sent
// again with its whole body.
func TestRefresh(t *testing.T) {
	for _, fault := range []oss.TokenFault{oss.TokenExpired, oss.TokenInvalid, oss.TokenRevoked} {
		b, s, r := open(t, nil)
		s.Faults().Add(oss.Fault{Token: fault, Count: 1})
		st, err := b.Put(t.Context(), "k", []byte("123456789"), upload.Header{})
		if err != nil || st.CRC64 != 0x995dc9bbdf1939fa || r.refreshes != 1 || b.Requests() != 2 {
			t.Errorf("%s once: %+v, %v, %d refreshes, %d requests", fault, st, err, r.refreshes, b.Requests())
		}
		s.Faults().Add(oss.Fault{Token: fault})
		_, err = b.Put(t.Context(), "k", []byte("123456789"), upload.Header{})
		if !errors.Is(err, upload.Credential) || r.refreshes != 2 || b.Requests() != 4 {
			t.Errorf("%s always: %v, %d refreshes, %d requests", fault, err, r.refreshes, b.Requests())
		}
	}
}

// Where there is no other credential, the first answer stands.
func TestRefreshInVain(t *testing.T) {
	b, r := answering(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(403)
		fmt.Fprint(w, "<Error><Code>SecurityTokenExpired</Code></Error>")
	})
	b.opt.Credentials = same{r}
	if _, err := b.Put(t.Context(), "k", nil, upload.Header{}); !errors.Is(err, upload.Credential) || b.Requests() != 1 {
		t.Errorf("%v after %d requests", err, b.Requests())
	}
	cause := errors.New("no role attached")
	b.opt.Credentials = none{r, cause}
	_, err := b.Head(t.Context(), "k")
	if !errors.Is(err, upload.Credential) || !errors.Is(err, cause) || b.Requests() != 1 {
		t.Errorf("no credential at all: %v after %d requests", err, b.Requests())
	}
}

type same struct{ *role }

func (s same) Refresh(ctx context.Context, _ uint64) (*creds.Snapshot, error) { return s.Get(ctx) }

type none struct {
	*role
	err error
}

func (n none) Get(context.Context) (*creds.Snapshot, error) { return nil, n.err }

// A wrong secret is asked about once; then no credential can help.
func TestSignature(t *testing.T) {
	b, _, r := open(t, nil)
	r.snap.AccessKeySecret = creds.NewSecret("wrong")
	if _, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{}); err != nil || r.refreshes != 1 {
		t.Errorf("wrong secret: %v, %d refreshes", err, r.refreshes)
	}
	b, s, r := open(t, nil)
	s.Faults().Add(oss.Fault{Status: 403, Code: "SignatureDoesNotMatch"})
	_, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{})
	if !errors.Is(err, upload.ThisJob) || r.refreshes != 1 {
		t.Errorf("signature never matches: %v, %d refreshes", err, r.refreshes)
	}
}

// A clock that is wrong by hours does not stop anything, and costs one request.
func TestSkew(t *testing.T) {
	b, s, r := open(t, nil)
	s.Faults().Add(oss.Fault{Skew: 3 * time.Hour})
	for range 2 {
		if _, err := b.Put(t.Context(), "k", []byte("x"), upload.Header{}); err != nil {
			t.Fatal(err)
		}
		r.offset = 3 * time.Hour // as the provider learns from ObserveDate
	}
	if b.Requests() != 3 || r.refreshes != 0 || r.dates != 3 {
		t.Errorf("%d requests, %d refreshes, %d dates", b.Requests(), r.refreshes, r.dates)
	}
}
