package s3err

import (
	"errors"
	"fmt"
)

// Error is an answer: Code and Message go to the client, Cause to the log only.
type Error struct {
	Code    Code
	Message string // shown to clients: no cause, no secret
	Cause   error  // may be nil

	// Fields are further elements of the document, in their order: what S3 shows of
	// the client's own request beside some codes.
	Fields []Field

	status int // of a relayed answer; 0 = the code's
}

// Field is an element of an error document. Name is one of S3's, not escaped.
type Field struct{ Name, Value string }

// With adds an element to the document and returns e.
func (e *Error) With(name, value string) *Error {
	e.Fields = append(e.Fields, Field{name, value})
	return e
}

// Argument is InvalidArgument as S3 words it: the argument's name and its value, as
// the client sent it, beside the message.
func Argument(name, value, message string) *Error {
	return (&Error{Code: InvalidArgument, Message: message}).With("ArgumentName", name).With("ArgumentValue", value)
}

// shown is what a document says: the message, and what more there is to say where
// S3 fixes the message.
func (e *Error) shown() (message, additional string) {
	if e.status != 0 || e.Code.row().text == free || e.Message == e.Code.Message() {
		return e.Message, ""
	}
	return e.Code.Message(), e.Message
}

// Relayed is a store's own refusal (4xx), shown to the client as it came: its code
// need not be one of ours.
func Relayed(status int, code, message string) *Error {
	return &Error{Code: Code(code), Message: message, status: status}
}

// Status is the HTTP status of the answer.
func (e *Error) Status() int {
	if e.status != 0 {
		return e.status
	}
	return e.Code.Status()
}

// IsRelayed says whether the answer is the store's own.
func (e *Error) IsRelayed() bool { return e.status != 0 }

// New makes an answer with a message of its own, formatted as by fmt.Sprintf;
// an empty format takes the code's message.
func New(code Code, format string, args ...any) *Error {
	if format == "" {
		return Wrap(code, nil, "")
	}
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an answer that carries its cause; an empty message is the code's.
func Wrap(code Code, cause error, message string) *Error {
	if message == "" {
		message = code.Message()
	}
	return &Error{Code: code, Message: message, Cause: cause}
}

// From returns the answer inside err, or an InternalError around it. It never
// returns nil: asked for the answer to no error, it has none better.
func From(err error) *Error {
	var e *Error
	switch found := errors.As(err, &e); {
	case found && e != nil:
		return e
	case found:
		err = nil // a nil *Error in an error: it cannot even print
	}
	return Wrap(InternalError, err, "")
}

// Error is for logs: it includes the cause.
func (e *Error) Error() string {
	s := string(e.Code) + ": " + e.Message
	if e.Cause != nil {
		s += ": " + e.Cause.Error()
	}
	return s
}

// Unwrap returns the cause.
func (e *Error) Unwrap() error { return e.Cause }
