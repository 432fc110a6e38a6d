package main

import (
	"crypto/tls"
	"fmt"
	"net"
	"runtime"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/admin"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// proxy is everything that serves, made but not running.
type proxy struct {
	log      zerolog.Logger
	cfg      *config.Config
	suite    format.Suite
	store    *certificate.Store // nil: no TLS
	clients  *silentListener    // TLS already, where there is TLS
	admins   net.Listener
	engine   *pipeline.Engine
	keys     *keys
	agent    *keyagent.Client
	front    *server.Server
	operator *admin.Server
	phase    *phase
	source   source
	loaded   atomic.Pointer[config.Config] // the last that was loaded; nil = cfg
	shutdown time.Duration                 // how long a drain may take
}

// assemble makes all parts; on an error nothing is left open.
func assemble(cfg *config.Config, log zerolog.Logger) (p *proxy, err error) {
	p = &proxy{log: log, cfg: cfg, shutdown: cfg.ShutdownTimeout, suite: chooseSuite(cfg.Encryption), keys: &keys{log: log, mode: cfg.Memkey.Mode}}
	defer func() {
		if err != nil {
			p.release()
		}
	}()
	if err := p.openCertificate(); err != nil {
		return p, err
	}
	if err := p.listen(); err != nil {
		return p, err
	}
	figures := newFigures(p.store, p.keys)
	if cfg.Memkey.Mode == config.MemkeyAgent {
		p.keys.asked = figures.blockKeys()
	}
	store, err := backend.New(backendConfig(cfg, figures.server))
	if err != nil {
		return p, &failure{exitConfig, &configError{err}}
	}
	p.engine, err = pipeline.New(pipeline.Config{
		SegmentBytes: format.SegmentSize,
		TagBytes:     format.TagSize,
		Workers:      cfg.Pipeline.Workers,
		BatchBytes:   cfg.Encryption.ChunkSize.Int(),
		Budget:       int64(cfg.Pipeline.Budget),
		Admission:    cfg.Pipeline.Admission,
		QueueTimeout: cfg.Pipeline.QueueTimeout,
	})
	if err != nil {
		return p, &failure{exitConfig, &configError{err}}
	}
	digester, err := hashing.New(hashing.Kernel(cfg.Pipeline.Hashing), runtime.GOMAXPROCS(0))
	if err != nil {
		return p, &failure{exitConfig, &configError{fmt.Errorf("pipeline.hashing: %w", err)}}
	}
	p.front, err = server.New(server.Config{
		Backend:        store,
		Keys:           p.keys,
		Engine:         p.engine,
		Hashing:        digester,
		Credentials:    credentials(cfg),
		CORS:           rules(cfg),
		Region:         cfg.Region,
		BucketCORS:     cfg.BucketCORS,
		PostForms:      cfg.PostForms,
		AllowedBuckets: cfg.AllowedBuckets,
		KeyRules:       keyRules(cfg.Backend),

		EmulateConditions: cfg.Backend.ConditionalWrites == config.ConditionsEmulated,

		ETags:           etags(cfg.Encryption),
		ETagCache:       cfg.Encryption.ETagCache,
		DefaultChecksum: defaultChecksum(cfg.Encryption),
		Suite:           p.suite,
		BlockSize:       cfg.Encryption.BlockSize,
		BlockHint:       cfg.Encryption.BlockHint,
		SealNames:       cfg.Encryption.Names,
		PadSizes:        cfg.Encryption.Padding,
		WholeObject:     int64(cfg.Pipeline.WholeObject),
		MaxObject:       int64(cfg.Limits.MaxObjectSize),
		Threads:         cfg.Backend.MultipartThreads,
		Resume:          cfg.Multipart.Resume,
		MaxConnections:  cfg.Limits.MaxConnections,
		HeaderTimeout:   cfg.Limits.HeaderTimeout,
		ProgressTimeout: cfg.Limits.ProgressTimeout,
		IdleTimeout:     cfg.Limits.IdleTimeout,
		ShowNames:       cfg.Admin.ShowNames,
		Log:             log,
		Metrics:         figures.server,
	})
	if err != nil {
		return p, &failure{exitConfig, &configError{err}}
	}
	p.phase = &phase{Readiness: p.front}
	p.operator, err = admin.New(admin.Config{
		Token:      cfg.Admin.Token.Reveal(),
		Readiness:  p.phase,
		Metrics:    figures,
		Keys:       p.keys,
		Live:       p.front,
		Settings:   p,
		Version:    version,
		Expiry:     p.certificateExpiry,
		ShowNames:  cfg.Admin.ShowNames,
		AuthFailed: figures.adminRefused.Inc,
		Log:        log,
	})
	if err != nil {
		return p, &failure{exitInternal, err}
	}
	servers, err := cfg.ServerUIDs()
	if err != nil {
		return p, &failure{exitConfig, &configError{err}}
	}
	p.agent, err = keyagent.NewClient(keyagent.ClientConfig{
		Socket:     cfg.Memkey.SocketPath,
		ServerUIDs: servers,
		Name:       "s3-crypt-proxy",
		Logf: func(format string, args ...any) {
			e := log.Info()
			for _, a := range args {
				if _, ok := a.(error); ok {
					e = log.Warn()
				}
			}
			e.Msgf(format, args...)
		},
	})
	if err != nil {
		return p, &failure{exitConfig, &configError{fmt.Errorf("memkey.socket_path: %w", err)}}
	}
	p.keys.holder.Store(p.agent)
	return p, nil
}

// credentials are what clients sign with, and what they may do.
func credentials(cfg *config.Config) []server.Credential {
	var out []server.Credential
	for _, c := range cfg.AllClients() {
		out = append(out, server.Credential{
			Name: c.Name, AccessKey: c.AccessKey, SecretKey: c.SecretKey.Reveal(),
			Grant: grant(c),
		})
	}
	return out
}

// grant is what a client may do.
func grant(c config.Client) server.Grant {
	return server.Grant{Access: server.Access(c.Access), Verbs: c.Verbs, Buckets: c.Buckets, Prefixes: c.Prefixes}
}

// rules are those for pages in browsers.
func rules(cfg *config.Config) []server.CORSRule {
	var out []server.CORSRule
	for _, c := range cfg.CORS {
		out = append(out, server.CORSRule{Origins: c.Origins, Methods: c.Methods, Headers: c.Headers, Expose: c.Expose, MaxAge: c.MaxAge})
	}
	return out
}

// unreachableTime is how long a request that lost nothing yet goes on while no connection
// to the backend opens: enough for a restart, and less than clients wait (PBS reads for 4 s).
const unreachableTime = 2 * time.Second

// backendConfig is what the backend's client gets; m may be nil.
func backendConfig(cfg *config.Config, m *server.Metrics) backend.Config {
	b := backend.Config{
		Endpoint:           cfg.Backend.Endpoint,
		Region:             cfg.Backend.Region,
		AccessKey:          cfg.Backend.AccessKey,
		SecretKey:          cfg.Backend.SecretKey.Reveal(),
		PathStyle:          cfg.Backend.PathStyle,
		InsecureSkipVerify: cfg.Backend.InsecureSkipVerify,
		CAFile:             cfg.Backend.CAFile,
		UnreachableTime:    unreachableTime,
	}
	if m != nil {
		b.Observe, b.ObserveClock = m.ObserveBackend, m.ObserveClock
	}
	return b
}

// certificateConfig says where the certificate is. TLS must not be off.
func certificateConfig(cfg *config.Config) certificate.Config {
	if cfg.TLS.Mode == config.TLSFiles {
		return certificate.Config{CertFile: cfg.TLS.CertFile, KeyFile: cfg.TLS.KeyFile}
	}
	return certificate.Config{Dir: cfg.TLS.Dir, Names: cfg.TLS.Names}
}

func (p *proxy) openCertificate() error {
	if p.cfg.TLS.Mode == config.TLSOff {
		return nil
	}
	var err error
	if p.store, err = certificate.New(certificateConfig(p.cfg)); err != nil {
		return &failure{exitCertificate, err}
	}
	if p.store.Generated() {
		p.log.Info().Str("dir", p.cfg.TLS.Dir).Str("fingerprint", p.store.Fingerprint()).Msg("made a certificate")
	}
	for _, w := range p.store.Warnings() {
		p.log.Warn().Msg(w)
	}
	return nil
}

func (p *proxy) listen() error {
	clients, admins, err := p.listeners()
	if err != nil {
		return &failure{exitListen, err}
	}
	if p.store != nil {
		clients = tls.NewListener(server.NewGatherListener(clients), p.store.TLSConfig())
	}
	// Above TLS: a handshake is no request.
	p.clients, p.admins = newSilentListener(clients), admins
	return nil
}

// release closes what is open. No request may be running.
func (p *proxy) release() {
	// After a drain both are closed already.
	if p.clients != nil {
		_ = p.clients.Close()
	}
	if p.admins != nil {
		_ = p.admins.Close()
	}
	if p.engine != nil {
		p.engine.Close()
	}
}
