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
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// adminGrace is how long answers of the admin listener may take to end, once all
// client requests have.
const adminGrace = 2 * time.Second

// serve runs the proxy until a signal, or ctx, ends it. again loads the configuration
// anew.
func serve(ctx context.Context, cfg *config.Config, again func() (*config.Config, error), stderr io.Writer) error {
	// Signals are taken before anything is open, so that none is missed.
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP)
	defer signal.Stop(signals)

	if err := keyagent.Harden(); err != nil {
		return &failure{exitInternal, fmt.Errorf("cannot protect the keys in memory: %w", err)}
	}
	log, level := newLogger(cfg, stderr)
	logConfig(log, cfg)
	setMemory(cfg.Pipeline.Budget)
	p, err := assemble(cfg, log)
	if err != nil {
		return err
	}
	p.source = source{load: again, level: level}
	return p.run(ctx, signals)
}

// run serves, drains on the first signal or the end of ctx, and returns when
// everything has ended.
func (p *proxy) run(ctx context.Context, signals <-chan os.Signal) error {
	agentCtx, stopAgent := context.WithCancel(context.Background())
	defer stopAgent()
	var agent sync.WaitGroup
	agent.Go(func() { p.followKeys(agentCtx) })
	if p.store != nil {
		agent.Go(func() { p.followCertificate(agentCtx, certificatePoll) })
	}

	broken := make(chan error, 2)
	var serving sync.WaitGroup
	serving.Go(func() {
		if err := p.front.Serve(p.clients); err != nil {
			broken <- err
		}
	})
	serving.Go(func() {
		if err := p.operator.Serve(p.admins); err != nil {
			broken <- err
		}
	})
	p.announce()
	go systemd.Watchdog(agentCtx, os.Getenv, p.alive)

	cause := p.wait(ctx, signals, broken)
	err := p.drain(ctx, signals)
	stopAgent()
	agent.Wait()
	adminCtx, cancel := context.WithTimeout(context.Background(), adminGrace)
	defer cancel()
	if adminErr := p.operator.Shutdown(adminCtx); adminErr != nil {
		p.log.Warn().Err(adminErr).Msg("admin listener cut")
	}
	serving.Wait()
	if cause != nil {
		return &failure{exitInternal, cause}
	}
	if err != nil {
		// Requests that were cut may still hold the engine: the process's end
		// takes it away.
		return &failure{exitCut, err}
	}
	p.release()
	p.log.Info().Msg("ended")
	return nil
}

// followKeys keeps p.keys at what the key holder has, until ctx ends.
func (p *proxy) followKeys(ctx context.Context) {
	// Both end with ctx only.
	if p.cfg.Memkey.Mode != config.MemkeyAgent {
		_ = p.agent.Run(ctx, p.keys.apply)
		return
	}
	_ = p.agent.Watch(ctx, func(names keyagent.Names) error { return p.keys.applyNames(p.agent, names) })
	p.agent.CloseIdle()
}

// announce writes the ready line.
func (p *proxy) announce() {
	e := p.log.Info().
		Str("version", version).
		Str("listen_addr", p.clients.Addr().String()).
		Str("admin_listen_addr", p.admins.Addr().String()).
		Bool("tls", p.store != nil).
		Str("suite", suiteName(p.suite)).
		Int("workers", p.engine.Workers()).
		Int("batch_bytes", p.engine.BatchBytes()).
		Str("key_mode", p.cfg.Memkey.Mode)
	if p.store != nil {
		e = e.Str("fingerprint", p.store.Fingerprint())
	}
	e.Msg("ready")
	systemd.Tell(os.Getenv, systemd.Ready, systemd.Status("serving on "+p.clients.Addr().String()))
}

// wait returns nil when the drain should begin, or why it must.
func (p *proxy) wait(ctx context.Context, signals <-chan os.Signal, broken <-chan error) error {
	for {
		select {
		case s := <-signals:
			if s == syscall.SIGHUP {
				systemd.Tell(os.Getenv, systemd.Reloading())
				p.reload()
				systemd.Tell(os.Getenv, systemd.Ready)
				continue
			}
			p.log.Info().Stringer("signal", s).Dur("at_most_ms", p.shutdown).Msg("draining")
			return nil
		case <-ctx.Done():
			p.log.Info().Dur("at_most_ms", p.shutdown).Msg("draining")
			return nil
		case err := <-broken:
			p.log.Error().Err(err).Msg("a listener failed")
			return err
		}
	}
}

// drain lets running requests end and refuses new ones, until shutdown_timeout or a
// second signal.
func (p *proxy) drain(ctx context.Context, signals <-chan os.Signal) error {
	p.phase.draining.Store(true)
	systemd.Tell(os.Getenv, systemd.Stopping, systemd.Status("draining"), systemd.Longer(p.shutdown+2*adminGrace))
	drainCtx, cancel := context.WithTimeoutCause(context.WithoutCancel(ctx), p.shutdown, errors.New("shutdown_timeout passed"))
	defer cancel()
	drainCtx, force := context.WithCancelCause(drainCtx)
	defer force(nil)
	done := make(chan error, 1)
	go func() {
		// What is still running when the time is over is cut by Shutdown.
		waited := p.front.Drain(drainCtx)
		p.clients.closeSilent()
		done <- errors.Join(waited, p.front.Shutdown(drainCtx))
	}()
	for {
		select {
		case err := <-done:
			if err == nil {
				return nil
			}
			if cause := context.Cause(drainCtx); cause != nil {
				err = cause
			}
			return fmt.Errorf("ended before all requests had: %w", err)
		case s := <-signals:
			if s != syscall.SIGHUP {
				force(fmt.Errorf("a second signal (%v) came", s))
			}
		}
	}
}
