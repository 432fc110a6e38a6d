package backend

import (
	"context"
	"errors"
	"io"
	"time"

	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// answer is the form of a successful answer's body.
type answer uint8

const (
	answerEmpty  answer = iota // no body
	answerHead                 // HEAD: no body by definition
	answerXML                  // a document with a known root
	answerObject               // an object's bytes; only the caller reads them
)

// call describes one operation to the retry loop and to the check of its answers.
type call struct {
	op     string // S3 operation
	answer answer
	root   string // root element of an answerXML
	status [2]int // the statuses of success; the second may be 0
	object bool   // the request names an object: 404 may mean NotFound
	bucket bool   // HEAD on a bucket: 404 means NoBucket
	// conditional: the request carries a condition, so 412 and 409 have a meaning.
	conditional bool
	once        bool // the body cannot be sent twice
	expect      bool // ask with 100-continue before sending the body
	slow        bool // the store may work long before it answers
	attempts    int  // 0: Config.Attempts
	// settle, if set, looks at a failed attempt whose request may have reached the store. It returns
	// true with the call's final result if that can be told without another attempt.
	settle func(ctx context.Context, f *Error) (bool, error)
}

// attempt is one request of a call. It travels in the context so that the transport and the check of
// the answer can leave in it what they saw.
type attempt struct {
	client     *Client
	call       *call
	number     int
	body       *outgoing
	cancel     context.CancelCauseFunc
	keep       bool // the answer's body owns cancel
	sent       bool
	status     int
	retryAfter time.Duration
	document   []byte // of an answerXML that was checked
}

type attemptKey struct{}

// do runs try until it succeeds, fails for good, or the limits of Config are reached. The error is an
// *Error.
func (c *Client) do(ctx context.Context, call *call, try func(ctx context.Context, at *attempt) error) error {
	limit := call.attempts
	if limit == 0 {
		limit = c.config.Attempts
	}
	var start, firstFailure time.Time
	unsure := false
	for n := 1; ; n++ {
		began := time.Now()
		if n == 1 {
			start = began
		}
		actx, cancel := context.WithCancelCause(ctx)
		at := &attempt{client: c, call: call, number: n, cancel: cancel}
		err := try(context.WithValue(actx, attemptKey{}, at), at)
		fault := c.judge(ctx, actx, at, err)
		if !at.keep {
			cancel(nil)
		}
		switch {
		case at.status != 0:
			c.reached(true)
		case fault != nil && fault.Kind == Unreachable:
			c.reached(false)
		}
		if c.config.Observe != nil {
			kind := Kind("")
			if fault != nil {
				kind = fault.Kind
			}
			c.config.Observe(call.op, at.status, kind, time.Since(began), n)
		}
		if fault == nil {
			c.budget.put()
			effortOf(ctx).Spend()
			return nil
		}
		fault.Attempts, fault.Unsure = n, unsure
		if fault.Kind == ClientAbort || fault.Kind == Source {
			return fault.Error
		}
		if fault.reached {
			unsure = true
			fault.Unsure = true
		}
		if call.settle != nil && fault.Unsure {
			if done, err := call.settle(ctx, fault.Error); done {
				return err
			}
		}
		if !fault.retry || call.once || n >= limit || fault.malformed && n >= malformedAttempts {
			return fault.Error
		}
		if firstFailure.IsZero() {
			firstFailure = time.Now()
		}
		wait := c.backoff.delay(n, fault.throttled, at.retryAfter)
		if fault.Kind == Unreachable {
			left := c.patience(ctx) - time.Since(start)
			if left <= 0 {
				return fault.Error
			}
			wait = min(wait, left) // all of it: the store may be starting again
		}
		if time.Since(firstFailure)+wait > c.config.RetryTime || tooLate(ctx, wait) || !c.budget.take() {
			return fault.Error
		}
		if !sleep(ctx, wait) {
			f := aborted(ctx, call.op)
			f.Attempts, f.Unsure = n, unsure
			return f
		}
	}
}

// tooLate says that ctx ends before a wait does: what is known now is the answer.
func tooLate(ctx context.Context, wait time.Duration) bool {
	end, ok := ctx.Deadline()
	return ok && time.Until(end) <= wait
}

// fault is a judged failure.
type fault struct {
	*Error
	retry     bool
	throttled bool
	reached   bool // the request may have taken effect
	malformed bool // a success by its status that is none of S3
}

// judge turns the result of an attempt into a fault, nil for success.
func (c *Client) judge(ctx, actx context.Context, at *attempt, err error) *fault {
	if err == nil {
		return nil
	}
	if ctx.Err() != nil {
		return &fault{Error: aborted(ctx, at.call.op), reached: at.sent}
	}
	f := &fault{Error: &Error{Op: at.call.op, Status: at.status, Kind: Busy}}
	if at.status == 0 && at.body != nil && at.body.fail != nil {
		f.Kind, f.err = Source, at.body.fail
		return f
	}
	var reply *replyError
	if errors.As(err, &reply) {
		f.Code, f.Message, f.Marker, f.err = reply.code, reply.shown(c.config.AccessKey), reply.marker, reply.text(c.config.AccessKey)
		verdict(f, at, reply)
		return f
	}
	var send *smithyhttp.RequestSendError
	switch {
	case errors.Is(context.Cause(actx), errStalled):
		f.err, f.retry, f.reached = errStalled, true, true
	case errors.As(err, &send):
		f.err, f.retry, f.reached = send.Err, retryTransport(send.Err), !neverSent(send.Err)
		if unreachable(send.Err) {
			f.Kind = Unreachable
		}
	case at.sent:
		// The answer had the right status and form, but the SDK could make no sense of it.
		f.err, f.retry, f.reached, f.malformed = cause(err), true, true, true
	default:
		// Refused by the SDK before anything was sent.
		f.Kind, f.err = Invalid, cause(err)
	}
	return f
}

// aborted is the error of a call whose caller is gone. A deadline is no abort: somebody still waits.
func aborted(ctx context.Context, op string) *Error {
	e := &Error{Kind: ClientAbort, Op: op, err: context.Cause(ctx)}
	if errors.Is(ctx.Err(), context.DeadlineExceeded) {
		e.Kind = Busy
	}
	return e
}

// cause strips the SDK's wrappers, whose texts repeat request ids and the service's name.
func cause(err error) error {
	for {
		inner := errors.Unwrap(err)
		if inner == nil {
			return err
		}
		if errors.Is(inner, io.ErrUnexpectedEOF) {
			return io.ErrUnexpectedEOF
		}
		err = inner
	}
}
