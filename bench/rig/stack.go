package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
)

// Stack is a backend, a key holder and a proxy, ready for requests.
type Stack struct {
	Dir     string   // temporary; removed by Stop
	Bucket  string   // the first of Buckets, or ""
	Buckets []string // those the proxy is told to allow, or would be
	Backend *Backend
	Keys    *KeyHolder
	Proxy   *Proxy

	release func() error // of Dir
}

// StackConfig says what to start. What is empty is chosen.
type StackConfig struct {
	Buckets       []string // allowed at the proxy; nil = "backups". $S3CP_ALLOWED_BUCKETS wins
	NoBuckets     bool     // none is made, and the proxy allows every one
	SameKeyID     bool     // clients have the backend's access key id, with a secret of their own
	Proxy         ProxyConfig
	BackendListen string
	Versions      bool      // the backend keeps versions where a bucket asks for them
	Log           io.Writer // nil, or a copy of all logs
}

// StartStack starts everything; on an error nothing is left. All buckets exist before the proxy starts, because it is
// ready only once it sees each of them. If $S3CP_BACKEND_ENDPOINT names a backend, that one is used as it is: no S3
// server is started and no bucket made.
func StartStack(ctx context.Context, cfg StackConfig) (s *Stack, err error) {
	s = &Stack{}
	if !cfg.NoBuckets {
		s.Buckets = bucketsOf(cfg.Buckets)
		s.Bucket = s.Buckets[0]
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, s.Stop())
			s = nil
		}
	}()
	if s.Dir, s.release, err = tempDir(); err != nil {
		return s, err
	}
	if s.Backend, err = s.startBackend(ctx, cfg); err != nil {
		return s, err
	}
	if s.Keys, err = StartKeyHolder(ctx, s.Dir); err != nil {
		return s, err
	}
	p := cfg.Proxy
	p.Dir, p.Socket, p.Log = s.Dir, s.Keys.Socket, cfg.Log
	p.Backend, p.BackendKey, p.Region = s.Backend.Endpoint(), s.Backend.Credentials, s.Backend.Region
	p.Buckets = s.Buckets
	if cfg.SameKeyID {
		p.Client = newCredentials("PROXY")
		p.Client.AccessKey = s.Backend.AccessKey
	}
	s.Proxy, err = StartProxy(ctx, p)
	return s, err
}

// startBackend finds the backend or starts one, with its buckets.
func (s *Stack) startBackend(ctx context.Context, cfg StackConfig) (*Backend, error) {
	if b := givenBackend(); b != nil {
		return b, nil
	}
	b, err := StartVersitygw(ctx, BackendConfig{Dir: s.Dir, Listen: cfg.BackendListen, Versions: cfg.Versions, Log: cfg.Log})
	if err != nil {
		return nil, err
	}
	for _, name := range s.Buckets {
		if err := b.createBucket(ctx, name); err != nil {
			return b, fmt.Errorf("cannot make the bucket %q: %w", name, err)
		}
	}
	return b, nil
}

// processes are the children that were started, in the order in which they stop.
func (s *Stack) processes() []*Process {
	var all []*Process
	if s.Proxy != nil {
		all = append(all, s.Proxy.Process)
	}
	if s.Keys != nil {
		all = append(all, s.Keys.Process)
	}
	if s.Backend != nil && s.Backend.Process != nil {
		all = append(all, s.Backend.Process)
	}
	return all
}

// Dead tells which processes have ended by themselves, how, and with the end of their logs; nil if all run.
func (s *Stack) Dead() error {
	var errs []error
	for _, p := range s.processes() {
		if !p.Alive() {
			errs = append(errs, p.ended())
		}
	}
	return errors.Join(errs...)
}

// Ended gets what Dead says once one of the processes has ended.
func (s *Stack) Ended() <-chan error {
	ended := make(chan error, 1)
	first := make(chan struct{}, 3)
	for _, p := range s.processes() {
		go func() {
			<-p.Done()
			first <- struct{}{}
		}()
	}
	go func() {
		<-first
		ended <- s.Dead()
	}()
	return ended
}

// Stop ends the proxy, then the key holder, then the backend, and removes the directory.
func (s *Stack) Stop() error {
	var errs []error
	for _, p := range s.processes() {
		errs = append(errs, p.Stop())
	}
	if s.release != nil {
		errs = append(errs, s.release())
	}
	return errors.Join(errs...)
}
