package creds

import (
	"bytes"
	"encoding/gob"
	"encoding/json"
	"encoding/xml"
	"errors"
	"expvar"
	"fmt"
	"log"
	"log/slog"
	"strings"
	"testing"
	"text/template"
	"time"
)

// hider has a Secret in an unexported field, where fmt cannot call its methods.
type hider struct {
	name   string
	secret Secret
	inner  struct{ deep *Secret }
}

func TestSecretDoesNotPrint(t *testing.T) {
	s := NewSecret(secretMark)
	snap := (&grant{id: "STS.x", secret: s, token: NewSecret(tokenMark), expires: time.Now()}).snapshot(1, "app", fromMetadata)
	h := hider{name: "h", secret: s}
	h.inner.deep = &s
	values := []any{
		s, &s, snap, *snap, h, &h, []Secret{s}, map[string]Secret{"a": s}, map[Secret]int{s: 1}, [1]any{s},
		struct{ S *Secret }{&s}, fmt.Errorf("wrapped: %v", s), errors.Join(fmt.Errorf("%w", error(failf(NoRole, "x %v", s)))),
		&grant{secret: s, token: s}, roleSource{}, &session{token: s},
	}
	verbs := []string{"%v", "%+v", "%#v", "%s", "%q", "%d", "%x", "%X", "%o", "%b", "%c", "%U", "%e", "%f", "%g", "%t", "%T", "%10v", "%-10.3s", "%08d", "% x", "%#x", "%w", "%!", "%z"}
	for i, v := range values {
		for _, verb := range verbs {
			noSecrets(t, fmt.Sprintf(verb, v))
		}
		noSecrets(t, fmt.Sprint(v)+fmt.Sprintln(v, v))
		for name, encode := range encoders() {
			out, err := encode(v)
			noSecrets(t, out)
			if err != nil {
				noSecrets(t, err.Error())
			}
			if i == 0 && err == nil && !strings.Contains(out, "redacted") {
				t.Errorf("%s of a Secret = %q", name, out)
			}
		}
	}
	if got := fmt.Sprintf("%v|%d|%#v|%s", s, s, s, s); got != "[redacted]|[redacted]|[redacted]|[redacted]" {
		t.Errorf("printed as %q", got)
	}
}

func encoders() map[string]func(v any) (string, error) {
	into := func(f func(b *bytes.Buffer, v any) error) func(any) (string, error) {
		return func(v any) (string, error) {
			var b bytes.Buffer
			err := f(&b, v)
			return b.String(), err
		}
	}
	return map[string]func(any) (string, error){
		"json": into(func(b *bytes.Buffer, v any) error { return json.NewEncoder(b).Encode(v) }),
		"xml":  into(func(b *bytes.Buffer, v any) error { return xml.NewEncoder(b).Encode(v) }),
		"gob":  into(func(b *bytes.Buffer, v any) error { return gob.NewEncoder(b).Encode(v) }),
		"log":  into(func(b *bytes.Buffer, v any) error { log.New(b, "", 0).Print(v); return nil }),
		"slog text": into(func(b *bytes.Buffer, v any) error {
			slog.New(slog.NewTextHandler(b, nil)).With("a", v).WithGroup("g").Error("m", "v", v, slog.Group("h", "w", v))
			return nil
		}),
		"slog json": into(func(b *bytes.Buffer, v any) error {
			slog.New(slog.NewJSONHandler(b, nil)).With("a", v).Error("m", "v", v, "any", []any{v})
			return nil
		}),
		"template": into(func(b *bytes.Buffer, v any) error {
			return template.Must(template.New("").Parse(`{{.}} {{printf "%d %q" . .}}`)).Execute(b, v)
		}),
		"expvar": into(func(b *bytes.Buffer, v any) error {
			b.WriteString(expvar.Func(func() any { return v }).String())
			return nil
		}),
		"panic": into(func(b *bytes.Buffer, v any) (err error) {
			defer func() { err = fmt.Errorf("%v %+v", recover(), v) }()
			panic(v)
		}),
	}
}

func TestSecretCannotBeRead(t *testing.T) {
	var s Secret
	var gobbed bytes.Buffer
	if err := gob.NewEncoder(&gobbed).Encode(NewSecret(secretMark)); err != nil {
		t.Fatal(err)
	}
	for name, err := range map[string]error{
		"json":   json.Unmarshal([]byte(`"x"`), &s),
		"object": json.Unmarshal([]byte(`{"S":"x"}`), &struct{ S *Secret }{}),
		"xml":    xml.Unmarshal([]byte(`<a>x</a>`), &s),
		"text":   s.UnmarshalText([]byte("x")),
		"binary": s.UnmarshalBinary([]byte("x")),
		"gob":    gob.NewDecoder(&gobbed).Decode(&s),
		"scan":   scan("x", &s),
	} {
		if err == nil || s.Reveal() != "" {
			t.Errorf("%s: a secret was unmarshalled", name)
		}
	}
}

func scan(from string, to any) error {
	_, err := fmt.Sscan(from, to)
	return err
}

func TestSecretEqual(t *testing.T) {
	var zero Secret
	a, b := NewSecret("a"), NewSecret("a")
	if !a.Equal(b) || a.Equal(NewSecret("b")) || a.Equal(zero) || !zero.Equal(NewSecret("")) || zero.Reveal() != "" {
		t.Error("Equal does not compare what is held")
	}
}
