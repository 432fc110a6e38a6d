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

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/remote"
)

func main() {
	socket := flag.String("socket", "", "`path` of the Unix socket to serve (required)")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() {
		io.Copy(io.Discard, os.Stdin)
		stop()
	}()
	if err := run(ctx, *socket, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "keyholder: %v\n", err)
		os.Exit(1)
	}
}

// run serves a fresh key on socket until ctx ends; it prints the ready line to out.
func run(ctx context.Context, socket string, out io.Writer) error {
	if socket == "" {
		return errors.New("-socket is missing")
	}
	if err := keyagent.Harden(); err != nil {
		return err
	}
	holder := keyagent.NewHolder()
	master, err := keyagent.GenerateSecret()
	if err != nil {
		return err
	}
	if _, err := holder.Load([]keyagent.Key{{Label: "random", Master: master, Active: true}}); err != nil {
		master.Wipe()
		return err
	}
	defer holder.Clear()
	ln, err := keyagent.Listen(socket)
	if err != nil {
		return err
	}
	if _, err := fmt.Fprintln(out, "ready"); err != nil {
		ln.Close()
		return err
	}
	return keyagent.Serve(ctx, ln, holder, keyagent.Policy{Deriver: remote.Deriver{}})
}
