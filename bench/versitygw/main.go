package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"
)

// exitGrace bounds the clean shutdown: idle keep-alive connections of a client would hold it up.
const exitGrace = 2 * time.Second

func main() {
	var opt options
	flag.StringVar(&opt.listen, "listen", "127.0.0.1:0", "`address` to listen on; port 0 picks a free one")
	flag.StringVar(&opt.dir, "dir", "", "`directory` of the buckets, created when missing (required)")
	flag.StringVar(&opt.region, "region", "us-east-1", "region of the signatures")
	flag.StringVar(&opt.versions, "versions", "", "`directory` for object versions, outside of -dir; empty: no versioning")
	flag.BoolVar(&opt.sidecar, "sidecar", false, "keep metadata in sidecar.DIR beside -dir even if the file system has user extended attributes")
	flag.StringVar(&opt.bucket, "bucket", "", "`name` of a bucket to create at start, if it is missing")
	flag.BoolVar(&opt.keepAlive, "keep-alive", true, "keep connections open between requests; false for clients that upload with aws-chunked over TLS, which confuses the server's next request")
	flag.StringVar(&opt.certFile, "cert", "", "PEM `file` with the certificate: serve TLS")
	flag.StringVar(&opt.keyFile, "key", "", "PEM `file` with the certificate's key")
	parentDeath := flag.Bool("parent-death", false, "exit when stdin reaches EOF")
	flag.Parse()
	opt.access, opt.secret = os.Getenv("S3SERVER_ACCESS"), os.Getenv("S3SERVER_SECRET")

	// versitygw prints notices to stdout; only the ready line may appear there.
	stdout := os.Stdout
	os.Stdout = os.Stderr

	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if *parentDeath {
		go func() {
			io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	if err := run(ctx, opt, stdout); err != nil {
		fmt.Fprintf(os.Stderr, "versitygw: %v\n", err)
		os.Exit(1)
	}
}

// run serves until ctx ends, and prints the ready line to out in between.
func run(ctx context.Context, opt options, out io.Writer) error {
	if err := opt.check(flag.Args()); err != nil {
		return err
	}
	srv, err := start(ctx, opt)
	if err != nil {
		return err
	}
	if err := srv.ready(ctx); err != nil {
		if ctx.Err() != nil {
			return nil
		}
		return err
	}
	if opt.bucket != "" {
		if err := srv.createBucket(ctx, opt.bucket); err != nil {
			return err
		}
	}
	if _, err := fmt.Fprintf(out, "ready endpoint=%s\n", srv.endpoint); err != nil {
		return fmt.Errorf("cannot print the ready line: %w", err)
	}
	select {
	case err := <-srv.done:
		if ctx.Err() == nil {
			return errors.Join(errors.New("server ended by itself"), err)
		}
		return nil
	case <-ctx.Done():
	}
	select {
	case <-srv.done:
	case <-time.After(exitGrace):
	}
	return nil
}
