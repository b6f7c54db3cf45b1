package service

import (
	"context"
	"io"
	"log/slog"
)

// A Journal is a handler whose every line begins with the priority that the
// journal takes from it, such as "<3>", so that `journalctl -p err` finds what
// the log calls an error. See sd-daemon(3).
type Journal struct {
	handlers [4]slog.Handler // debug, info, warn, error
}

// NewJournal returns a handler that writes to w what the handlers write that
// make returns.
func NewJournal(w io.Writer, make func(io.Writer) slog.Handler) *Journal {
	j := &Journal{}
	for i, priority := range []string{"<7>", "<6>", "<4>", "<3>"} {
		j.handlers[i] = make(prefixed{w, priority})
	}
	return j
}

// of returns the handler of a level.
func (j *Journal) of(l slog.Level) slog.Handler {
	switch {
	case l >= slog.LevelError:
		return j.handlers[3]
	case l >= slog.LevelWarn:
		return j.handlers[2]
	case l >= slog.LevelInfo:
		return j.handlers[1]
	}
	return j.handlers[0]
}

// Enabled implements slog.Handler, as do the others.
func (j *Journal) Enabled(ctx context.Context, l slog.Level) bool { return j.of(l).Enabled(ctx, l) }

func (j *Journal) Handle(ctx context.Context, r slog.Record) error {
	return j.of(r.Level).Handle(ctx, r)
}

func (j *Journal) WithAttrs(attrs []slog.Attr) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (j *Journal) WithGroup(name string) slog.Handler {
	return j.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (j *Journal) with(change func(slog.Handler) slog.Handler) *Journal {
	other := &Journal{}
	for i, h := range j.handlers {
		other.handlers[i] = change(h)
	}
	return other
}

// A prefixed writer writes each line, which it gets whole, after its prefix
// and in one piece.
type prefixed struct {
	w      io.Writer
	prefix string
}

func (p prefixed) Write(line []byte) (int, error) {
	if _, err := p.w.Write(append([]byte(p.prefix), line...)); err != nil {
		return 0, err
	}
	return len(line), nil
}
