package main

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"strings"
	"testing"
)

// forms are the ways in which a program gives bytes away by accident, each as a piece that is long enough to be no
// coincidence. Base64 looks different at each of three offsets.
func forms(secret []byte) map[string]string {
	list := strings.Trim(fmt.Sprint(secret), "[]")
	f := map[string]string{
		"raw":               string(secret),
		"hex":               hex.EncodeToString(secret),
		"HEX":               strings.ToUpper(hex.EncodeToString(secret)),
		"hex with colons":   strings.ReplaceAll(fmt.Sprintf("% x", secret), " ", ":"),
		"bytes":             list,
		"bytes with commas": strings.ReplaceAll(list, " ", ","),
	}
	for offset := range 3 {
		padded := append(make([]byte, offset), secret...)
		whole := len(padded) / 3 * 4
		skip := []int{0, 2, 3}[offset] // characters that depend on what is in front
		f[fmt.Sprintf("base64 at %d", offset)] = base64.StdEncoding.EncodeToString(padded)[skip:whole]
		f[fmt.Sprintf("base64url at %d", offset)] = base64.URLEncoding.EncodeToString(padded)[skip:whole]
	}
	return f
}

// findSecret returns the form in which secret is in text, or "".
func findSecret(text, secret []byte) string {
	for name, form := range forms(secret) {
		if bytes.Contains(text, []byte(form)) {
			return name
		}
	}
	return ""
}

func TestSearchFindsSecrets(t *testing.T) {
	secret := make([]byte, 32)
	_, _ = rand.Read(secret)
	for _, front := range []string{"", "x", "xy", "xyz"} {
		whole := append([]byte(front), append(bytes.Clone(secret), "tail"...)...)
		for name, text := range map[string]string{
			"raw": string(whole), "hex": hex.EncodeToString(whole), "HEX": fmt.Sprintf("%X", whole), "base64": base64.StdEncoding.EncodeToString(whole),
			"base64url": base64.RawURLEncoding.EncodeToString(whole), "bytes": fmt.Sprintf("%v", whole), "source": fmt.Sprintf("%d", whole),
		} {
			if findSecret([]byte(text), secret) == "" {
				t.Errorf("%s after %q: not found", name, front)
			}
		}
	}
	other := make([]byte, 32)
	_, _ = rand.Read(other)
	if form := findSecret(fmt.Appendf(nil, "%s %x %v", other, other, other), secret); form != "" {
		t.Errorf("found where it is not: %s", form)
	}
}
