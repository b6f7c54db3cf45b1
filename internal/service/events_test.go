package service

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"log/slog"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// Every warning and error of the program has an event id, and no two share one.
func TestEvents(t *testing.T) {
	byID := map[uint32]string{}
	for message, id := range events {
		if other, taken := byID[id]; taken || id == 0 || id >= otherInfo {
			t.Errorf("%q has the id %d, as %q", message, id, other)
		}
		byID[id] = message
	}
	for _, message := range logged(t) {
		if events[message] == 0 {
			t.Errorf("%q has no id in events.go", message)
		}
	}
	for level, want := range map[slog.Level]uint32{slog.LevelInfo: otherInfo, slog.LevelWarn: otherWarning, slog.LevelError: otherError} {
		if id := EventID("never said", level); id != want {
			t.Errorf("id of an unknown message: %d, want %d", id, want)
		}
	}
	if !isNews("osssync starts", slog.LevelInfo) || isNews("uploaded", slog.LevelInfo) || !isNews("never said", slog.LevelWarn) || isNews("role changed", slog.LevelDebug) {
		t.Error("isNews is wrong")
	}
}

// logged returns the messages of all calls of Warn, Error and their like on a
// logger.
func logged(t *testing.T) []string {
	t.Helper()
	var all []string
	for _, top := range []string{"../../cmd", "../../internal"} {
		err := filepath.WalkDir(top, func(path string, d fs.DirEntry, err error) error {
			if err != nil || !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
				return err
			}
			f, err := parser.ParseFile(token.NewFileSet(), path, nil, 0)
			if err != nil {
				return err
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if m := message(call); m != "" {
						all = append(all, m)
					}
				}
				return true
			})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(all) < 20 {
		t.Fatalf("only %d messages found", len(all))
	}
	return all
}

// message returns the message of a call such as log.WarnContext(ctx, "…"), ""
// for any other.
func message(call *ast.CallExpr) string {
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok {
		return ""
	}
	at := 0
	switch sel.Sel.Name {
	case "Warn", "Error":
		if x, ok := sel.X.(*ast.Ident); ok && x.Name == "http" {
			return ""
		}
	case "WarnContext", "ErrorContext":
		at = 1
	case "LogAttrs":
		at = 2
		level, ok := call.Args[1].(*ast.SelectorExpr)
		if !ok || level.Sel.Name != "LevelWarn" && level.Sel.Name != "LevelError" {
			return ""
		}
	default:
		return ""
	}
	if len(call.Args) <= at {
		return ""
	}
	lit, ok := call.Args[at].(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}
