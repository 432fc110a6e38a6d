package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// run starts the stack, tells how to use it in dir/env and on the screen, and waits.
func run(ctx context.Context, out *screen, dir string, log *os.File) (err error) {
	lock, err := claim(dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, release(dir, lock)) }()
	var w io.Writer
	if log != nil {
		w = log
	}
	stack, err := rig.StartStack(ctx, rig.StackConfig{Log: w})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, stack.Stop()) }()
	e := describe(stack)
	if err := writeEnv(dir, e); err != nil {
		return err
	}
	paste(out, dir, e)
	select {
	case <-ctx.Done():
		fmt.Fprintln(out.w, "\nstopping")
		return nil
	case err := <-stack.Ended():
		return err
	}
}

// claim makes dir ours: two stacks must not share it. What a killed run left there goes.
func claim(dir string) (*os.File, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("cannot make %s: %w", dir, err)
	}
	f, err := os.OpenFile(filepath.Join(dir, "lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, err
	}
	if err := syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		f.Close()
		return nil, fmt.Errorf("cannot use %s: another stack is running there: %w", dir, err)
	}
	for _, name := range []string{"env", "env.new"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			f.Close()
			return nil, fmt.Errorf("cannot clean %s: %w", dir, err)
		}
	}
	return f, nil
}

// release removes our files, and dir if nothing else is in it.
func release(dir string, lock *os.File) error {
	var errs []error
	for _, name := range []string{"env", "env.new", "lock"} {
		if err := os.Remove(filepath.Join(dir, name)); err != nil && !errors.Is(err, os.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, syscall.ENOTEMPTY) {
		errs = append(errs, err)
	}
	return errors.Join(append(errs, lock.Close())...)
}

// entry is one line of the env file.
type entry struct{ name, value string }

// environment is what a client needs to know, in the order of the file.
type environment []entry

func (e environment) get(name string) string {
	for _, x := range e {
		if x.name == name {
			return x.value
		}
	}
	panic("BUG: no entry " + name)
}

// describe reads it off the running stack.
func describe(s *rig.Stack) environment {
	scheme := "https"
	if !s.Proxy.TLS {
		scheme = "http"
	}
	return environment{
		{"ENDPOINT", scheme + "://" + s.Proxy.Address},
		{"ACCESS_KEY", s.Proxy.AccessKey},
		{"SECRET_KEY", s.Proxy.SecretKey},
		{"BUCKET", s.Bucket},
		{"REGION", s.Backend.Region},
		{"FINGERPRINT", s.Proxy.Fingerprint},
		{"ADMIN_ENDPOINT", "http://" + s.Proxy.AdminAddress},
		{"ADMIN_TOKEN", s.Proxy.AdminToken},
		{"BACKEND_ENDPOINT", s.Backend.Endpoint()},
		{"BACKEND_ACCESS_KEY", s.Backend.AccessKey},
		{"BACKEND_SECRET_KEY", s.Backend.SecretKey},
		{"BACKEND_BUCKET", s.Bucket},
	}
}

// writeEnv writes dir/env in one step: a reader sees all of it or nothing.
func writeEnv(dir string, e environment) error {
	var b strings.Builder
	for _, x := range e {
		b.WriteString(x.name + "='" + strings.ReplaceAll(x.value, "'", `'\''`) + "'\n")
	}
	tmp := filepath.Join(dir, "env.new")
	if err := os.WriteFile(tmp, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("cannot write the environment: %w", err)
	}
	return os.Rename(tmp, filepath.Join(dir, "env"))
}

// paste shows what to type where.
func paste(out *screen, dir string, e environment) {
	out.title("The stack is running (Ctrl-C stops it and deletes everything)")
	for _, n := range []string{"ENDPOINT", "ACCESS_KEY", "SECRET_KEY", "BUCKET", "REGION", "FINGERPRINT", "ADMIN_ENDPOINT", "ADMIN_TOKEN"} {
		if v := e.get(n); v != "" {
			out.pair(strings.ToLower(strings.ReplaceAll(n, "_", " ")), "%s", v)
		}
	}
	out.line("%s", out.paint(dim, "all of it, and the backend's own: source "+filepath.Join(dir, "env")))

	out.line("%s", out.paint(dim, "any region name will do: a signature must match the one it names"))
	out.line("%s", out.paint(dim, "the admin endpoint needs no token for /healthz, /readyz and /metrics: it is on loopback only, unless S3CP_ADMIN_LISTEN_ADDR says otherwise"))

	out.title("Watch it")
	out.line("%s/ in a browser: key, readiness, throughput, errors; the admin token shows the settings", e.get("ADMIN_ENDPOINT"))

	_, addr, _ := strings.Cut(e.get("ENDPOINT"), "://")
	host, port, _ := net.SplitHostPort(addr)
	if e.get("FINGERPRINT") != "" {
		out.title("Proxmox Backup Server, on this machine")
		out.line("proxmox-backup-manager s3 endpoint create s3-crypt --endpoint %s --port %s --region %s --path-style true \\", host, port, e.get("REGION"))
		out.line("  --access-key %s --secret-key %s \\", e.get("ACCESS_KEY"), e.get("SECRET_KEY"))
		out.line("  --fingerprint %s", e.get("FINGERPRINT"))
		out.line("proxmox-backup-manager datastore create sealed /var/cache/s3-crypt --backend type=s3,client=s3-crypt,bucket=%s", e.get("BUCKET"))
	}
	out.title("curl")
	out.line("source %s", filepath.Join(dir, "env"))
	for _, l := range curlLines() {
		out.line("%s", l)
	}
}
