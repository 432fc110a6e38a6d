package backend

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// replyError is an answer that is not the success its operation can have.
type replyError struct {
	status        int
	code, message string
	html          bool
	asksToWait    bool // the answer has a Retry-After
	marker        *Marker
	problem       string // what is wrong with an answer whose status is a success
}

func (r *replyError) Error() string { return r.text("").Error() }

// text is the error for people. It takes only the code and the message from the store, shortened and
// in printable characters, and no access key.
func (r *replyError) text(accessKey string) error {
	s := r.problem
	if r.code != "" {
		s = strings.TrimPrefix(s+": "+printable(r.code), ": ")
	}
	if m := r.shown(accessKey); m != "" {
		s = strings.TrimPrefix(s+": "+m, ": ")
	}
	if s == "" {
		s = "answer without an S3 error code"
	}
	return errors.New(s)
}

// shown is the store's message as people may see it.
func (r *replyError) shown(accessKey string) string {
	m := r.message
	if accessKey != "" {
		m = strings.ReplaceAll(m, accessKey, "[access key]")
	}
	return printable(m)
}

func printable(s string) string {
	if len(s) > maxMessage {
		s = s[:maxMessage] + "…"
	}
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r == 0x7f || r == '\ufffd' {
			return ' '
		}
		return r
	}, s)
}

// check is the SDK middleware nearest to the wire. It passes on only answers that are what the
// operation's success looks like, with the whole document read; everything else becomes a replyError.
type check struct{}

func (check) ID() string { return "CheckAnswer" }

func (check) HandleDeserialize(ctx context.Context, in middleware.DeserializeInput, next middleware.DeserializeHandler) (
	out middleware.DeserializeOutput, meta middleware.Metadata, err error,
) {
	out, meta, err = next.HandleDeserialize(ctx, in)
	if err != nil {
		return out, meta, err
	}
	resp, ok := out.RawResponse.(*smithyhttp.Response)
	at, ok2 := ctx.Value(attemptKey{}).(*attempt)
	if !ok || !ok2 {
		panic("BUG: an answer without an attempt")
	}
	if err := at.check(resp.Response); err != nil {
		resp.Body.Close()
		return out, meta, err
	}
	return out, meta, nil
}

func (at *attempt) check(resp *http.Response) error {
	call := at.call
	if resp.StatusCode != call.status[0] && (call.status[1] == 0 || resp.StatusCode != call.status[1]) {
		return at.fault(resp)
	}
	if at.body != nil && at.body.left.Load() != 0 {
		return &replyError{status: resp.StatusCode, problem: "success before the body was sent"}
	}
	switch call.answer {
	case answerHead, answerObject:
		return nil
	case answerEmpty:
		doc, err := at.read(resp, maxFault)
		if err != nil {
			return err
		}
		if len(bytes.TrimSpace(doc)) != 0 {
			return document(resp.StatusCode, doc, "")
		}
		resp.Body = http.NoBody
		return nil
	default:
		doc, err := at.read(resp, maxDocument)
		if err != nil {
			return err
		}
		if err := document(resp.StatusCode, doc, call.root); err != nil {
			return err
		}
		resp.Body, at.document = io.NopCloser(bytes.NewReader(doc)), doc
		return nil
	}
}

// fault reads an error answer.
func (at *attempt) fault(resp *http.Response) error {
	r := &replyError{
		status:     resp.StatusCode,
		html:       strings.HasPrefix(strings.ToLower(strings.TrimSpace(resp.Header.Get("Content-Type"))), "text/html"),
		asksToWait: resp.Header.Get("Retry-After") != "",
	}
	if resp.Header.Get("X-Amz-Delete-Marker") == "true" {
		r.marker = &Marker{resp.Header.Get("X-Amz-Version-Id"), resp.Header.Get("Last-Modified")}
	}
	if resp.StatusCode < 300 {
		r.problem = fmt.Sprintf("status %d is not this operation's", resp.StatusCode)
		return r
	}
	// A body that cannot be read leaves the status: without a code nothing is taken as proven.
	doc, _ := at.read(resp, maxFault)
	r.code, r.message = parseFault(doc)
	return r
}

