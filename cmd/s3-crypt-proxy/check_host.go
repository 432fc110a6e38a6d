package main

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"golang.org/x/sys/unix"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// tryHost looks at what the configuration names on this machine. Nothing is made, and
// nothing found is an error: it may come before the proxy starts, and another user may
// see it otherwise.
func tryHost(ctx context.Context, cfg *config.Config, stdout, stderr io.Writer) {
	fmt.Fprint(stdout, "\n# This machine:\n")
	warn := func(format string, args ...any) {
		fmt.Fprintf(stderr, "s3-crypt-proxy: warning: "+format+"\n", args...)
	}
	if key, why := holderKey(ctx, cfg); why != "" {
		warn("memkey.socket_path: %s; until the proxy gets a key there, it answers every request 503", why)
	} else {
		fmt.Fprintf(stdout, "# ok  memkey-server answers at %s, and has the key %s\n", cfg.Memkey.SocketPath, key)
	}
	if cfg.TLS.Mode != config.TLSAuto {
		return
	}
	if _, err := certificate.Open(certificateConfig(cfg)); !errors.Is(err, certificate.ErrNone) {
		return // it is there; check has told what is wrong with it
	}
	if err := canMake(cfg.TLS.Dir); err != nil {
		warn("tls.dir: the first start could not make its certificate: user %d: %v", os.Geteuid(), err)
	} else {
		fmt.Fprintf(stdout, "# ok  a certificate can be made in %s\n", cfg.TLS.Dir)
	}
}

// namesWait is for a key holder that has keys: it tells them at once.
const namesWait = 2 * time.Second

// holderKey is the active key that a proxy run by this user would get, or why it would get none.
func holderKey(ctx context.Context, cfg *config.Config) (id, why string) {
	uids, err := cfg.ServerUIDs()
	if err != nil {
		return "", err.Error()
	}
	path := cfg.Memkey.SocketPath
	names, err := keyagent.Probe(ctx, keyagent.ClientConfig{Socket: path, ServerUIDs: uids, Name: "s3-crypt-proxy check"}, namesWait)
	for _, key := range names.Keys {
		if key.Active {
			return hex.EncodeToString(key.ID[:]), ""
		}
	}
	return "", noKey(path, err)
}

// noKey explains the error of asking for keys at path; nil is that there are none.
func noKey(path string, err error) string {
	switch {
	case err == nil:
		return "memkey-server answers at " + path + " and has no key: bring one with memkey-admin key send"
	case errors.Is(err, fs.ErrNotExist):
		return "there is no " + path + ": memkey-server does not run here, or its socket_path is another"
	case errors.Is(err, syscall.ECONNREFUSED):
		return "nobody listens at " + path + ": start memkey-server"
	case errors.Is(err, fs.ErrPermission):
		return fmt.Sprintf("user %d may not open %s: try as the proxy's user, who must be in the socket's group", os.Geteuid(), path)
	}
	return err.Error()
}

// canMake tells whether this user could make a directory, or write into it if it is
// there, and makes none.
func canMake(dir string) error {
	for at := dir; ; at = filepath.Dir(at) {
		info, err := os.Stat(at)
		if errors.Is(err, fs.ErrNotExist) && at != filepath.Dir(at) {
			continue
		}
		if err != nil {
			return err
		}
		if !info.IsDir() {
			return &fs.PathError{Op: "use", Path: at, Err: syscall.ENOTDIR}
		}
		if err := unix.Faccessat(unix.AT_FDCWD, at, unix.W_OK|unix.X_OK, unix.AT_EACCESS); err != nil {
			return &fs.PathError{Op: "write to", Path: at, Err: err}
		}
		return nil
	}
}
