package upload

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"
	"testing/iotest"
	"testing/synctest"
	"time"
)

func TestSend(t *testing.T) {
	for _, size := range []int{0, 1, testPart - 1, testPart, testPart + 1, 9*testPart + 5} {
		s := newStore()
		data := pattern(size, 1)
		r := iotest.HalfReader(bytes.NewReader(data))
		st, err := Send(t.Context(), s, "k.json", r, SendOptions{PartSize: testPart, Size: -1})
		if err != nil {
			t.Fatal(err)
		}
		o := s.objects["k.json"]
		if !bytes.Equal(o.data, data) || st.Size != int64(size) || st.CRC64 != checksum(data) || o.h.ContentType != "application/json" {
			t.Errorf("%d bytes: %+v, %d stored as %s", size, st, len(o.data), o.h.ContentType)
		}
		if (s.count("put") == 1) != (size < testPart) || len(s.pending) > 0 {
			t.Errorf("%d bytes: calls %v", size, s.calls)
		}
	}
}

// Where it fails for good, there is no object and no upload.
func TestSendFails(t *testing.T) {
	data := pattern(5*testPart, 2)
	broken := errors.New("broken")
	denied := &RequestError{Class: ThisJob, Status: 403}
	cases := map[string]func(s *store, opt *SendOptions) (io.Reader, error){
		"reader": func(*store, *SendOptions) (io.Reader, error) {
			return io.MultiReader(bytes.NewReader(data), iotest.ErrReader(broken)), broken
		},
		"check": func(_ *store, opt *SendOptions) (io.Reader, error) {
			opt.Check = func() error { return broken }
			return bytes.NewReader(data), broken
		},
		"check of a small one": func(_ *store, opt *SendOptions) (io.Reader, error) {
			opt.Check = func() error { return broken }
			return bytes.NewReader(data[:10]), broken
		},
		"part": func(s *store, _ *SendOptions) (io.Reader, error) {
			s.fault = func(op string, _ bool) error {
				if op == "part" && s.count("part") > 2 {
					return denied
				}
				return nil
			}
			return bytes.NewReader(data), ThisJob
		},
		"complete": func(s *store, _ *SendOptions) (io.Reader, error) {
			s.fault = func(op string, done bool) error {
				if op == "complete" && !done {
					return &RequestError{Class: Transient, Status: 503}
				}
				return nil
			}
			return bytes.NewReader(data), Transient
		},
		"always damaged": func(s *store, _ *SendOptions) (io.Reader, error) {
			s.corrupt = func(op string) bool { return true }
			return bytes.NewReader(data), ErrMismatch
		},
	}
	for name, prepare := range cases {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				s := newStore()
				opt := SendOptions{PartSize: testPart}
				r, want := prepare(s, &opt)
				if _, err := Send(t.Context(), s, "k", r, opt); !errors.Is(err, want) {
					t.Errorf("Send = %v, want %v", err, want)
				}
				if len(s.objects)+len(s.pending) > 0 {
					t.Errorf("left over: %d objects, %d uploads", len(s.objects), len(s.pending))
				}
			})
		})
	}
}

// Errors that pass are ridden out, and a lost reply costs no second sending.
func TestSendRetries(t *testing.T) {
	for _, size := range []int{100, 3*testPart + 1} {
		synctest.Test(t, func(t *testing.T) {
			s := newStore()
			data := pattern(size, 3)
			calls := 0
			s.fault = func(op string, done bool) error {
				s.mu.Lock()
				defer s.mu.Unlock()
				if calls++; op != "head" && calls%5 == 3 {
					return &RequestError{Class: Transient}
				}
				return nil
			}
			if _, err := Send(t.Context(), s, "k", bytes.NewReader(data), SendOptions{PartSize: testPart}); err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(s.objects["k"].data, data) {
				t.Error("object is not what was sent")
			}
		})
	}
}

func TestSendCancelled(t *testing.T) {
	s := newStore()
	ctx, cancel := context.WithCancel(t.Context())
	s.hold = func(op string, _ int64) { cancel() }
	_, err := Send(ctx, s, "k", bytes.NewReader(pattern(6*testPart, 4)), SendOptions{PartSize: testPart})
	if !errors.Is(err, context.Canceled) || len(s.objects)+len(s.pending) > 0 {
		t.Errorf("Send = %v; %d objects, %d uploads", err, len(s.objects), len(s.pending))
	}
}

// A server that does not answer keeps nobody who has pressed Ctrl-C.
func TestSendCancelledDeadServer(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := newStore()
		ctx, cancel := context.WithCancel(t.Context())
		var at time.Time
		s.hold = func(string, int64) {
			if at.IsZero() {
				at = time.Now()
				cancel()
			}
		}
		_, err := Send(ctx, deadStore{s}, "k", bytes.NewReader(pattern(6*testPart, 4)), SendOptions{PartSize: testPart, Parallel: 1})
		if took := time.Since(at); !errors.Is(err, context.Canceled) || took > time.Second {
			t.Errorf("Send = %v after %v", err, took)
		}
	})
}

// A deadStore never answers to Abort.
type deadStore struct{ *store }

func (deadStore) Abort(ctx context.Context, _, _ string) error {
	<-ctx.Done()
	return ctx.Err()
}

// The parts of a long stream grow, so that 10,000 of them reach far.
func TestSendGrows(t *testing.T) {
	s := &stream{opt: SendOptions{PartSize: testPart}, r: neverEnding{}, free: make(chan []byte, 1)}
	for number, want := range map[int]int{1: testPart, 1000: testPart, 1001: 2 * testPart, 2001: 4 * testPart} {
		if body, end, err := s.next(number); len(body) != want || end || err != nil {
			t.Errorf("part %d: %d bytes, end %t, %v; want %d", number, len(body), end, err, want)
		}
	}
}

type neverEnding struct{}

func (neverEnding) Read(p []byte) (int, error) { return len(p), nil }
