package s3err

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"strings"
)

// Error is an answer: Code and Message go to the client, Cause to the log only.
type Error struct {
	Code    Code
	Message string // shown to clients: no cause, no secret
	Cause   error  // may be nil
}

// New makes an answer with a message of its own.
func New(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Message: fmt.Sprintf(format, args...)}
}

// Wrap makes an answer that carries its cause; an empty message is the code's.
func Wrap(code Code, cause error, message string) *Error {
	if message == "" {
		message = code.Message()
	}
	return &Error{Code: code, Message: message, Cause: cause}
}

// From returns the answer inside err, or an InternalError around it.
func From(err error) *Error {
	var e *Error
	if errors.As(err, &e) {
		return e
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

// maxResource bounds what is repeated of the client's own target, in bytes.
const maxResource = 2048

// AppendXML appends the error document to dst and returns it. The cause is not
// in it; bytes that XML cannot carry are replaced.
func AppendXML(dst []byte, e *Error, resource, requestID string) []byte {
	if len(resource) > maxResource {
		resource = strings.ToValidUTF8(resource[:maxResource], "")
	}
	b := bytes.NewBuffer(dst)
	b.WriteString(xml.Header)
	b.WriteString("<Error>")
	for _, f := range [...]struct{ name, value string }{
		{"Code", string(e.Code)}, {"Message", e.Message}, {"Resource", resource}, {"RequestId", requestID},
	} {
		b.WriteString("<" + f.name + ">")
		_ = xml.EscapeText(b, []byte(f.value)) // a Buffer does not fail
		b.WriteString("</" + f.name + ">")
	}
	b.WriteString("</Error>")
	return b.Bytes()
}
