package server

import (
	"bytes"
	"context"
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// partsInMemory is how many parts an upload holds: the first, which waits for
// the end, the one that is being filled and the one on its way.
const partsInMemory = 3

// storeParts stores a large object by a backend multipart upload of our own.
// The stored bytes are the same as from a single PUT; whoever reads them cannot
// tell. Nothing exists before Complete, and Complete is called only after the
// body was proved. Part 1 carries the block and goes last.
func (s *Server) storeParts(p *put) (made backend.Written, err error) {
	if err := s.proveCondition(p.request, p.cond, true); err != nil {
		return backend.Written{}, err
	}
	plan, err := planParts(p.sealer, s.engine)
	if err != nil {
		return made, err
	}
	res, err := s.engine.Reserve(p.ctx, plan.memory)
	if err != nil {
		return made, err
	}
	defer res.Release()

	if p.late == nil { // else the block is not known yet
		p.hint()
	}
	id, err := s.backend.CreateUploadWith(p.ctx, p.target.bucket, p.key, p.cond.Attributes)
	if err != nil {
		return made, err
	}
	up := &partUpload{s: s, p: p, id: id, plan: plan, sent: make(chan error, 1)}
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
	memory       int64 // pooled bytes held at once
}

func planParts(sealer *format.Sealer, e *pipeline.Engine) (partPlan, error) {
	need := (sealer.SealedSize() + maxParts - 1) / maxParts
	per := max(putPart, need, minPart+format.SegmentSize)
	per = (per + format.SegmentSize - 1) / format.SegmentSize * format.SegmentSize
	return partPlan{plainPerPart: per, memory: partsInMemory*e.Footprint(per) + e.Window()}, nil
}

// partUpload is one upload in progress. The pump's goroutine fills parts; one
// goroutine at a time sends the part before.
type partUpload struct {
	s    *Server
	p    *put
	id   string
	plan partPlan

	first   *pipeline.Chain // part 1, kept to the end
	filling *pipeline.Chain
	plain   int64 // bytes in filling
	number  int   // of the part being filled, from 1

	sending *pipeline.Chain // owned by the sending goroutine until it reports
	sent    chan error
	busy    bool
	parts   []backend.Part
}

func (u *partUpload) run() error {
	u.filling, u.number = new(pipeline.Chain), 1
	if err := u.s.seal(u.p, u.take); err != nil {
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
		return u.wait()
	}
	if err := u.send(u.give(&u.filling), u.number, nil, tail); err != nil {
		return err
	}
	if err := u.send(u.give(&u.first), 1, u.p.block, nil); err != nil {
		return err
	}
	if err := u.wait(); err != nil {
		return err
	}
	// Complete wants them in order.
	n := len(u.parts) - 1
	u.parts = append([]backend.Part{u.parts[n]}, u.parts[:n]...)
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

// send waits for the part before, then starts this one. It owns the chain.
func (u *partUpload) send(c *pipeline.Chain, number int, head, tail []byte) error {
	if err := u.wait(); err != nil {
		c.Release()
		return err
	}
	u.busy, u.sending = true, c
	go func() {
		body := c.NewReader(head, tail)
		defer body.Close()
		size := int64(len(head)) + c.Len() + int64(len(tail))
		etag, err := u.s.backend.UploadPart(u.p.ctx, u.p.target.bucket, u.p.key, u.id, number, body, size)
		if err == nil {
			u.parts = append(u.parts, backend.Part{N: number, ETag: etag})
		}
		u.sent <- err
	}()
	return nil
}

// wait joins the part on its way.
func (u *partUpload) wait() error {
	if !u.busy {
		return nil
	}
	err := <-u.sent
	u.busy = false
	u.sending.Release()
	u.sending = nil
	return err
}

// release joins and frees whatever is left after a failure.
func (u *partUpload) release() {
	_ = u.wait() // the first error was returned already
	for _, c := range []*pipeline.Chain{u.first, u.filling} {
		if c != nil {
			c.Release()
		}
	}
	u.first, u.filling = nil, nil
}

// abort joins the part on its way and gives the upload up.
func (u *partUpload) abort() {
	_ = u.wait()
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
