package main

import (
	"errors"
	"fmt"
	"time"
)

// options of one measurement.
type options struct {
	rounds, size, inFlight, keys int
	window                       time.Duration
	backends                     []string
}

// defaultWindow is long against the kernel's 10 ms count of CPU time, short against the moods of a shared machine.
const defaultWindow = 1200 * time.Millisecond

// bodies is the number of different bodies: enough that no cache holds them as one.
const bodies = 8

func (o options) check() error {
	if o.rounds < 1 || o.size < 1 || o.inFlight < 1 || o.keys < 1 || o.window <= 0 {
		return errors.New("-rounds, -size, -inflight, -keys and -window must be positive")
	}
	for _, b := range o.backends {
		if b != versitygw && b != sink {
			return fmt.Errorf("-backends: %q is neither %s nor %s", b, versitygw, sink)
		}
	}
	return nil
}

const (
	versitygw = "versitygw"
	sink      = "sink"
)

// column is one way from the client to the backend.
type column struct {
	name   string
	bucket string
	proxy  string // binary; "" = straight to the backend
	cipher string
}

var columns = []column{
	{name: "direct (plain HTTP, no proxy)", bucket: "direct"},
	{name: "pass-through", bucket: "passthrough", proxy: "s3-crypt-proxy-passthrough", cipher: "aes-256-gcm"},
	{name: "sealed, XChaCha20-Poly1305", bucket: "xchacha", proxy: "s3-crypt-proxy", cipher: "xchacha20-poly1305"},
	{name: "sealed, AES-256-GCM", bucket: "aesgcm", proxy: "s3-crypt-proxy", cipher: "aes-256-gcm"},
}
