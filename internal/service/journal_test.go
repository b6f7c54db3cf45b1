package service

import (
	"bytes"
	"context"
	"io"
	"log/slog"
	"testing"
)

func TestJournal(t *testing.T) {
	t.Parallel()
	var b bytes.Buffer
	opt := &slog.HandlerOptions{Level: slog.LevelDebug, ReplaceAttr: func(_ []string, a slog.Attr) slog.Attr {
		if a.Key == slog.TimeKey {
			return slog.Attr{}
		}
		return a
	}}
	log := slog.New(NewJournal(&b, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, opt) })).With("job", "docs")
	log.Debug("d")
	log.Info("i")
	log.Warn("w")
	log.WithGroup("g").Error("e", "n", 1)
	want := `<7>{"level":"DEBUG","msg":"d","job":"docs"}
<6>{"level":"INFO","msg":"i","job":"docs"}
<4>{"level":"WARN","msg":"w","job":"docs"}
<3>{"level":"ERROR","msg":"e","job":"docs","g":{"n":1}}
`
	if got := b.String(); got != want {
		t.Errorf("wrote\n%s\nwant\n%s", got, want)
	}
	opt.Level = slog.LevelWarn
	quiet := NewJournal(&b, func(w io.Writer) slog.Handler { return slog.NewJSONHandler(w, opt) })
	if quiet.Enabled(context.Background(), slog.LevelInfo) || !quiet.Enabled(context.Background(), slog.LevelWarn) {
		t.Error("the level is not that of its handlers")
	}
}
