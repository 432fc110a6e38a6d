package main

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"strings"
	"testing"
)

func TestRandomKeysPass(t *testing.T) {
	n := 200_000
	if testing.Short() {
		n = 20_000
	}
	key := make([]byte, 32)
	for range n {
		_, _ = rand.Read(key)
		if err := checkEntropy(key); err != nil {
			t.Fatalf("a random key was refused: %v", err)
		}
	}
}

func TestWeakKeysAreRefused(t *testing.T) {
	counting, down, sevens, two := make([]byte, 32), make([]byte, 32), make([]byte, 32), make([]byte, 32)
	for i := range 32 {
		counting[i], down[i], sevens[i] = byte(i), byte(200-i), byte(7*i)
		two[i] = byte(i%2)*0x55 + 3
	}
	bits := bytes.Repeat([]byte{0}, 32)
	for i := range 20 {
		bits[i] = 1 << (i % 8)
	}
	for name, key := range map[string][]byte{
		"zeros": make([]byte, 32), "one byte repeated": bytes.Repeat([]byte{0xa7}, 32),
		"counting": counting, "counting down": down, "steps of seven": sevens, "two bytes": two,
		"a passphrase":           []byte("correct horse battery staple 123"),
		"hex digits of 16 bytes": []byte("8f14e45fceea167a5a36dedd4bea2543"),
		"base64 of 24 bytes":     []byte("cnVmZmxlIHRoZSBmZWF0aGVycyE9PT09"),
		"16 bytes twice":         bytes.Repeat([]byte("\x8f\x14\xe4\x5f\xce\xea\x16\x7a\x5a\x36\xde\xdd\x4b\xea\x25\x43"), 2),
		"half empty":             append([]byte("\x8f\x14\xe4\x5f\xce\xea\x16\x7a\x5a\x36\xde\xdd\x4b\xea\x25\x43"), make([]byte, 16)...),
		"single bits":            bits,
	} {
		if len(key) != 32 {
			t.Fatalf("%s has %d bytes", name, len(key))
		}
		if checkEntropy(key) == nil {
			t.Errorf("%s: taken", name)
		}
	}
}

func TestParseKeyTakesEveryRawKey(t *testing.T) {
	for _, edge := range []string{" ", "\n", "\t", "\r", "\v", "\x00", "\ufeff"[:1]} {
		key := append([]byte(edge), make([]byte, 30)...)
		key = append(key, edge...)
		if got, err := parseKey(key); err != nil || !bytes.Equal(got, key) {
			t.Errorf("a raw key between %q: %x, %v", edge, got, err)
		}
	}
}

func TestParseKeyErrorsHaveNoDigits(t *testing.T) {
	digits := strings.Repeat("ab", 31) + "zq"
	_, err := parseKey([]byte(digits))
	if err == nil || strings.Contains(err.Error(), "'z'") {
		t.Errorf("%v", err)
	}
}

func FuzzParseKey(f *testing.F) {
	f.Add(bytes.Repeat([]byte{1}, 32))
	f.Add([]byte(strings.Repeat("0f", 32) + "\r\n"))
	f.Add([]byte(strings.Repeat("0f", 31)))
	f.Add(bytes.Repeat([]byte{' '}, 64))
	f.Fuzz(func(t *testing.T, data []byte) {
		key, err := parseKey(bytes.Clone(data))
		if err != nil {
			return
		}
		raw := bytes.Equal(key, data)
		digits := strings.EqualFold(hex.EncodeToString(key), string(bytes.TrimSpace(data)))
		if len(key) != 32 || raw == digits || raw != (len(data) == 32) {
			t.Errorf("%q became %x", data, key)
		}
		_ = checkEntropy(key) // must not panic
	})
}

// TestPassphraseWithItsLineEndIsNoKey: 31 characters and an editor's newline are 32 bytes.
func TestPassphraseWithItsLineEndIsNoKey(t *testing.T) {
	for _, text := range []string{"zebra Quick fox jumps over lo9!\n", "zebra Quick fox jumps ovr lo9!\r\n", "Zürich Qüick föx jümps öve\n"} {
		if len(text) != 32 {
			t.Fatalf("%q has %d bytes", text, len(text))
		}
		if checkEntropy([]byte(text)) == nil {
			t.Errorf("%q is taken for a key", text)
		}
	}
}
