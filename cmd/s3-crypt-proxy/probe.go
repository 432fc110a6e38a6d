package main

import (
	"context"
	"fmt"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/probe"
)

// probeAttempts is how often a question is asked: enough for a hiccup, few enough to
// be done while somebody watches.
const probeAttempts = 3

// tryBackend asks the backend whether it can carry the proxy: what is good goes to
// stdout as comments, what is not to stderr.
func tryBackend(ctx context.Context, cfg *config.Config, buckets []string, stdout, stderr io.Writer) error {
	b := backendConfig(cfg, nil)
	b.Attempts = probeAttempts
	store, err := backend.New(b)
	if err != nil {
		return &failure{exitConfig, &configError{err}}
	}
	defer store.Close()
	fmt.Fprintf(stdout, "\n# The backend %s:\n", cfg.Backend.Endpoint)
	failed := 0
	tell := func(bucket string, f probe.Finding) {
		line := f.Question
		if bucket != "" {
			line = bucket + ": " + line
		}
		if f.Detail != "" {
			line += ": " + f.Detail
		}
		switch f.Verdict {
		case probe.OK:
			fmt.Fprintf(stdout, "# ok  %s\n", line)
		case probe.Warning:
			fmt.Fprintf(stderr, "s3-crypt-proxy: warning: backend: %s\n", line)
		default:
			failed++
			fmt.Fprintf(stderr, "s3-crypt-proxy: backend: %s\n", line)
		}
	}
	if len(buckets) == 0 {
		tell("", probe.Service(ctx, store))
		fmt.Fprintln(stdout, "# No bucket was tried: allowed_buckets is empty; name one with --bucket.")
	}
	for _, bucket := range buckets {
		for _, f := range probe.Bucket(ctx, store, bucket) {
			tell(bucket, f)
		}
		if ctx.Err() != nil {
			break
		}
	}
	if failed > 0 {
		return &failure{exitBackend, fmt.Errorf("cannot use the backend %s: see above", cfg.Backend.Endpoint)}
	}
	if err := ctx.Err(); err != nil {
		return &failure{exitBackend, fmt.Errorf("cannot try the backend: %w", err)}
	}
	return nil
}
