package main

import (
	"context"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// certificatePoll is how often the certificate's files are looked at: what renews
// them need not know of us. A look costs two calls of stat.
const certificatePoll = 15 * time.Second

// source is where the configuration in force came from, to be asked again.
type source struct {
	load  func() (*config.Config, error) // nil: there is nothing to ask
	level *threshold                     // of the log; nil: it stays
}

// terms are what clients may do, of a configuration.
func terms(cfg *config.Config) server.Terms {
	return server.Terms{Credentials: credentials(cfg), AllowedBuckets: cfg.AllowedBuckets, CORS: rules(cfg), BucketCORS: cfg.BucketCORS, PostForms: cfg.PostForms}
}

// reload takes the configuration and the certificate's files again. Either all of it
// takes effect that can while requests run, or, if anything is wrong, nothing.
func (p *proxy) reload() {
	next := p.cfg
	if p.source.load != nil {
		var err error
		if next, err = p.source.load(); err != nil {
			p.log.Error().Err(err).Msg("configuration not reloaded: the old one stays")
			return
		}
	}
	if p.store != nil {
		if _, err := certificate.Open(certificateConfig(p.cfg)); err != nil {
			p.log.Error().Err(err).Msg("certificate not reloaded: the old one and the old configuration stay")
			return
		}
	}
	if err := p.front.SetTerms(terms(next)); err != nil {
		p.log.Error().Err(err).Msg("configuration not reloaded: the old one stays")
		return
	}
	if p.source.level != nil {
		p.source.level.set(next.LogLevel)
	}
	pending := p.cfg.Pending(next)
	p.shutdown = next.ShutdownTimeout
	p.loaded.Store(next)
	p.log.Info().Int("clients", len(next.AllClients())).Strs("allowed_buckets", next.AllowedBuckets).Msg("configuration reloaded")
	if len(pending) > 0 {
		p.log.Warn().Strs("keys", pending).Msg("these changed and take effect at the next start only")
	}
	for _, w := range next.Warnings {
		p.log.Warn().Msg(w)
	}
	if p.store != nil {
		p.reloadCertificate()
	}
}

// reloadCertificate takes the certificate's files again; a bad pair changes nothing.
func (p *proxy) reloadCertificate() {
	if err := p.store.Reload(); err != nil {
		p.log.Error().Err(err).Msg("certificate not reloaded: the old one stays")
		return
	}
	p.log.Info().Str("fingerprint", p.store.Fingerprint()).Msg("certificate reloaded")
	for _, w := range p.store.Warnings() {
		p.log.Warn().Msg(w)
	}
}

// followCertificate reloads the certificate whenever its files have changed, until
// ctx ends.
func (p *proxy) followCertificate(ctx context.Context, every time.Duration) {
	tick := time.NewTicker(every)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if p.store.Changed() {
				p.reloadCertificate()
			}
		case <-ctx.Done():
			return
		}
	}
}

// threshold lets log lines through from a level on that can be changed while they are
// written, on the logger it is the Sampler of and on all that derive from that one.
type threshold struct{ level atomic.Int32 }

// Sample says whether a line of this level is written.
func (t *threshold) Sample(l zerolog.Level) bool { return l >= zerolog.Level(t.level.Load()) }

// set takes a level that the configuration has checked.
func (t *threshold) set(name string) {
	level, err := zerolog.ParseLevel(name)
	if err != nil {
		panic("BUG: unchecked log level: " + err.Error())
	}
	t.level.Store(int32(level))
}
