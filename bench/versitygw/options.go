package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
)

// options is what the command line and the environment ask for.
type options struct {
	listen, dir, region, versions, bucket string
	access, secret                        string
	certFile, keyFile                     string
	sidecar, keepAlive                    bool
}

// check names the first wrong option, makes every path absolute (the posix store changes the working
// directory) and creates the directories.
func (o *options) check(rest []string) error {
	if len(rest) > 0 {
		return fmt.Errorf("unexpected argument %q", rest[0])
	}
	if o.dir == "" {
		return errors.New("-dir is missing")
	}
	if o.access == "" || o.secret == "" {
		return errors.New("S3SERVER_ACCESS and S3SERVER_SECRET must both be set in the environment")
	}
	if (o.certFile == "") != (o.keyFile == "") {
		return errors.New("-cert and -key go together")
	}
	if _, _, err := net.SplitHostPort(o.listen); err != nil {
		return fmt.Errorf("-listen: %w", err)
	}
	for _, p := range []*string{&o.dir, &o.versions, &o.certFile, &o.keyFile} {
		if *p == "" {
			continue
		}
		abs, err := filepath.Abs(*p)
		if err != nil {
			return err
		}
		*p = abs
	}
	if o.versions != "" && strings.HasPrefix(o.versions+"/", o.dir+"/") {
		return errors.New("-versions must not lie inside -dir")
	}
	for _, d := range []string{o.dir, o.iamDir(), o.versions} {
		if d == "" {
			continue
		}
		if err := os.MkdirAll(d, 0o700); err != nil {
			return err
		}
	}
	if !o.sidecar {
		ok, err := hasUserAttributes(o.dir)
		if err != nil {
			return err
		}
		o.sidecar = !ok
	}
	if o.sidecar {
		return os.MkdirAll(o.sidecarDir(), 0o700)
	}
	return nil
}

func (o *options) iamDir() string { return o.dir + ".iam" }

// sidecarDir does not begin with dir as text: versitygw would take it for a directory inside.
func (o *options) sidecarDir() string {
	return filepath.Join(filepath.Dir(o.dir), "sidecar."+filepath.Base(o.dir))
}

func (o *options) scheme() string {
	if o.certFile != "" {
		return "https"
	}
	return "http"
}

// hasUserAttributes tells whether files in dir can carry user extended attributes, by trying.
func hasUserAttributes(dir string) (bool, error) {
	f, err := os.CreateTemp(dir, ".xattr-probe-")
	if err != nil {
		return false, err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	// 1 KiB: more than any attribute versitygw writes for us, less than the smallest limit of a file system.
	err = syscall.Setxattr(f.Name(), "user.probe", make([]byte, 1024), 0)
	return err == nil, nil
}
