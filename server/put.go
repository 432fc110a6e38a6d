package server

import (
	"bytes"
	"context"
	"crypto/md5"
	"errors"
	"io"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// put is one object on its way to the backend.
type put struct {
	*request
	bucket *bucket
	sealer *format.Sealer
	block  []byte // in front of the sealed body
	cond   backend.Conditions
	// late, if set, makes the block anew with what only the end of the body says.
	// It is called once the body is proved, before the block is sent.
	late func() error
	// offers: late is for the offered checksum alone.
	offers bool
	// hints: the block is stored as user metadata, too.
	hints bool
}

// finishBlock is to be called when the body is proved.
func (p *put) finishBlock() error {
	if p.late == nil {
		return nil
	}
	return p.late()
}

// goWithout gives the offered checksum up before the body begins, and with it what makes
// the block late.
func (p *put) goWithout() {
	p.body.want.drop()
	p.late, p.offers = nil, false
}

// hint keeps the block, which is final now, beside the object too.
func (p *put) hint() {
	if p.hints {
		p.cond.BlockHint = backend.Hint(p.block)
	}
}

// putObject seals a body and stores it. Three ways, one result in bytes:
//
//   - whole: the budget has room for all of it: sealed in memory, proved, then
//     sent as one PUT that can be sent again;
//   - through: the budget is short: a bounded window flows through, the last
//     segment withheld until the body is proved;
//   - parts: larger than WholeObject: a backend multipart upload whose first
//     part, which carries the block, is sent last. With Config.Threads so are
//     those above threadsFrom, several parts at once.
func (s *Server) putObject(r *request) error {
	if err := r.refuseHeaders(unsealable...); err != nil {
		return err
	}
	if err := r.refuseHeaders("x-amz-copy-source*"); err != nil {
		return err
	}
	cond, err := r.conditions()
	if err != nil {
		return err
	}
	if cond.Attributes, err = r.attributes(s.now()); err != nil {
		return err
	}
	meta, err := metaFromHeaders(&r.http.Request.Header)
	if err != nil {
		return err
	}
	meta.PlainSize = r.body.length
	meta.WrittenAt = s.now()
	late := r.body.want.trailing
	meta.MD5 = r.body.want.md5
	if s.etagMode == ETagMD5 && meta.MD5 == nil && digesting {
		r.body.want.computeMD5()
		meta.MD5, late = make([]byte, md5.Size), true // there is room for it
	}
	if r.body.stream != nil {
		meta.ContentEncoding = withoutFraming(meta.ContentEncoding)
	}
	if !r.body.want.trailing {
		meta.Checksum = r.body.want.sealed()
	}
	ring, err := s.keys.Ring()
	if err != nil {
		return err
	}
	b, err := s.gate.open(r.ctx, ring, r.target.bucket, true)
	if err != nil {
		return err
	}
	ctx, err := where(b, r.key)
	if err != nil {
		return err
	}
	sealing := b.sealing(ring)
	sealer, err := format.NewSealer(sealing, ctx, meta, format.SealOptions{Suite: s.suite, BlockSize: b.blockSize, Padded: b.padded})
	if err != nil {
		return err
	}
	if err := s.pin(r, &cond); err != nil {
		return err
	}
	p := &put{request: r, bucket: b, sealer: sealer, block: sealer.Block(), cond: cond, hints: s.blockHint}
	var offered *checksum
	if r.body.want.checksum == nil {
		if offered = s.offered(); offered != nil {
			r.body.want.compute(offered)
			p.offers = !late
		}
	}
	if late || offered != nil {
		p.late = func() error {
			err := p.sealLate(sealing, ctx)
			if offered != nil && errors.Is(err, format.ErrMetadataTooLarge) {
				r.body.want.drop()
				err = p.sealLate(sealing, ctx)
			}
			return err
		}
	}
	made, err := s.store(p)
	if err != nil {
		return writeRefusal(err, cond.Attributes)
	}
	s.metrics.sealedBytes.Add(int(r.body.length))
	meta.MD5, meta.Checksum = r.body.want.plainMD5(), r.body.want.sealed()
	s.keepETag(b.id, r.key, meta, made.ETag)
	r.http.Response.Header.Set("ETag", s.etagOf(meta, made.ETag))
	r.showVersion(made.Version)
	r.http.Response.Header.Set("x-amz-object-size", strconv.FormatInt(r.body.length, 10))
	if c, ok := openChecksum(format.Meta{Checksum: r.body.want.sealed()}); ok {
		r.showChecksum(c)
	}
	return nil // 200 with an empty body: PBS takes nothing else
}

// sealLate seals the block with what the body's end has told.
func (p *put) sealLate(sealing keyring, at format.Context) error {
	block, err := format.Reblock(sealing, at, at, p.block, p.sealer.SealedSize(), func(m *format.Meta) {
		m.Checksum, m.MD5 = p.body.want.sealed(), p.body.want.plainMD5()
	}, p.bucket.blockSize)
	if err == nil {
		p.block = block
	}
	return err
}

// withoutFraming drops aws-chunked from a Content-Encoding: it describes the wire
// and not the object.
func withoutFraming(encoding string) string {
	var kept []string
	for e := range strings.SplitSeq(encoding, ",") {
		if e = strings.TrimSpace(e); e != "" && !strings.EqualFold(e, "aws-chunked") {
			kept = append(kept, e)
		}
	}
	return strings.Join(kept, ",")
}

// showChecksum puts an object's checksum into the answer.
func (r *request) showChecksum(c sealedChecksum) {
	r.http.Response.Header.Set(c.header(), c.value())
	r.http.Response.Header.Set(checksumPrefix+"type", kindNames[c.kind])
}

// conditions reads the write conditions S3 has. Which object If-Match means is for pin
// to find out.
func (r *request) conditions() (backend.Conditions, error) {
	c := backend.Conditions{IfNoneMatch: r.createsOnly()}
	if err := r.refuseHeaders("if-modified-since", "if-unmodified-since"); err != nil {
		return c, err
	}
	if r.hasHeader("if-none-match") {
		if r.header("If-None-Match") != "*" {
			return c, s3err.New(s3err.NotImplemented, "If-None-Match on a PUT takes * only")
		}
		c.IfNoneMatch = true
	}
	if c.IfNoneMatch && r.hasHeader("if-match") {
		return c, s3err.New(s3err.NotImplemented, "If-Match and If-None-Match exclude each other")
	}
	return c, nil
}

func (s *Server) store(p *put) (backend.Written, error) {
	if err := s.admitTurn(p.request, p.sealer.PaddedSize()); err != nil {
		return backend.Written{}, err
	}
	if p.sealer.PaddedSize() > s.wholeObject {
		if p.offers && p.hints {
			p.goWithout() // a hint is sent with the first request, and was asked for
		}
		return s.storeParts(p)
	}
	if p.sealer.PlainSize() == 0 && format.FolderKey(p.key) {
		// In memory whatever else there is: it may have to be sent again, as a folder marker.
		res, err := s.engine.Reserve(p.ctx, s.engine.Footprint(0))
		if err != nil {
			return backend.Written{}, err
		}
		defer res.Release()
		return s.storeWhole(p)
	}
	if made, ok, err := s.storeBeside(p); ok {
		return made, err
	}
	if res, ok := s.reserveWhole(s.engine.Footprint(p.sealer.PaddedSize())); ok {
		defer res.Release()
		return s.storeWhole(p)
	}
	if p.offers && !s.gate.emulated.on {
		p.goWithout() // a window is enough then
	}
	if p.late != nil || s.gate.emulated.on {
		// A name is not held for as long as a client takes to send its body.
		return s.storeLate(p)
	}
	res, err := s.engine.Reserve(p.ctx, s.engine.Window())
	if err != nil {
		return backend.Written{}, err
	}
	defer res.Release()
	return s.storeThrough(p)
}

// storeLate stores an object whose block, which stands first, is known last, while
// the budget is short: in parts where they need less room than the whole does.
func (s *Server) storeLate(p *put) (backend.Written, error) {
	whole := s.engine.Footprint(p.sealer.PaddedSize())
	if plan := planParts(p.sealer, s.engine, s.threads).with(1, s.engine); plan.memory < whole {
		return s.storeParts(p)
	}
	res, err := s.engine.Reserve(p.ctx, whole)
	if err != nil {
		return backend.Written{}, err
	}
	defer res.Release()
	return s.storeWhole(p)
}

// reserveWhole takes budget for a whole object while a quarter of the budget
// stays free for windows: uploads that stall must not shut out those that flow.
func (s *Server) reserveWhole(n int64) (*pipeline.Reservation, bool) {
	if st := s.engine.Stats(); st.BudgetUsed+n > st.Budget/4*3 {
		return nil, false
	}
	return s.engine.TryReserve(n)
}

// storeWhole holds the sealed object in memory until the backend has it.
func (s *Server) storeWhole(p *put) (made backend.Written, err error) {
	if err := s.proveCondition(p.request, p.cond, false); err != nil {
		return backend.Written{}, err
	}
	var chain pipeline.Chain
	defer chain.Release()
	var sum sealedSum
	if err = s.seal(p, &sum, func(b *pipeline.Batch) error { chain.Append(b); return nil }); err != nil {
		return made, err
	}
	if err := p.finishBlock(); err != nil {
		return made, err
	}
	send := func(cond backend.Conditions) (backend.Written, error) {
		tail := filler(p.sealer)
		body := sealedBody{chain.NewReader(p.block, tail), sum.of(p.block, tail)}
		defer body.Close()
		return p.bucket.Put(p.ctx, p.target.bucket, p.key, body, p.sealer.SealedSize(), cond)
	}
	p.hint()
	made, err = send(p.cond)
	for range maxOverwrites {
		if backendKind(err) != backend.Precondition {
			return made, err
		}
		verdict := s.settle(p, err)
		if verdict.overwrite == "" {
			return verdict.made, verdict.err
		}
		// What stands there cannot be opened by anyone: writing over exactly that
		// is better than calling it stored.
		p.log.Warn().Msg("overwriting an object that cannot be opened")
		if err := s.proveCondition(p.request, backend.Conditions{IfMatch: verdict.overwrite}, false); err != nil {
			return backend.Written{}, err
		}
		s.metrics.overwrites.Inc()
		made, err = send(backend.Conditions{IfMatch: verdict.overwrite, Attributes: p.cond.Attributes})
	}
	if backendKind(err) == backend.Precondition {
		return made, s3err.Wrap(s3err.ConditionalRequestConflict, err, "the existing object keeps changing; try again")
	}
	return made, err
}

// maxOverwrites is how often a PUT tries to replace an unreadable object that
// others are changing too.
const maxOverwrites = 2

// storeThrough sends the sealed front while the body still arrives.
func (s *Server) storeThrough(p *put) (made backend.Written, err error) {
	if err := s.proveCondition(p.request, p.cond, false); err != nil {
		return backend.Written{}, err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	defer cancel()
	p.hint()
	w, r := pipeline.NewPipe(1)
	type result struct {
		made backend.Written
		err  error
	}
	sent := make(chan result, 1)
	go func() {
		body := struct {
			io.Reader
			io.Closer
		}{io.MultiReader(bytes.NewReader(p.block), r, bytes.NewReader(filler(p.sealer))), r}
		made, err := p.bucket.Put(ctx, p.target.bucket, p.key, body, p.sealer.SealedSize(), p.cond)
		r.Close() // frees a waiting Send, also when the backend answered early
		sent <- result{made, err}
	}()
	sealErr := s.seal(p, nil, func(b *pipeline.Batch) error { return w.Send(ctx, b) })
	w.CloseWithError(sealErr)
	if sealErr != nil {
		cancel() // cut the backend request: its last segment was never sent
	}
	got := <-sent
	r.Close()
	switch {
	case sealErr == nil && got.err == nil:
		return got.made, nil
	case sealErr != nil && bodyError(sealErr):
		return made, sealErr
	case backendKind(got.err) == backend.Precondition:
		return s.settleSent(p, got.err)
	case got.err != nil && backendKind(got.err) != backend.ClientAbort:
		return made, got.err
	}
	if sealErr == nil {
		sealErr = got.err
	}
	return made, sealErr
}

// seal runs the body through the engine, and adds what it seals to sum, unless that is nil. What
// follows waits for the backend: another body may move then.
func (s *Server) seal(p *put, sum *sealedSum, sink func(*pipeline.Batch) error) error {
	timed := timeSealer(p.sealer)
	timed.sum = sum
	defer func() { s.metrics.crypto("PutObject", time.Duration(timed.spent.Load())) }()
	defer p.turn.End()
	// The end of the body proves it, so it is proved before the first byte of padding.
	size := p.sealer.PaddedSize()
	src := io.MultiReader(&p.body, io.LimitReader(zeroes{}, size-p.sealer.PlainSize()))
	return s.engine.Seal(p.ctx, src, size, timed, pausingSink(p.turn, sink))
}

// verdict is what a failed condition means: exactly one of the three is set.
type verdict struct {
	made      backend.Written // the object stands: it is this very PUT, whose answer was lost
	overwrite string          // ETag of an object that nobody can open, under If-None-Match
	err       error           // the answer
}

// settle is asked when the backend says that the condition does not hold. PBS
// counts 412 as stored, so under If-None-Match it is answered only for an object
// whose block opens and whose size is right; its body is proved by a reader.
func (s *Server) settle(p *put, precondition error) verdict {
	obj, err := s.openHead(p.ctx, p.target.bucket, p.key, "")
	switch {
	case err == nil && p.made(obj) && obj.etag != "":
		return verdict{made: backend.Written{ETag: obj.etag, Version: obj.version}}
	case err == nil || p.cond.IfMatch != "":
		return verdict{err: precondition}
	case backendKind(err) == backend.NotFound:
		return verdict{err: s3err.Wrap(s3err.ConditionalRequestConflict, err, "the object was removed meanwhile; try again")}
	case unreadable(err) && p.createsOnly():
		return verdict{err: precondition}
	case unreadable(err) && obj != nil && obj.size == 0 && format.FolderKey(p.key):
		// Its ETag does not tell it from a marker that opens and takes its place meanwhile.
		return verdict{err: err}
	case unreadable(err) && obj != nil && obj.etag != "":
		return verdict{overwrite: obj.etag}
	}
	return verdict{err: s3err.Wrap(s3err.ServiceUnavailable, err, "the existing object cannot be read; try again")}
}

// made says whether an object is this very PUT's. A folder marker has a block of its own,
// but the random id that was drawn for this PUT.
func (p *put) made(o *stored) bool {
	if o.folder {
		mine, err := format.ParseHeader(p.block)
		oid, ok := o.oid()
		return err == nil && ok && oid == mine.OID
	}
	return bytes.Equal(o.block, p.block)
}

// settleSent is settle where the body is gone: an unreadable object cannot be
// written over now, the client has to send it again.
func (s *Server) settleSent(p *put, precondition error) (backend.Written, error) {
	v := s.settle(p, precondition)
	if v.overwrite != "" {
		return v.made, s3err.Wrap(s3err.ServiceUnavailable, precondition, "the existing object cannot be opened; try again")
	}
	return v.made, v.err
}

// filler is the zero bytes of the size law that follow the last segment.
func filler(s *format.Sealer) []byte { return make([]byte, format.Filler(s.PaddedSize())) }

// bodyError says whether the client's body is to blame.
func bodyError(err error) bool {
	for _, e := range []error{errBodyShort, errBodyStalled, errBodySHA256, errBodyMD5, errBodyChecksum, errFormEnd,
		sigv4.ErrFraming, sigv4.ErrChunkSignature, sigv4.ErrDecodedLength, sigv4.ErrTrailer} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}
