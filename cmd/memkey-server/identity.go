package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/memkey-server/internal/settings"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// seedSize is an Ed25519 seed in bytes.
const seedSize = 32

// identity is who the server is, and where that came from.
type identity struct {
	memkey.Signer
	origin string
}

func (i identity) fingerprint() memkey.Fingerprint { return memkey.ServerFingerprint(i.Public()) }

// errNoIdentity says that init has to come first.
var errNoIdentity = errors.New("there is none yet")

// loadIdentity takes the seed from the systemd credential "identity", else from identity.private_key, else from
// identity.file.
func loadIdentity(s *settings.Settings, getenv func(string) string) (identity, error) {
	id, err := findIdentity(s, getenv)
	switch {
	case errors.Is(err, errNoIdentity):
		return identity{}, &failure{exitIdentity, fmt.Errorf("cannot take the server's identity: %w", err), "memkey-server init"}
	case err != nil:
		return identity{}, &failure{exitIdentity, fmt.Errorf("cannot take the server's identity: %w", err), "ls -l " + s.IdentityFile}
	}
	return id, nil
}

func findIdentity(s *settings.Settings, getenv func(string) string) (identity, error) {
	if dir := getenv("CREDENTIALS_DIRECTORY"); dir != "" {
		path := filepath.Join(dir, "identity")
		seed, err := readSeed(path, false)
		if !errors.Is(err, os.ErrNotExist) {
			return newIdentity(seed, err, path)
		}
	}
	if s.PrivateKey != "" {
		seed, err := hex.DecodeString(string(s.PrivateKey))
		return newIdentity(seed, err, "identity.private_key")
	}
	seed, err := readSeed(s.IdentityFile, true)
	if errors.Is(err, os.ErrNotExist) {
		err = fmt.Errorf("%w in %s", errNoIdentity, s.IdentityFile)
	}
	return newIdentity(seed, err, s.IdentityFile)
}

// newIdentity clears seed.
func newIdentity(seed []byte, err error, origin string) (identity, error) {
	defer clear(seed)
	if err != nil {
		return identity{}, err
	}
	signer, err := memkey.NewSigner(seed)
	if err != nil {
		return identity{}, err
	}
	return identity{signer, origin}, nil
}

// readSeed reads a seed: exactly 32 raw bytes, or exactly 64 hex digits with or without a final newline. private wants a
// file that nobody else can read; what systemd prepares is its own business.
func readSeed(path string, private bool) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, pathless(err))
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, pathless(err))
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is not a regular file", path)
	}
	if private && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("others can read or write %s (mode %#o, want 0600)", path, info.Mode().Perm())
	}
	var content [2*seedSize + 2]byte
	defer clear(content[:])
	n, err := io.ReadFull(f, content[:])
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return nil, fmt.Errorf("%s: %w", path, pathless(err))
	}
	seed := make([]byte, seedSize)
	text := content[:n]
	if n == 2*seedSize+1 && text[n-1] == '\n' {
		text = text[:n-1]
	}
	switch len(text) {
	case seedSize:
		copy(seed, text)
		return seed, nil
	case 2 * seedSize:
		if _, err := hex.Decode(seed, text); err == nil {
			return seed, nil
		}
	}
	clear(seed)
	return nil, fmt.Errorf("%s is not an identity: want 32 bytes, or 64 hex digits", path)
}

// pathless drops the path from the errors of os: ours have it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}
