package upload

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/osssync/osssync/internal/state"
)

// SendOptions tunes Send. The zero value means the defaults.
type SendOptions struct {
	Header   Header       // without a content type, it is that of the key's extension
	Size     int64        // bytes that are expected, to choose the part size by; 0 or less means unknown
	Check    func() error // asked before the object is made; an error prevents it
	PartSize int64        // bytes; 0 means 8 MiB
	Parallel int          // parts in flight at once; 0 means 4
	Logger   *slog.Logger // nil means none
}

// Send stores what r yields, whatever its length, under a key. It holds one
// part in memory for each that is in flight and one more. Where it fails, no
// object was made and no part is left, unless the service could not be reached.
// It returns only when r does.
func Send(ctx context.Context, b Bucket, key string, r io.Reader, opt SendOptions) (Stored, error) {
	if opt.Header.ContentType == "" {
		opt.Header.ContentType = ContentType(key)
	}
	if opt.PartSize <= 0 {
		opt.PartSize = defaultPart
	}
	opt.PartSize = partSize(opt.Size, max(opt.PartSize, leastPart))
	if opt.Parallel <= 0 {
		opt.Parallel = 4
	}
	if opt.Check == nil {
		opt.Check = func() error { return nil }
	}
	if opt.Logger == nil {
		opt.Logger = slog.New(slog.DiscardHandler)
	}
	s := &stream{
		link: link{b, newGate(opt.Parallel), opt.Logger},
		key:  key, r: r, opt: opt,
		free: make(chan []byte, opt.Parallel+1), // one is being read into
	}
	return s.send(ctx)
}

// A stream is something that is being sent while it is read.
type stream struct {
	link link
	key  string
	r    io.Reader
	opt  SendOptions
	free chan []byte // buffers to use again

	mu    sync.Mutex
	parts []state.Part // those that arrived
}

func (s *stream) send(ctx context.Context) (stored Stored, err error) {
	body, end, err := s.next(1)
	if err != nil {
		return stored, err
	}
	if !end {
		return s.sendParts(ctx, body)
	}
	if err := s.opt.Check(); err != nil {
		return stored, err
	}
	crc := checksum(body)
	err = retry(ctx, partTries, func() (err error) {
		stored, _, err = s.link.put(ctx, s.key, body, crc, s.opt.Header)
		return err
	})
	stored.Size = int64(len(body))
	return stored, err
}

// next reads a part and reports whether it is the last one, which may be
// empty. Parts become larger in the course of a long stream, so that their
// number suffices.
func (s *stream) next(number int) (body []byte, end bool, err error) {
	const generation = 1000
	size := min(s.opt.PartSize<<((number-1)/generation), largestPart)
	var buf []byte
	select {
	case buf = <-s.free:
	default:
	}
	if int64(cap(buf)) < size {
		buf = make([]byte, size)
	}
	n, err := io.ReadFull(s.r, buf[:size])
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return buf[:n], true, nil
	}
	if err != nil {
		return nil, false, fmt.Errorf("read: %w", err)
	}
	return buf[:size], false, nil
}

func (s *stream) sendParts(ctx context.Context, first []byte) (stored Stored, err error) {
	var id string
	err = retry(ctx, partTries, func() (err error) {
		id, err = s.link.Create(ctx, s.key, s.opt.Header)
		return err
	})
	if err != nil {
		return stored, err
	}
	err = s.readParts(ctx, id, first)
	if err == nil {
		err = s.opt.Check()
	}
	if err == nil {
		slices.SortFunc(s.parts, func(a, b state.Part) int { return a.Number - b.Number })
		err = retry(ctx, partTries, func() (err error) {
			stored, err = s.link.complete(ctx, s.key, id, s.parts)
			return err
		})
	}
	if err != nil {
		clean, cancel := cleanup(ctx)
		defer cancel()
		return stored, errors.Join(err, s.link.abort(clean, s.key, id))
	}
	stored.Size = 0
	for _, p := range s.parts {
		stored.Size += p.Size
	}
	return stored, nil
}

// readParts reads parts and sends them, several at once.
func (s *stream) readParts(ctx context.Context, id string, body []byte) error {
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(s.opt.Parallel)
	end := false
	for n := 1; len(body) > 0; n++ {
		this := body
		g.Go(func() error {
			err := s.sendPart(gctx, id, n, this)
			s.free <- this
			return err
		})
		if end || gctx.Err() != nil {
			break
		}
		var err error
		if n == mostParts {
			err = errors.New("read: longer than an object can be")
		} else {
			body, end, err = s.next(n + 1)
		}
		if err != nil {
			g.Wait()
			return err
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return ctx.Err()
}

func (s *stream) sendPart(ctx context.Context, id string, n int, body []byte) error {
	crc := checksum(body)
	return retry(ctx, partTries, func() error {
		p, _, err := s.link.part(ctx, s.key, id, n, body, crc)
		if err != nil {
			return err
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.parts = append(s.parts, p)
		return nil
	})
}
