package main

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// column is one way from the client to the backend.
type column struct {
	name   string
	bucket string // its own; "" = the name
	kind   kind
	yaml   string // further configuration of a proxy
	plain  bool   // a proxy without TLS in front
	// threads is backend.multipart_threads; 0 = the default
	threads int
}

// kind is what stands between the client and the backend.
type kind int

const (
	straight    kind = iota // nothing
	sealing                 // the product
	passthrough             // our code with sealing and hashing off
	rclone                  // `rclone serve s3` over a crypt remote
)

var (
	direct  = column{name: "direct (plain HTTP, no proxy)", bucket: "direct"}
	through = column{name: "pass-through", bucket: "passthrough", kind: passthrough, yaml: cipher("aes-256-gcm")}
	xchacha = column{name: "sealed, XChaCha20-Poly1305", bucket: "xchacha", kind: sealing, yaml: cipher("xchacha20-poly1305")}
	aesgcm  = column{name: "sealed, AES-256-GCM", bucket: "aesgcm", kind: sealing, yaml: cipher("aes-256-gcm")}
	byClone = column{name: "rclone serve s3 over crypt", bucket: "rclone", kind: rclone}
)

func cipher(name string) string { return fmt.Sprintf("encryption:\n  cipher: %q\n", name) }

// changed is a column with another name and more configuration.
func (c column) changed(name, bucket, yaml string) column {
	c.name, c.bucket, c.yaml = name, bucket, c.yaml+yaml
	return c
}

// open starts what a column needs and says where a client finds it and which process is between, admin if it is a proxy. stop holds what was
// started, also after an error.
func (c column) open(ctx context.Context, dir string, b *rig.Backend, keys *rig.KeyHolder) (target pbs.Config, between *rig.Process, admin *rig.Proxy, stop []func() error, err error) {
	own := filepath.Join(dir, c.bucket+".column")
	if err := os.Mkdir(own, 0o700); err != nil {
		return target, nil, nil, nil, err
	}
	switch c.kind {
	case straight:
		return b.PBS(c.bucket), nil, nil, nil, nil
	case rclone:
		r, err := rig.StartRclone(ctx, rig.RcloneConfig{Dir: own, Backend: b})
		if err != nil {
			return target, nil, nil, nil, err
		}
		return r.PBS(c.bucket), r.Process, nil, []func() error{r.Stop}, nil
	}
	binary := "s3-crypt-proxy"
	if c.kind == passthrough {
		binary = "s3-crypt-proxy-passthrough"
	}
	p, err := rig.StartProxy(ctx, rig.ProxyConfig{Binary: binary, Dir: own, Backend: b.Endpoint(), BackendKey: b.Credentials,
		Region: b.Region, Buckets: []string{c.bucket}, Socket: keys.Socket, PlainHTTP: c.plain, Threads: c.threads, Extra: c.yaml})
	if err != nil {
		return target, nil, nil, nil, err
	}
	return p.PBS(c.bucket), p.Process, p, []func() error{p.Stop}, nil
}
