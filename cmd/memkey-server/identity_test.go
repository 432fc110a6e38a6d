package main

import (
	"bytes"
	"encoding/hex"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestSeedForms: 32 bytes are a seed whatever they are, line breaks included; anything of another length is none.
func TestSeedForms(t *testing.T) {
	path := filepath.Join(t.TempDir(), "identity")
	blank := bytes.Repeat([]byte("\n"), 32)
	digits := []byte("0123456789abcdef0123456789abcdef")
	for name, c := range map[string]struct{ content, want []byte }{
		"raw":                   {masterBytes('s'), masterBytes('s')},
		"raw line breaks":       {blank, blank},
		"raw that looks hex":    {digits, digits},
		"hex":                   {[]byte(hex.EncodeToString(digits)), digits},
		"HEX and a newline":     {[]byte(strings.ToUpper(hex.EncodeToString(digits)) + "\n"), digits},
		"raw and a newline":     {append(bytes.Clone(digits), '\n'), nil},
		"hex and two newlines":  {[]byte(hex.EncodeToString(digits) + "\n\n"), nil},
		"hex and CRLF":          {[]byte(hex.EncodeToString(digits) + "\r\n"), nil},
		"64 bytes that are not": {bytes.Repeat([]byte("g"), 64), nil},
		"short":                 {digits[:31], nil},
		"empty":                 {nil, nil},
		"long":                  {make([]byte, 1000), nil},
	} {
		if err := os.WriteFile(path, c.content, 0o600); err != nil {
			t.Fatal(err)
		}
		seed, err := readSeed(path, true)
		if !bytes.Equal(seed, c.want) || (err == nil) != (c.want != nil) {
			t.Errorf("%s: %x, %v", name, seed, err)
		}
		if err != nil && strings.Contains(err.Error(), "0123456789abcdef") {
			t.Errorf("%s: the error shows the seed: %v", name, err)
		}
	}
	for _, mode := range []os.FileMode{0o640, 0o604, 0o602} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := readSeed(path, true); err == nil || !strings.Contains(err.Error(), "others can read or write") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
}

// TestInitNeverReplacesAnIdentity, also when two run at once.
func TestInitNeverReplacesAnIdentity(t *testing.T) {
	path := filepath.Join(t.TempDir(), "new", "identity")
	if err := makeIdentity(path); err != nil {
		t.Fatal(err)
	}
	first, err := readSeed(path, true)
	if err != nil {
		t.Fatal(err)
	}
	if err := makeIdentity(path); err == nil {
		t.Error("a second one is made")
	}
	if second, err := readSeed(path, true); err != nil || !bytes.Equal(first, second) {
		t.Errorf("the identity changed (%v)", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("%v are left (%v)", left, err)
	}
	if info, err := os.Stat(filepath.Dir(path)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("the directory has the mode %v (%v)", info.Mode(), err)
	}
}

func TestIdentityPrintsNoKey(t *testing.T) {
	id, err := newIdentity(masterBytes('s'), nil, "test")
	if err != nil {
		t.Fatal(err)
	}
	text := fmt.Sprintf("%v %+v %#v %s %x", id, id, id, id, id)
	for form, needle := range forms(masterBytes('s')) {
		if strings.Contains(text, string(needle)) {
			t.Errorf("%s in %s", form, text)
		}
	}
	if strings.Contains(text, strings.Trim(fmt.Sprint(masterBytes('s')[:8]), "[]")) {
		t.Errorf("the seed in decimal in %s", text)
	}
}

func TestAdvertised(t *testing.T) {
	host, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	for listen, want := range map[string]string{"127.0.0.1:7070": "127.0.0.1:7070", ":7070": host + ":7070", "0.0.0.0:1": host + ":1", "[::]:1": host + ":1", "[2001:db8::1]:1": "[2001:db8::1]:1"} {
		if got := advertised(listen); got != want {
			t.Errorf("%s: %s, want %s", listen, got, want)
		}
	}
}

// TestOneDashOrTwo: the earlier system's flags had one.
func TestOneDashOrTwo(t *testing.T) {
	root := newRoot(func(string) string { return "" })
	for in, want := range map[string]string{
		"-config f":             "--config f",
		"-config=f serve":       "--config=f serve",
		"-generate-identity":    "--generate-identity",
		"--print-fingerprint":   "--print-fingerprint",
		"-config -json":         "--config -json",
		"admin add x -roles a":  "admin add x --roles a",
		"-- -config":            "-- -config",
		"-h -x -unknown - -- a": "-h -x -unknown - -- a",
	} {
		if got := strings.Join(twoDashes(strings.Fields(in), root), " "); got != want {
			t.Errorf("%s: %s, want %s", in, got, want)
		}
	}
}

// TestInitHandsOver: an identity that root makes belongs to whom the directory belongs to, still with mode 0600.
func TestInitHandsOver(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files away")
	}
	dir := t.TempDir()
	if err := os.Chown(dir, 4711, -1); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "identity")
	if err := makeIdentity(path); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if uid, ok := ownerOf(info); !ok || uid != 4711 || info.Mode().Perm() != 0o600 {
		t.Errorf("uid %d, mode %v", uid, info.Mode())
	}
}
