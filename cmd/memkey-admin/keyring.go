package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

// lock makes this process the only one that changes the key ring, until the returned func is called.
// The directory is made if --config names a new one.
func (a *app) lock(path string) (func(), error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return nil, fail(exitFile, "ls -ld "+filepath.Dir(path), fmt.Errorf("cannot make the directory: %w", err))
	}
	unlock, err := keyfile.Lock(path)
	if errors.Is(err, keyfile.ErrLocked) {
		return nil, fail(exitFile, "wait for the other memkey-admin, then the same command again", err)
	}
	if err != nil {
		return nil, fail(exitFile, "ls -ld "+filepath.Dir(path), err)
	}
	keyfile.Sweep(path)
	return unlock, nil
}

// openKeyring opens the key ring; the caller wipes it.
func (a *app) openKeyring(path string) (*keyfile.Keyring, error) {
	file, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		next := "memkey-admin key generate"
		if earlier := filepath.Join(filepath.Dir(path), earlierKey); exists(earlier) {
			next = "memkey-admin key import --file " + earlier
		}
		return nil, fail(exitFile, next, fmt.Errorf("cannot open the key ring: there is no %s", path))
	}
	if err != nil {
		return nil, fail(exitFile, "ls -l "+path, fmt.Errorf("cannot open the key ring: %w", err))
	}
	var ring *keyfile.Keyring
	err = a.withPassphrase("key ring", func(passphrase []byte) error {
		a.detail("opening %s", path)
		ring, err = keyfile.Open(file, passphrase)
		return err
	})
	if err != nil {
		return nil, opening(err, path)
	}
	return ring, nil
}

// opening maps the errors of a sealed file.
func opening(err error, path string) error {
	var failed *failure
	switch {
	case errors.As(err, &failed):
		return failed
	case errors.Is(err, keyfile.ErrPassphrase):
		return fail(exitIdentity, fmt.Sprintf("the same command with the right passphrase; the previous file is %s.1", path), err)
	case errors.Is(err, keyfile.ErrFormat):
		return fail(exitFile, fmt.Sprintf("ls -l %s: a plain key is taken by memkey-admin key import --file", path), fmt.Errorf("%w: %s", err, path))
	}
	return fail(exitInternal, "ulimit -a", err) // no locked memory
}

// noKeyring refuses to go on where a key ring would be replaced.
func noKeyring(path string) error {
	if !exists(path) {
		return nil
	}
	return fail(exitFile, "memkey-admin key show, then: memkey-admin key rotate",
		fmt.Errorf("cannot make a new key ring: %s exists, and what is sealed under a lost key is lost", path))
}

func exists(path string) bool {
	_, err := os.Lstat(path)
	return err == nil
}

// writeKeyring seals the ring under a.passphrase and puts it in place of the file; create wants that there is none.
func (a *app) writeKeyring(path string, ring *keyfile.Keyring, create bool) error {
	a.detail("sealing %s, generation %d", path, ring.Generation)
	file, err := keyfile.Seal(ring, a.passphrase, a.sys.cost)
	if err != nil {
		return fail(exitInternal, "", err)
	}
	put := keyfile.Write
	if create {
		put = keyfile.Create
	}
	if err := put(path, file); err != nil {
		if errors.Is(err, keyfile.ErrExists) {
			return noKeyring(path)
		}
		return fail(exitFile, "df "+filepath.Dir(path)+"; the file is as it was", fmt.Errorf("cannot write the key ring: %w", err))
	}
	return nil
}
