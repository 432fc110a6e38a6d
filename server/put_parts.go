package server

import (
	"bytes"
	"context"
	"io"
	"slices"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// partsBeside is how many parts an upload holds beside those on their way: the first,
// which waits for the end, and the one that is being filled.
const partsBeside = 2

// storeParts stores a large object by a backend multipart upload of our own, with as many
// threads as there is memory for.
func (s *Server) storeParts(p *put) (made backend.Written, err error) {
	if err := s.proveCondition(p.request, p.cond, true); err != nil {
		return backend.Written{}, err
	}
	plan, res, ok := s.reserveThreads(p.sealer)
	if !ok {
		plan = planParts(p.sealer, s.engine, s.threads).with(1, s.engine)
		if res, err = s.engine.Reserve(p.ctx, plan.memory); err != nil {
			return made, err
		}
	}
	defer res.Release()
	return s.sendParts(p, plan)
}

// storeBeside stores an object in parts that could be sent as one, if several threads can
// be used: ok says whether it did. One under a condition is not, which a store may refuse
// before it has the bytes, and may not know when it completes an upload; nor one with a
// hint, which has to be known when the upload begins; nor one into a bucket with object
// lock, where Amazon S3 refuses parts without a checksum, and ours have none.
func (s *Server) storeBeside(p *put) (made backend.Written, ok bool, err error) {
	if s.threads == 1 || p.sealer.PaddedSize() <= threadsFrom || p.hints || p.cond.IfNoneMatch || p.cond.IfMatch != "" {
		return made, false, nil
	}
	if locked, err := s.locks.locked(p.ctx, p.target.bucket); locked || err != nil {
		return made, false, nil
	}
	plan, res, ok := s.reserveThreads(p.sealer)
	if !ok {
		return made, false, nil
	}
	defer res.Release()
	made, err = s.sendParts(p, plan)
	return made, true, err
}

// reserveThreads takes the memory of an upload by two threads or more. It does not wait.
func (s *Server) reserveThreads(sealer *format.Sealer) (plan partPlan, res *pipeline.Reservation, ok bool) {
	plan = planParts(sealer, s.engine, s.threads)
	for want := plan.threads; plan.threads > 1; plan = plan.with(plan.threads-1, s.engine) {
		if res, ok = s.reserveWhole(plan.memory); ok {
			if plan.threads < want {
				s.metrics.threadsWithheld.Inc()
			}
			return plan, res, true
		}
	}
	if s.threads > 1 {
		s.metrics.threadsWithheld.Inc()
	}
	return plan, nil, false
}

// sendParts makes the upload; its memory was taken. The stored bytes are the same as from a
// single PUT; whoever reads them cannot tell. Nothing exists before Complete, and Complete is
// called only after the body was proved. Part 1 carries the block and goes last.
func (s *Server) sendParts(p *put, plan partPlan) (made backend.Written, err error) {
	if p.late == nil { // else the block is not known yet
		p.hint()
	}
	id, err := s.backend.CreateUploadWith(p.ctx, p.target.bucket, p.key, p.cond.Attributes)
	if err != nil {
		return made, err
	}
	up := &partUpload{s: s, p: p, id: id, plan: plan, sent: make(chan sentPart, plan.threads)}
	defer up.release()
	if err := up.run(); err != nil {
		up.abort()
		return made, err
	}
	made, err = p.bucket.CompleteUpload(p.ctx, p.target.bucket, p.key, id, up.parts, p.cond)
	if err == nil {
		return made, nil
	}
	up.abort()
	if backendKind(err) == backend.Precondition {
		return s.settleSent(p, err)
	}
	return made, err
}

// partPlan says how an object is cut. Cuts fall on batches, so a part is a
// whole number of segments; the block rides in front of part 1, the filler
// behind the last.
type partPlan struct {
	plainPerPart int64 // plain bytes of every part but the last
	parts        int64
	threads      int   // parts on their way at once, at most
	memory       int64 // pooled bytes held at once
}

// planParts cuts an object for so many threads: several take smaller parts, so that they
// need no more memory than they must, and begin sooner.
func planParts(sealer *format.Sealer, e *pipeline.Engine, threads int) partPlan {
	need := (sealer.SealedSize() + maxParts - 1) / maxParts
	size := int64(putPart)
	if threads > 1 {
		size = rangeBytes
	}
	per := max(size, need, minPart+format.SegmentSize)
	per = (per + format.SegmentSize - 1) / format.SegmentSize * format.SegmentSize
	plan := partPlan{plainPerPart: per, parts: max(1, (sealer.PaddedSize()+per-1)/per)}
	return plan.with(int(min(int64(threads), plan.parts)), e)
}

// with is the plan for so many threads.
func (p partPlan) with(threads int, e *pipeline.Engine) partPlan {
	held := int64(partsBeside + threads)
	if threads > 1 {
		held = min(held, p.parts)
	}
	p.threads, p.memory = threads, held*e.Footprint(p.plainPerPart)+e.Window()
	return p
}

// partUpload is one upload in progress. The pump's goroutine fills parts; each
// part on its way has a goroutine that sends it.
type partUpload struct {
	s    *Server
	p    *put
	id   string
	plan partPlan

	first   *pipeline.Chain // part 1, kept to the end
	filling *pipeline.Chain
	plain   int64 // bytes in filling
	number  int   // of the part being filled, from 1

	flying int // parts on their way
	sent   chan sentPart
	parts  []backend.Part // that arrived
}

// sentPart is what became of a part on its way; its memory is the upload's again.
type sentPart struct {
	part  backend.Part
	chain *pipeline.Chain
	err   error
}

func (u *partUpload) run() error {
	u.filling, u.number = new(pipeline.Chain), 1
	if err := u.s.seal(u.p, nil, u.take); err != nil {
		return err
	}
	if err := u.p.finishBlock(); err != nil {
		return err
	}
	tail := filler(u.p.sealer)
	if u.number == 1 {
		if err := u.send(u.give(&u.filling), 1, u.p.block, tail); err != nil {
			return err
		}
		return u.wait(0)
	}
	if err := u.send(u.give(&u.filling), u.number, nil, tail); err != nil {
		return err
	}
	if err := u.send(u.give(&u.first), 1, u.p.block, nil); err != nil {
		return err
	}
	if err := u.wait(0); err != nil {
		return err
	}
	// Complete wants them in order.
	slices.SortFunc(u.parts, func(a, b backend.Part) int { return a.N - b.N })
	return nil
}

// give moves a chain out of its field, to its next owner.
func (u *partUpload) give(field **pipeline.Chain) *pipeline.Chain {
	c := *field
	*field = nil
	return c
}

// take owns a sealed batch; when the part is full it goes out.
func (u *partUpload) take(b *pipeline.Batch) error {
	if u.plain >= u.plan.plainPerPart {
		full, number := u.filling, u.number
		u.filling, u.plain = new(pipeline.Chain), 0
		u.number++
		if number == 1 {
			u.first = full
		} else if err := u.send(full, number, nil, nil); err != nil {
			b.Release()
			return err
		}
	}
	u.plain += int64(b.PlainLen())
	u.filling.Append(b)
	return nil
}

// send waits until there is a thread for it, then starts this part. It owns the chain.
func (u *partUpload) send(c *pipeline.Chain, number int, head, tail []byte) error {
	if err := u.wait(u.plan.threads - 1); err != nil {
		c.Release()
		return err
	}
	u.flying++
	go func() {
		body := c.NewReader(head, tail)
		defer body.Close()
		size := int64(len(head)) + c.Len() + int64(len(tail))
		etag, err := u.s.backend.UploadPart(u.p.ctx, u.p.target.bucket, u.p.key, u.id, number, body, size)
		u.sent <- sentPart{backend.Part{N: number, ETag: etag}, c, err}
	}()
	return nil
}

// wait joins parts until no more than left are on their way. The first error is returned
// when all that were to be joined are.
func (u *partUpload) wait(left int) (err error) {
	for u.flying > left {
		got := <-u.sent
		u.flying--
		got.chain.Release()
		if got.err == nil {
			u.parts = append(u.parts, got.part)
		} else if err == nil {
			err, left = got.err, 0 // nothing of it is of use any more
		}
	}
	return err
}

// release joins and frees whatever is left after a failure.
func (u *partUpload) release() {
	_ = u.wait(0) // the first error was returned already
	for _, c := range []*pipeline.Chain{u.first, u.filling} {
		if c != nil {
			c.Release()
		}
	}
	u.first, u.filling = nil, nil
}

// abort joins the parts on their way and gives the upload up.
func (u *partUpload) abort() {
	_ = u.wait(0)
	u.s.abortUpload(u.p.request, u.id)
}

// abortUpload removes an upload's parts, even when the request is cancelled.
func (s *Server) abortUpload(r *request, id string) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.ctx), abortTime)
	defer cancel()
	if err := s.backend.AbortUpload(ctx, r.bucket, r.key, id); err != nil {
		s.metrics.orphans.Inc()
		r.log.Warn().Err(err).Msg("cannot abort a backend upload; its parts stay until the backend's lifecycle rule removes them")
	}
}

// newBytesReader is a rewindable body over bytes the caller leaves alone.
func newBytesReader(b []byte) io.ReadSeeker { return bytes.NewReader(b) }
