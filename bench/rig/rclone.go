package rig

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// RcloneConfig says how to start rclone as a proxy.
type RcloneConfig struct {
	Dir     string   // for its certificate; required
	Backend *Backend // required; it seals to that, with the names left as they are
}

// Rclone is a running `rclone serve s3` over a crypt remote over the backend: what many use who want an S3 server to
// hold sealed objects only. Buckets are the backend's.
type Rclone struct {
	*Process
	Credentials
	Address     string
	Fingerprint string
}

// StartRclone starts rclone; `make clients` builds it.
func StartRclone(ctx context.Context, cfg RcloneConfig) (*Rclone, error) {
	path, err := Binary("rclone")
	if err != nil {
		return nil, fmt.Errorf("%w; for rclone: make clients", err)
	}
	r := &Rclone{Credentials: newCredentials("RCLONE")}
	certFile, keyFile := filepath.Join(cfg.Dir, "rclone.crt"), filepath.Join(cfg.Dir, "rclone.key")
	if r.Fingerprint, err = writeCertificate(certFile, keyFile); err != nil {
		return nil, err
	}
	hidden := exec.CommandContext(ctx, path, "obscure", "-")
	hidden.Stdin = strings.NewReader(newCredentials("").SecretKey)
	var password, problem bytes.Buffer
	hidden.Stdout, hidden.Stderr = &password, &problem
	if err := hidden.Run(); err != nil {
		return nil, fmt.Errorf("cannot make rclone's password: %w: %s", err, &problem)
	}
	b := cfg.Backend
	env := append(environWithout("RCLONE_"), "RCLONE_CONFIG=/dev/null",
		"RCLONE_CONFIG_STORE_TYPE=s3", "RCLONE_CONFIG_STORE_PROVIDER=Other", "RCLONE_CONFIG_STORE_ENDPOINT="+b.Endpoint(), "RCLONE_CONFIG_STORE_REGION="+b.Region,
		"RCLONE_CONFIG_STORE_ACCESS_KEY_ID="+b.AccessKey, "RCLONE_CONFIG_STORE_SECRET_ACCESS_KEY="+b.SecretKey,
		"RCLONE_CONFIG_SEALED_TYPE=crypt", "RCLONE_CONFIG_SEALED_REMOTE=store:", "RCLONE_CONFIG_SEALED_PASSWORD="+strings.TrimSpace(password.String()),
		"RCLONE_CONFIG_SEALED_FILENAME_ENCRYPTION=off", "RCLONE_CONFIG_SEALED_DIRECTORY_NAME_ENCRYPTION=false",
		`RCLONE_AUTH_KEY="`+r.AccessKey+","+r.SecretKey+`"`) // a list of pairs, as CSV
	for range portTries {
		r.Address = ""
		if err = concrete(&r.Address); err != nil {
			return nil, err
		}
		args := []string{"serve", "s3", "sealed:", "--addr", r.Address, "--cert", certFile, "--key", keyFile}
		if r.Process, err = start(spec{name: "rclone", path: path, args: args, env: env}); err != nil {
			return nil, err
		}
		if err = r.await(ctx); err == nil {
			return r, nil
		}
		ended := !r.Alive()
		r.Kill()
		if !ended {
			break
		}
	}
	return nil, err
}

func (r *Rclone) await(ctx context.Context) error {
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		if c, err := net.Dial("tcp", r.Address); err == nil {
			return c.Close()
		}
		select {
		case <-r.Done():
			return r.failed("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
	}
	return r.failed(fmt.Sprintf("it was not ready within %v", readyTimeout))
}

// Stop ends it. It answers SIGTERM with a status that means failure, and keeps nothing that a kill would lose.
func (r *Rclone) Stop() error {
	r.Kill()
	return nil
}

// PBS returns a client's configuration for rclone.
func (r *Rclone) PBS(bucket string) pbs.Config {
	return pbs.Config{Address: r.Address, Bucket: bucket, AccessKey: r.AccessKey, SecretKey: r.SecretKey, Fingerprint: r.Fingerprint}
}
