package backend

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
	"net/http"
	"net/url"
)

// contentType is what the store gets to know about every object.
const contentType = "application/octet-stream"

// unsignedPayload is declared in place of the payload's SHA-256: the payload is authenticated by itself, and a second hash
// of it would cost more than the whole rest of an upload.
const unsignedPayload = "UNSIGNED-PAYLOAD"

// Written names what a write has made.
type Written struct {
	ETag string // quoted, as the store gave it
	// Version is the object's version id: empty where the store gives none, "null" where the bucket
	// keeps no versions, or not any more.
	Version string
	// Replaced: another write had taken the object's place before it could be looked at. Only CompleteUpload
	// without a condition says so.
	Replaced bool
}

// Put stores size bytes of body under key and returns what the store calls the object. The
// object exists when Put returns nil, and nothing but the whole object ever appears.
//
// An io.ReadSeeker is sent from its current position, again for every attempt, with the CRC32C of its
// bytes, which it is asked for if it is Summed: some stores take a connection that ends early for the end of the object, and the checksum is
// what stops them (versitygw 1.8.0 commits such an object). Any other reader is sent once, without; for
// it there is only the reset that newTransport sends in place of a clean end. body must report io.EOF after size bytes without waiting for Put. Put does not use body after it
// returned. It closes body only if that is an io.Closer, not an io.Seeker, and the attempt ended before
// all was read, since a Read that waits must be woken.
func (c *Client) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond Conditions) (w Written, err error) {
	const op = "PutObject"
	if err := object(op, bucket, key); err != nil {
		return w, err
	}
	if err := cond.check(); err != nil {
		return w, invalid(op, err)
	}
	source, err := newSource(op, body, size)
	if err != nil {
		return w, err
	}
	sum := "" // none for a reader that can be read once
	if source.seeker != nil {
		if sum, err = source.checksum(); err != nil {
			return w, &Error{Kind: Source, Op: op, err: err}
		}
	}
	call := &call{
		op: op, answer: answerEmpty, status: [2]int{200}, conditional: cond.any(),
		once: source.seeker == nil, expect: cond.any() && size >= continueFrom,
	}
	if cond.any() {
		call.settle = func(ctx context.Context, f *Error) (bool, error) { return c.settlePut(ctx, bucket, key, cond, f) }
	}
	target := c.requests.target(bucket, key, nil)
	err = c.do(ctx, call, func(ctx context.Context, at *attempt) error {
		header := make(http.Header, 16)
		cond.set(header)
		if sum != "" {
			header["X-Amz-Checksum-Crc32c"] = []string{sum}
		}
		resp, err := at.send(ctx, target, header, source)
		if err != nil {
			return err
		}
		w.Version = resp.Header.Get("X-Amz-Version-Id")
		w.ETag, err = answeredETag(at, resp)
		return err
	})
	return w, err
}

// send puts one attempt's body under a URL. net/http does not read it any more when send has returned.
func (at *attempt) send(ctx context.Context, target *url.URL, header http.Header, source *source) (*http.Response, error) {
	body, err := source.next(at)
	if err != nil {
		return nil, err
	}
	header["Content-Type"] = []string{contentType}
	req, err := at.client.requests.signed(ctx, http.MethodPut, target, header, source.size, unsignedPayload)
	if err != nil {
		return nil, err
	}
	if source.size > 0 { // with none, net/http would take a body for one of unknown length
		req.Body = &sendingBody{body: body}
	}
	return at.ask(req)
}

// answeredETag demands the entity tag of what was stored.
func answeredETag(at *attempt, resp *http.Response) (string, error) {
	etag := resp.Header.Get("Etag")
	return checkETag(at, &etag)
}

// settlePut asks for the object after a conditional upload died without an answer: a store that refuses
// and closes before it has read the body destroys its own 412 on the way. The condition is looked at
// again; if it does not hold (any more), the answer is the 412 that was lost.
func (c *Client) settlePut(ctx context.Context, bucket, key string, cond Conditions, f *Error) (bool, error) {
	if f.Status != 0 || f.Kind != Busy || !c.budget.take() {
		return false, nil
	}
	o, err := c.head(ctx, bucket, key, "", 1)
	switch {
	case err == nil && (cond.IfNoneMatch || o.ETag != cond.IfMatch):
	case KindOf(err) == NotFound && cond.IfMatch != "":
	default:
		return false, nil
	}
	return true, &Error{
		Kind: Precondition, Op: f.Op, Status: f.Status, Attempts: f.Attempts, Unsure: true,
		err: fmt.Errorf("the answer was lost (%w), but the condition does not hold", f.err),
	}
}

// source is the body of an upload for all its attempts.
type source struct {
	reader io.Reader
	seeker io.Seeker // nil: can be read once
	start  int64
	size   int64
}

func newSource(op string, body io.Reader, size int64) (*source, error) {
	if size < 0 {
		return nil, invalid(op, fmt.Errorf("size %d is negative", size))
	}
	if body == nil {
		return nil, invalid(op, errors.New("body is nil"))
	}
	s := &source{reader: body, size: size}
	seeker, ok := body.(io.Seeker)
	if !ok {
		return s, nil
	}
	start, left, err := rest(seeker)
	if err != nil {
		return nil, &Error{Kind: Source, Op: op, err: err}
	}
	if left != size {
		return nil, &Error{Kind: Source, Op: op, err: fmt.Errorf("body has %d bytes, not the declared %d", left, size)}
	}
	s.seeker, s.start = seeker, start
	return s, nil
}

// Summed is a body that knows the CRC32C of all its bytes. Put believes it; the store does not.
type Summed interface{ CRC32C() uint32 }

// checksum returns the CRC32C of what the body has left, as S3 writes it. To find it costs about 0.1 ns a byte.
func (s *source) checksum() (string, error) {
	if known, ok := s.reader.(Summed); ok && s.start == 0 {
		return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint32(nil, known.CRC32C())), nil
	}
	h := crc32.New(castagnoli)
	if _, err := io.Copy(h, s.reader); err != nil {
		return "", fmt.Errorf("cannot read the body: %w", err)
	}
	return base64.StdEncoding.EncodeToString(h.Sum(nil)), nil
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// next returns the body for one attempt and notes it there.
func (s *source) next(at *attempt) (*outgoing, error) {
	if s.seeker != nil {
		if _, err := s.seeker.Seek(s.start, io.SeekStart); err != nil {
			return nil, err
		}
	}
	at.body = newOutgoing(s.reader, s.size, s.seeker != nil)
	return at.body, nil
}
