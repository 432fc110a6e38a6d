package rig

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
)

// Stack is a backend, a key holder and a proxy, ready for requests.
type Stack struct {
	Dir     string // temporary; removed by Stop
	Bucket  string
	Backend *Backend
	Keys    *KeyHolder
	Proxy   *Proxy
}

// StackConfig says what to start. What is empty is chosen.
type StackConfig struct {
	Bucket        string
	Buckets       []string // allowed at the proxy; nil = Bucket alone
	Proxy         ProxyConfig
	BackendListen string
	Log           io.Writer // nil, or a copy of all logs
}

// StartStack starts everything; on an error nothing is left.
func StartStack(ctx context.Context, cfg StackConfig) (s *Stack, err error) {
	s = &Stack{Bucket: orDefault(cfg.Bucket, "backups")}
	defer func() {
		if err != nil {
			s.Stop()
			s = nil
		}
	}()
	if s.Dir, err = os.MkdirTemp("", "s3-crypt-proxy-rig-"); err != nil {
		return s, fmt.Errorf("cannot make a temporary directory: %w", err)
	}
	if s.Backend, err = StartVersitygw(ctx, BackendConfig{Dir: s.Dir, Bucket: s.Bucket, Listen: cfg.BackendListen, Log: cfg.Log}); err != nil {
		return s, err
	}
	if s.Keys, err = StartKeyHolder(ctx, s.Dir); err != nil {
		return s, err
	}
	p := cfg.Proxy
	p.Dir, p.Socket, p.Log = s.Dir, s.Keys.Socket, cfg.Log
	p.Backend, p.BackendKey, p.Region = s.Backend.Endpoint(), s.Backend.Credentials, s.Backend.Region
	if p.Buckets = cfg.Buckets; p.Buckets == nil {
		p.Buckets = []string{s.Bucket}
	}
	s.Proxy, err = StartProxy(ctx, p)
	return s, err
}

// Ended is closed when one of the processes has ended.
func (s *Stack) Ended() <-chan struct{} {
	any := make(chan struct{})
	go func() {
		defer close(any)
		select {
		case <-s.Backend.Done():
		case <-s.Keys.Done():
		case <-s.Proxy.Done():
		}
	}()
	return any
}

// Stop ends the proxy, then the key holder, then the backend, and removes the directory.
func (s *Stack) Stop() error {
	var errs []error
	if s.Proxy != nil {
		errs = append(errs, s.Proxy.Stop())
	}
	if s.Keys != nil {
		errs = append(errs, s.Keys.Stop())
	}
	if s.Backend != nil {
		errs = append(errs, s.Backend.Stop())
	}
	if s.Dir != "" {
		errs = append(errs, os.RemoveAll(s.Dir))
	}
	return errors.Join(errs...)
}
