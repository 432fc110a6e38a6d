package server

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

// uploadPart seals one attempt of one part. Its ETag carries what Complete has to
// know of it.
func (s *Server) uploadPart(r *request) error {
	if err := r.refuseHeaders(uploadRefused...); err != nil {
		return err
	}
	number, err := partNumber(r)
	if err != nil {
		return err
	}
	u, err := s.openUpload(r)
	if err != nil {
		return err
	}
	if err := u.sums.arm(&r.body.want); err != nil {
		return err
	}
	p, err := u.newPart(number, r.body.length)
	if err != nil {
		return err
	}
	if u.wantsMD5(p) {
		r.body.want.computeMD5()
	}
	offer := u.offer(&r.body.want)
	note := func() (n partNote) {
		if sum := r.body.want.sum(); sum != nil {
			n.checksum, n.sum = r.body.want.checksum, sum
		}
		if u.wantsMD5(p) {
			n.md5 = r.body.want.plainMD5()
		}
		n.offer = offer()
		return n
	}
	if err := s.admitTurn(r, r.body.length); err != nil {
		return err
	}
	etag, err := p.store(&r.body, note)
	if err != nil {
		return err
	}
	r.http.Response.Header.Set("ETag", etag)
	if c, ok := note().sealed(); ok {
		r.http.Response.Header.Set(c.header(), c.value())
	}
	return nil // 200 with an empty body
}

// wantsMD5 says whether the ETag of a part is to have its MD5: for the ETag of the object,
// or because the part may become an object without a table, whose repeated completion is
// recognised by nothing else.
func (u *uploading) wantsMD5(p *partUp) bool {
	return u.s.etagMode == ETagMD5 || p.sealer.PlainSize() < format.MinPartSize
}

// offer adds the offered checksum to what a part's body is hashed with, in an upload that
// has none. The result gives it once the body is proved.
func (u *uploading) offer(want *digests) func() []byte {
	c := u.s.offered()
	if c == nil || u.sums.checksum != nil || want.checksum == c {
		return func() []byte { return nil }
	}
	want.claims = append(want.claims, digest{of: c, wrong: errOffered, ours: true})
	return func() []byte { return want.find(errOffered).want }
}

// partUp is one attempt of a part on its way to the backend.
type partUp struct {
	*uploading
	number int
	sealer *format.PartSealer
	staged string // version id of a part that was put aside
}

func (u *uploading) newPart(number int, plain int64) (*partUp, error) {
	sealer, err := u.NewPart(number, plain)
	if err != nil {
		return nil, uploadFault(err)
	}
	return &partUp{uploading: u, number: number, sealer: sealer}, nil
}

// store seals src, which must have exactly the part's plain bytes and end with
// io.EOF only when it is proved, and returns the client's ETag, quoted. The backend
// gets the last segment after that end; note is asked then too.
func (p *partUp) store(src io.Reader, note func() partNote) (string, error) {
	if p.sealer.Staged() {
		// The backend's upload is not asked, so it cannot say that it is gone.
		if err := p.goesOn(); err != nil {
			return "", err
		}
	}
	etag, err := p.send(src)
	if unknownUpload(err) {
		return "", errNoUpload
	}
	if err != nil {
		return "", err
	}
	client, err := p.sealer.ETag(strings.Trim(etag, `"`), note().encode())
	if err != nil {
		return "", s3err.Wrap(s3err.ServiceUnavailable, err, "the backend gave the part an ETag that cannot be kept")
	}
	if err := p.keep(client); err != nil {
		return "", err
	}
	p.s.metrics.sealedBytes.Add(int(p.sealer.PlainSize()))
	return partETag(client), nil
}

// keep stores the receipt of a part, if there are to be any. What lies beside the
// upload when it ended meanwhile is removed: its end may have looked before.
func (p *partUp) keep(etag string) error {
	var beside []backend.ObjectID
	if p.sealer.Staged() {
		beside = append(beside, backend.ObjectID{Key: p.LastKey(p.number), Version: p.staged})
	}
	if p.s.receipts {
		key, err := p.ReceiptKey(p.number, etag)
		if err != nil {
			return err
		}
		made, err := p.bucket.Put(p.ctx, p.target.bucket, key, newBytesReader(nil), 0, backend.Conditions{})
		if err != nil {
			return fmt.Errorf("cannot store the receipt of part %d: %w", p.number, err)
		}
		beside = append(beside, backend.ObjectID{Key: key, Version: made.Version})
	}
	if len(beside) == 0 {
		return nil
	}
	err := p.goesOn()
	if err == errNoUpload {
		p.drop(beside)
	}
	return err
}

