package pbs

import (
	"errors"
	"fmt"
)

// ErrAbsent says that the endpoint proved the absence of an object or bucket: status 404.
var ErrAbsent = errors.New("absent")

// StatusError is an answer whose status the operation does not accept.
type StatusError struct {
	Op      string
	Status  int
	Code    string // of the S3 error document, if there is one; PBS never looks at it
	Message string
}

func (e *StatusError) Error() string {
	if e.Code == "" {
		return fmt.Sprintf("cannot %s: unexpected status %d", e.Op, e.Status)
	}
	return fmt.Sprintf("cannot %s: unexpected status %d: %s: %s", e.Op, e.Status, e.Code, e.Message)
}

// Is matches ErrAbsent for 404.
func (e *StatusError) Is(target error) bool { return target == ErrAbsent && e.Status == 404 }

// ContractError is an answer that breaks the wire contract: PBS would refuse it, or worse, accept it and act on it.
type ContractError struct {
	Op   string
	What string
}

func (e *ContractError) Error() string { return fmt.Sprintf("%s: contract broken: %s", e.Op, e.What) }

func broken(op, format string, args ...any) error {
	return &ContractError{op, fmt.Sprintf(format, args...)}
}

// transportError is a failure below HTTP: it may be sent again.
type transportError struct{ err error }

func (e *transportError) Error() string { return "transport: " + e.err.Error() }
func (e *transportError) Unwrap() error { return e.err }

// IsTransport tells whether err is a failure below HTTP: refused, reset, cut or timed out.
func IsTransport(err error) bool {
	var t *transportError
	return errors.As(err, &t)
}
