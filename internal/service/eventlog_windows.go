package service

import (
	"bytes"
	"context"
	"log/slog"
	"strings"

	"golang.org/x/sys/windows/svc/eventlog"
)

// An EventLog is a handler that writes to the event log of Windows: warnings
// and errors, and what has an id of its own, such as the start and the end.
// The other lines are for who runs osssync in a terminal. Safe for concurrent
// use.
type EventLog struct {
	log   *eventlog.Log
	level slog.Leveler
	scope []func(slog.Handler) slog.Handler // attributes and groups, in their order
}

// OpenEventLog opens the event log for lines of at least that level.
func OpenEventLog(level slog.Leveler) (*EventLog, error) {
	l, err := eventlog.Open(Name)
	if err != nil {
		return nil, err
	}
	return &EventLog{log: l, level: level}, nil
}

// Enabled implements slog.Handler, as do the others.
func (e *EventLog) Enabled(_ context.Context, l slog.Level) bool { return l >= e.level.Level() }

func (e *EventLog) Handle(ctx context.Context, r slog.Record) error {
	if !isNews(r.Message, r.Level) {
		return nil
	}
	text, err := e.text(ctx, r)
	if err != nil {
		return err
	}
	id := EventID(r.Message, r.Level)
	switch {
	case r.Level >= slog.LevelError:
		return e.log.Error(id, text)
	case r.Level >= slog.LevelWarn:
		return e.log.Warning(id, text)
	}
	return e.log.Info(id, text)
}

// text returns the message, and on a second line what belongs to it.
func (e *EventLog) text(ctx context.Context, r slog.Record) (string, error) {
	var b bytes.Buffer
	var h slog.Handler = slog.NewTextHandler(&b, &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: bare})
	for _, f := range e.scope {
		h = f(h)
	}
	if err := h.Handle(ctx, r); err != nil {
		return "", err
	}
	text := r.Message
	if attrs := strings.TrimSpace(b.String()); attrs != "" {
		text += "\r\n" + attrs
	}
	// A NUL would end the text, and make the call fail.
	return strings.ReplaceAll(text, "\x00", " "), nil
}

// bare leaves out what the event log keeps beside the text.
func bare(groups []string, a slog.Attr) slog.Attr {
	if len(groups) == 0 && (a.Key == slog.TimeKey || a.Key == slog.LevelKey || a.Key == slog.MessageKey) {
		return slog.Attr{}
	}
	return a
}

func (e *EventLog) WithAttrs(attrs []slog.Attr) slog.Handler {
	return e.with(func(h slog.Handler) slog.Handler { return h.WithAttrs(attrs) })
}

func (e *EventLog) WithGroup(name string) slog.Handler {
	return e.with(func(h slog.Handler) slog.Handler { return h.WithGroup(name) })
}

func (e *EventLog) with(f func(slog.Handler) slog.Handler) *EventLog {
	scope := append(e.scope[:len(e.scope):len(e.scope)], f)
	return &EventLog{e.log, e.level, scope}
}
