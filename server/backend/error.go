package backend

import (
	"errors"
	"strconv"
	"strings"
)

// Kind says what a failure means to the caller.
type Kind string

const (
	// NotFound: the store proved that the object does not exist.
	NotFound Kind = "not_found"
	// NoBucket: the store proved that the bucket does not exist.
	NoBucket Kind = "no_bucket"
	// Denied: the store refuses these credentials (401, 403 without a sign of throttling).
	Denied Kind = "denied"
	// Precondition: a condition that the caller gave does not hold.
	Precondition Kind = "precondition"
	// Conflict: 409 to a request with a condition; the caller may try again.
	Conflict Kind = "conflict"
	// Busy: everything that may pass by itself, or that nobody can make sense of: throttling, 5xx,
	// timeouts, transport errors, redirects, answers that are not S3's.
	Busy Kind = "busy"
	// Unreachable: no connection to the store could be opened, or none with a certificate to
	// trust, so that the request never left. A Busy that Effort makes brief.
	Unreachable Kind = "unreachable"
	// Invalid: the request can never succeed as it is.
	Invalid Kind = "invalid"
	// ClientAbort: the caller's context was cancelled.
	ClientAbort Kind = "client_abort"
	// Source: the body given to an upload failed, or was not as long as declared.
	Source Kind = "source"
)

var (
	// ErrShort is wrapped by the error of a body that ended before its length.
	ErrShort = errors.New("backend ended the body early")
	// ErrRange is wrapped by the Invalid error of a Get whose range begins behind the object's end.
	ErrRange = errors.New("range begins behind the end of the object")

	errStalled = errors.New("no progress within the time limit")
)

// Error is the only error type of this package's calls. Its text holds no credential, no key, no URL
// and nothing of a body but the code and the message of an S3 error.
type Error struct {
	Kind   Kind
	Op     string // S3 operation, for instance "PutObject"
	Status int    // HTTP status of the last answer, 0 if there was none
	Code   string // S3 error code of the last answer, if it had one
	// Message is the text beside Code: printable, short and without the access key.
	Message string
	// Attempts is the number of requests that were sent.
	Attempts int
	// Unsure is set when an earlier request of the same call may have taken effect though its answer was
	// lost. A Precondition may then be the consequence of the call itself.
	Unsure bool
	// Marker is set where the store answered with a delete marker instead of an object: NotFound for
	// a key, Invalid for a version that was named.
	Marker *Marker
	err    error
}

// Marker is a delete marker.
type Marker struct {
	Version  string // its version id, empty if the store does not say
	Modified string // its Last-Modified, as the store sent it
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("backend ")
	b.WriteString(e.Op)
	b.WriteString(": ")
	b.WriteString(string(e.Kind))
	if e.Status != 0 {
		b.WriteString(": status ")
		b.WriteString(strconv.Itoa(e.Status))
	}
	if e.err != nil {
		b.WriteString(": ")
		b.WriteString(e.err.Error())
	}
	if e.Attempts > 1 {
		b.WriteString(" (")
		b.WriteString(strconv.Itoa(e.Attempts))
		b.WriteString(" attempts)")
	}
	return b.String()
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.err }

// KindOf returns the kind of an error of this package: empty for nil, Busy for any other error.
func KindOf(err error) Kind {
	if err == nil {
		return ""
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Kind
	}
	return Busy
}

// invalid is the error of an argument that no request was sent for.
func invalid(op string, err error) *Error { return &Error{Kind: Invalid, Op: op, err: err} }
