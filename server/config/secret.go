package config

import (
	"fmt"
	"io"
	"log/slog"
)

// redacted is what every printer of a set Secret shows.
const redacted = "redacted"

// Secret is a password or token. Every printer shows "redacted", or nothing if
// it is empty; only Reveal gives the text. The zero Secret is empty.
//
// The text lies behind a pointer: fmt does not call the methods of a Secret in
// an unexported field, but it does not follow a pointer there either.
type Secret struct{ text *string }

// NewSecret keeps text.
func NewSecret(text string) Secret {
	if text == "" {
		return Secret{}
	}
	return Secret{text: &text}
}

// Reveal returns the text, for the one place that needs it. It must go into no
// error, log line or metric.
func (s Secret) Reveal() string {
	if s.text == nil {
		return ""
	}
	return *s.text
}

// IsSet tells whether the secret is not empty.
func (s Secret) IsSet() bool { return s.text != nil }

// String returns "redacted", or "" for an empty secret.
func (s Secret) String() string {
	if !s.IsSet() {
		return ""
	}
	return redacted
}

// GoString is String.
func (s Secret) GoString() string { return s.String() }

// Format prints String whatever the verb.
func (s Secret) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, s.String()) }

// MarshalText covers JSON, XML, TOML and most loggers.
func (s Secret) MarshalText() ([]byte, error) { return []byte(s.String()), nil }

// MarshalYAML covers YAML.
func (s Secret) MarshalYAML() (any, error) { return s.String(), nil }

// LogValue covers log/slog.
func (s Secret) LogValue() slog.Value { return slog.StringValue(s.String()) }
