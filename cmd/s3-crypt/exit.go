package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

// exitCode is the process's answer to its caller; doc.go is the published table.
type exitCode int

const (
	exitOK          exitCode = 0
	exitInternal    exitCode = 1
	exitUsage       exitCode = 2
	exitConfig      exitCode = 3
	exitKeys        exitCode = 4
	exitBackend     exitCode = 5
	exitIncomplete  exitCode = 6
	exitInterrupted exitCode = 7
	exitBucket      exitCode = 8
)

// failure is an error with its exit code and what to do about it.
type failure struct {
	code exitCode
	err  error
	try  string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// text is what is printed: one line that says what is wrong, one what to do.
func (f *failure) text() string {
	if f.try == "" {
		return fmt.Sprintf("s3-crypt: %v\n", f.err)
	}
	return fmt.Sprintf("s3-crypt: %v\ntry: %s\n", f.err, f.try)
}

// The ways in which a command ends early.
var (
	errInterrupted = errors.New("ended by a signal")
	errCleared     = errors.New("the keys were cleared at the key agent")
	errIncomplete  = errors.New("some objects are not under the active key; the report names them")
)

// explain gives an error of the work its exit code and its advice. again is the
// command line to type again.
func (s *session) explain(err error, again string) *failure {
	var done *failure
	var store *backend.Error
	check := "s3-crypt-proxy check" + s.configFlag()
	switch {
	case errors.As(err, &done):
		return done
	case errors.Is(err, errInterrupted):
		return &failure{exitInterrupted, err, again + "     (it goes on; what is done stays done)"}
	case errors.Is(err, errCleared):
		return &failure{exitKeys, err, "memkey-admin key send, then " + again}
	case errors.Is(err, errIncomplete):
		return &failure{exitIncomplete, err, again + "     once what the report names is mended"}
	case errors.Is(err, rewrap.ErrInUse):
		return &failure{exitIncomplete, err, "s3-crypt rewrap " + s.bucket + s.configFlag()}
	case errors.Is(err, rewrap.ErrCheckpoint):
		return &failure{exitConfig, err, "another --checkpoint FILE, or none: what is done is found again"}
	case errors.Is(err, rewrap.ErrNotRecorded):
		return &failure{exitBucket, err, "curl http://" + s.cfg.AdminListenAddr + "/readyz, or any request for the bucket through the proxy, then " + again}
	case errors.Is(err, rewrap.ErrRotated):
		return &failure{exitBucket, err, again}
	case errors.Is(err, rewrap.ErrKeys):
		return &failure{exitBucket, err, "memkey-admin status     which keys are loaded"}
	case errors.Is(err, rewrap.ErrState):
		return &failure{exitBucket, err, "if the bucket is new, write an object through the proxy first; if it holds objects, restore " + format.StateKey + " from a version or a copy of it"}
	case errors.Is(err, rewrap.ErrNoConditions):
		return &failure{exitBucket, err, "a backend with conditional writes; s3-crypt keys " + s.bucket + " works without"}
	case errors.As(err, &store) && store.Kind == backend.NoBucket:
		return &failure{exitBackend, err, "a bucket of " + s.cfg.Backend.Endpoint}
	case errors.As(err, &store):
		return &failure{exitBackend, err, check}
	case errors.Is(err, context.Canceled):
		return &failure{exitInterrupted, errInterrupted, again}
	}
	return &failure{exitInternal, err, "the same command again; if it fails again, report it with this line"}
}
