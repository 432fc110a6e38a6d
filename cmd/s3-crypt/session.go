package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

// session is one command at work on one bucket.
type session struct {
	ctx            context.Context
	opt            *options
	cfg            *config.Config
	bucket         string
	work           rewrap.Config
	stdout, stderr io.Writer
}

// unreachableTime is how long a command waits for a store that it cannot connect to at
// all. Once the store has answered, it waits as long as a proxy does with work in hand.
const unreachableTime = 5 * time.Second

// session opens what every command needs, runs do, and closes it. again is how the
// command is typed again.
func (o *options) session(cmd *cobra.Command, bucket, again string, do func(*session) error) error {
	s := &session{opt: o, bucket: bucket, stdout: cmd.OutOrStdout(), stderr: &lines{w: cmd.ErrOrStderr()}}
	if err := o.apply(&s.work); err != nil {
		return err
	}
	var err error
	if s.cfg, err = config.Load(o.config, o.environ); err != nil {
		text := strings.ReplaceAll(err.Error(), "\n", "; ")
		next := "s3-crypt-proxy check" + s.configFlag()
		if o.config == "" {
			next = again + " --config FILE     with the proxy's configuration"
		}
		return &failure{exitConfig, fmt.Errorf("cannot use the proxy's configuration: %s", text), next}
	}
	store, err := backend.New(backend.Config{
		Endpoint:           s.cfg.Backend.Endpoint,
		Region:             s.cfg.Backend.Region,
		AccessKey:          s.cfg.Backend.AccessKey,
		SecretKey:          s.cfg.Backend.SecretKey.Reveal(),
		PathStyle:          s.cfg.Backend.PathStyle,
		InsecureSkipVerify: s.cfg.Backend.InsecureSkipVerify,
		CAFile:             s.cfg.Backend.CAFile,
		UnreachableTime:    unreachableTime,
	})
	if err != nil {
		return &failure{exitConfig, fmt.Errorf("cannot use the proxy's configuration: %w", err), "s3-crypt-proxy check" + s.configFlag()}
	}
	defer store.Close()
	ctx, end := context.WithCancelCause(&backend.Effort{Context: cmd.Context()})
	defer end(nil)
	s.ctx = ctx
	servers, err := s.cfg.ServerUIDs()
	if err != nil {
		return &failure{exitConfig, fmt.Errorf("cannot use the proxy's configuration: %w", err), "s3-crypt-proxy check" + s.configFlag()}
	}
	holder, ring, err := holdKeys(ctx, s.cfg.Memkey.SocketPath, servers, keyTime, func() { end(errCleared) })
	if err != nil {
		if errors.Is(err, errInterrupted) {
			return s.explain(err, again+s.configFlag())
		}
		return &failure{exitKeys, err, "memkey-admin status     whether a key is loaded"}
	}
	defer holder.close()
	s.work.Store, s.work.Ring, s.work.Bucket = store, ring, bucket
	s.work.Warn = func(err error) { fmt.Fprintf(s.stderr, "s3-crypt: warning: %v\n", err) }
	if err := do(s); err != nil {
		// Whatever failed because of it, this is why.
		if cause := context.Cause(ctx); cause != nil {
			err = cause
		}
		return s.explain(err, again+s.configFlag())
	}
	return nil
}

// configFlag is how the configuration was named on the command line.
func (s *session) configFlag() string {
	if s.opt.config == "" {
		return ""
	}
	return " --config " + s.opt.config
}

// walk goes through the bucket and reports.
func (s *session) walk() error {
	var printer objectPrinter
	if s.opt.objects {
		printer = newObjectPrinter(s.stdout, s.opt.json)
		s.work.Each = printer.print
	}
	r, err := rewrap.Prepare(s.ctx, s.work)
	if err != nil {
		return err
	}
	stop := s.showProgress(r)
	report, err := r.Walk(s.ctx)
	stop()
	if perr := errors.Join(printer.flush(), s.print(report)); perr != nil && err == nil {
		err = fmt.Errorf("cannot write the report: %w", perr)
	}
	if err == nil && !report.Clean() {
		err = errIncomplete
		if report.Survey {
			err = &failure{exitIncomplete, errors.New("some objects do not open; the report names them"), "memkey-admin status     whether all keys are loaded"}
		}
	}
	return err
}

func (s *session) retire(id format.KeyID) error {
	report, err := rewrap.Retire(s.ctx, s.work, id)
	if report.Bucket != "" && (err != nil || s.opt.json) {
		if perr := s.print(report); perr != nil && err == nil {
			err = fmt.Errorf("cannot write the report: %w", perr)
		}
	}
	if errors.Is(err, rewrap.ErrInUse) && onlyVersions(report, id) {
		return &failure{exitIncomplete, fmt.Errorf("cannot retire key %s: noncurrent versions are under it, or may be", id), "remove the bucket's noncurrent versions at the backend, then s3-crypt retire " + s.bucket + " " + id.String() + s.configFlag()}
	}
	if err == nil && !s.opt.json {
		_, err = fmt.Fprintf(s.stdout, "key %s is retired in bucket %s: proxies serve it without that key\n", id, s.bucket)
	}
	return err
}

// onlyVersions says that no object is under the key, so that rewrapping would not help.
func onlyVersions(r rewrap.Report, id format.KeyID) bool {
	for _, k := range r.Keys {
		if k.ID == id.String() {
			return k.Recorded && !k.Active && k.Objects == 0 && r.Complete && r.Keyless == 0 && r.Further.Objects == 0
		}
	}
	return false
}
