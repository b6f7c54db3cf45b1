package creds

import (
	"crypto/subtle"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

const redacted = "[redacted]"

var errSecretDecode = errors.New("decode secret: refused")

// A Secret is a string that does not print, log or marshal, and that nothing
// can be unmarshalled into. Only Reveal returns it. The zero Secret is empty.
//
// The string is behind a pointer because fmt does not call methods on
// unexported fields: a struct that holds a Secret in one prints an address.
type Secret struct{ p *string }

// NewSecret returns a Secret that holds s.
func NewSecret(s string) Secret { return Secret{&s} }

// Reveal returns the secret itself. Call it where the request is signed and
// nowhere else.
func (s Secret) Reveal() string {
	if s.p == nil {
		return ""
	}
	return *s.p
}

// Equal reports whether both hold the same string, in a time that depends on
// the lengths only.
func (s Secret) Equal(t Secret) bool {
	return subtle.ConstantTimeCompare([]byte(s.Reveal()), []byte(t.Reveal())) == 1
}

// Format implements fmt.Formatter, which, unlike fmt.Stringer, covers every verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, redacted) }

// String returns a placeholder.
func (s Secret) String() string { return redacted }

// GoString returns a placeholder.
func (s Secret) GoString() string { return redacted }

// LogValue implements slog.LogValuer with a placeholder.
func (s Secret) LogValue() slog.Value { return slog.StringValue(redacted) }

// MarshalText returns a placeholder.
func (s Secret) MarshalText() ([]byte, error) { return []byte(redacted), nil }

// MarshalJSON returns a placeholder.
func (s Secret) MarshalJSON() ([]byte, error) { return []byte(`"` + redacted + `"`), nil }

// MarshalBinary returns a placeholder.
func (s Secret) MarshalBinary() ([]byte, error) { return []byte(redacted), nil }

// GobEncode returns a placeholder.
func (s Secret) GobEncode() ([]byte, error) { return []byte(redacted), nil }

// UnmarshalText always fails.
func (s *Secret) UnmarshalText([]byte) error { return errSecretDecode }

// UnmarshalJSON always fails.
func (s *Secret) UnmarshalJSON([]byte) error { return errSecretDecode }

// UnmarshalBinary always fails.
func (s *Secret) UnmarshalBinary([]byte) error { return errSecretDecode }

// GobDecode always fails.
func (s *Secret) GobDecode([]byte) error { return errSecretDecode }

// Scan implements fmt.Scanner; it always fails.
func (s *Secret) Scan(fmt.ScanState, rune) error { return errSecretDecode }