// drop removes what a part put beside an upload that had just ended.
func (p *partUp) drop(ids []backend.ObjectID) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(p.ctx), abortTime)
	defer cancel()
	for _, id := range ids {
		if _, err := p.s.backend.DeleteWith(ctx, p.target.bucket, id.Key, backend.DeleteOptions{Version: id.Version}); err != nil {
			p.s.metrics.orphans.Inc()
			p.log.Warn().Err(err).Msg("cannot remove what came after its upload's end; it stays until the backend's lifecycle rule removes it")
		}
	}
}

// send holds the sealed part in memory where the budget has room for it, so that it
// can be sent again, or lets a bounded window flow through.
func (p *partUp) send(src io.Reader) (string, error) {
	if plain := p.sealer.PlainSize(); plain <= p.s.wholeObject {
		if res, ok := p.s.reserveWhole(p.s.engine.Footprint(plain)); ok {
			defer res.Release()
			return p.sendWhole(src)
		}
	}
	res, err := p.s.engine.Reserve(p.ctx, p.s.engine.Window())
	if err != nil {
		return "", err
	}
	defer res.Release()
	return p.sendThrough(src)
}

func (p *partUp) sendWhole(src io.Reader) (string, error) {
	var chain pipeline.Chain
	defer chain.Release()
	if err := p.seal(src, func(b *pipeline.Batch) error { chain.Append(b); return nil }); err != nil {
		return "", err
	}
	body := chain.NewReader(p.sealer.Head(), nil)
	defer body.Close()
	return p.toBackend(p.ctx, body)
}

func (p *partUp) sendThrough(src io.Reader) (string, error) {
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	w, r := pipeline.NewPipe(1)
	type result struct {
		etag string
		err  error
	}
	sent := make(chan result, 1)
	go func() {
		body := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(p.sealer.Head()), r), r}
		etag, err := p.toBackend(ctx, body)
		r.Close() // frees a waiting Send, also when the backend answered early
		sent <- result{etag, err}
	}()
	sealErr := p.seal(src, func(b *pipeline.Batch) error { return w.Send(ctx, b) })
	w.CloseWithError(sealErr)
	if sealErr != nil {
		cancel() // cut the backend request: its last segment was never sent
	}
	got := <-sent
	r.Close()
	switch {
	case sealErr == nil:
		return got.etag, got.err
	case !bodyError(sealErr) && got.err != nil && backendKind(got.err) != backend.ClientAbort && backendKind(got.err) != backend.Source:
		return "", got.err
	}
	return "", sealErr
}

// seal runs the part through the engine.
func (p *partUp) seal(src io.Reader, sink func(*pipeline.Batch) error) error {
	timed := timeSealer(p.sealer)
	defer func() { p.s.metrics.crypto(p.route.op, time.Duration(timed.spent.Load())) }()
	defer p.turn.End() // what follows waits for the backend
	return p.s.engine.Seal(p.ctx, src, p.sealer.PlainSize(), timed, pausingSink(p.turn, sink))
}

// toBackend stores the part where it belongs: a staged one beside the upload.
func (p *partUp) toBackend(ctx context.Context, body io.Reader) (etag string, err error) {
	if p.sealer.Staged() {
		made, err := p.bucket.Put(ctx, p.target.bucket, p.LastKey(p.number), body, p.sealer.SealedSize(), backend.Conditions{})
		p.staged = made.Version
		return made.ETag, err
	}
	etag, err = p.s.backend.StreamPart(ctx, p.target.bucket, p.key, p.BackendID(), p.number, body, p.sealer.SealedSize())
	if err != nil {
		return "", fmt.Errorf("cannot store part %d: %w", p.number, err)
	}
	return etag, nil
}
