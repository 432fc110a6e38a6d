package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/cmd/internal/systemd"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// endTime is how long a request that is being answered may take once the server has to end.
const endTime = 2 * time.Second

// serve runs the server until a signal, or ctx, ends it.
func serve(ctx context.Context, e *environment, stderr io.Writer) error {
	// First of all: no core file and no reader in the same user, before there is a key or a seed.
	if err := keyagent.Harden(); err != nil {
		return &failure{exitInternal, fmt.Errorf("cannot protect the keys in memory: %w", err), "uname -a (memkey-server needs Linux)"}
	}
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)
	s, err := e.load()
	if err != nil {
		return err
	}
	a, err := assemble(s, e.getenv, newLogger(s, stderr))
	if err != nil {
		return err
	}
	return a.run(ctx, signals)
}

// run serves until it is told to end.
func (a *agent) run(ctx context.Context, signals <-chan os.Signal) error {
	broken := make(chan error, 2)
	socketCtx, closeSocket := context.WithCancel(context.Background())
	defer closeSocket()
	socketEnded := make(chan struct{})
	go func() {
		defer close(socketEnded)
		if a.socket == nil {
			return
		}
		if err := keyagent.Serve(socketCtx, a.socket, a.holder, a.policy()); err != nil {
			broken <- err
		}
	}()
	webEnded := make(chan struct{})
	go func() {
		defer close(webEnded)
		if err := a.serveWeb(); err != nil {
			broken <- err
		}
	}()
	dogCtx, stopDog := context.WithCancel(context.Background())
	defer stopDog()
	go systemd.Watchdog(dogCtx, a.getenv, func() { a.vault.State() })

	counting := make(chan struct{})
	var counter sync.WaitGroup
	counter.Go(func() { a.recordOften(counting) })
	a.announce()
	why, cause := a.wait(ctx, signals, broken)
	a.log.Info().Str("why", why).Msg("ending")
	systemd.Tell(a.getenv, systemd.Stopping)

	// The proxies' connections go first: a wipe that they saw would be a clear, and a restart is none.
	closeSocket()
	<-socketEnded
	close(counting)
	counter.Wait()
	err := a.vault.Close() // wipes
	endCtx, cancel := context.WithTimeout(context.Background(), endTime)
	defer cancel()
	if shutErr := a.web.Shutdown(endCtx); shutErr != nil {
		a.log.Warn().Err(shutErr).Msg("requests were cut")
		a.web.Close()
	}
	<-webEnded
	if err = errors.Join(err, a.close(why)); err != nil {
		a.log.Error().Err(err).Msg("not everything could be closed")
	}
	if cause != nil {
		return &failure{exitInternal, cause, "memkey-server serve"}
	}
	a.log.Info().Msg("ended")
	return nil
}

// wait returns why the server has to end.
func (a *agent) wait(ctx context.Context, signals <-chan os.Signal, broken <-chan error) (why string, cause error) {
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				a.reload()
				continue
			}
			return s.String(), nil
		case <-ctx.Done():
			return "told to", nil
		case err := <-broken:
			a.log.Error().Err(err).Msg("a listener failed")
			return "a listener failed", err
		}
	}
}