// parseFault takes code and message from an S3 error document; empty if it is none.
func parseFault(doc []byte) (code, message string) {
	var f struct {
		XMLName xml.Name
		Code    string
		Message string
	}
	if xml.Unmarshal(doc, &f) != nil || f.XMLName.Local != "Error" {
		return "", ""
	}
	if strings.ContainsAny(f.Message, "\r\n") { // indented; a blank at the end of a line is the message's own
		f.Message = strings.TrimSpace(f.Message)
	}
	return strings.TrimSpace(f.Code), f.Message
}

// document demands a whole XML document with the given root element. An <Error> under a status of
// success, an HTML page, a truncated list must never look like an empty list or a stored object.
func document(status int, doc []byte, root string) error {
	r := &replyError{status: status}
	if root != "" {
		if r.problem = checkRoot(bytes.TrimSpace(doc), root); r.problem == "" {
			return nil
		}
	}
	if r.code, r.message = parseFault(doc); r.code != "" {
		r.problem = "error in an answer of success"
	} else if r.problem == "" {
		r.problem = "answer with an unexpected body"
	}
	return r
}

// checkRoot names what is wrong with doc, which has no white space around it.
func checkRoot(doc []byte, root string) string {
	d := xml.NewDecoder(bytes.NewReader(doc))
	for {
		t, err := d.Token()
		if err != nil {
			return "answer is not XML"
		}
		switch t := t.(type) {
		case xml.ProcInst, xml.Comment:
			continue
		case xml.CharData:
			if len(bytes.TrimSpace(t)) == 0 || string(t) == "\ufeff" {
				continue
			}
			return "answer is not XML"
		case xml.StartElement:
			if t.Name.Local != root {
				return fmt.Sprintf("answer is a document of type %q, not %s", printable(t.Name.Local), root)
			}
			// The SDK stops at what it understands; so look here whether the document has its end.
			if bytes.HasSuffix(doc, []byte("/>")) && d.InputOffset() == int64(len(doc)) {
				return ""
			}
			last := bytes.LastIndex(doc, []byte("</"))
			if last < 0 || !bytes.HasSuffix(doc, []byte(">")) {
				return "answer is cut off"
			}
			name := string(bytes.TrimSpace(doc[last+2 : len(doc)-1]))
			if i := strings.IndexByte(name, ':'); i >= 0 {
				name = name[i+1:]
			}
			if name != root {
				return "answer is cut off"
			}
			return ""
		default:
			return "answer is not an S3 document"
		}
	}
}

// read reads an answer's body of at most limit bytes, with the progress limit.
func (at *attempt) read(resp *http.Response, limit int64) ([]byte, error) {
	timer := time.AfterFunc(at.client.config.ProgressTimeout, func() { at.cancel(errStalled) })
	defer timer.Stop()
	var doc []byte
	if n := resp.ContentLength; n > limit {
		return nil, &replyError{status: resp.StatusCode, problem: "answer is too long"}
	} else if n > 0 {
		doc = make([]byte, 0, n+bytes.MinRead)
	}
	buf := bytes.NewBuffer(doc)
	for {
		n, err := buf.ReadFrom(io.LimitReader(resp.Body, min(64<<10, limit+1-int64(buf.Len()))))
		if err != nil {
			return nil, &smithyhttp.RequestSendError{Err: err}
		}
		if int64(buf.Len()) > limit {
			return nil, &replyError{status: resp.StatusCode, problem: "answer is too long"}
		}
		if n == 0 {
			return buf.Bytes(), nil
		}
		timer.Reset(at.client.config.ProgressTimeout)
	}
}
