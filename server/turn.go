package server

import (
	"io"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline"
)

// admitTurn waits until a body of n bytes may move. Nothing of it is read before, and
// no budget held. Small ones move at once: they occupy nothing for long. So does the
// file of a form, which holds budget for what came before it.
func (s *Server) admitTurn(r *request, n int64) error {
	if n <= format.SegmentSize || r.turn != nil || r.body.file != nil {
		return nil
	}
	party := r.accessKey
	if r.client != nil {
		party = r.client.name
	}
	turn, err := s.engine.Admit(r.ctx, party)
	if err != nil {
		return err
	}
	r.turn, r.body.turn = turn, turn
	return nil
}

// pausing tells a turn what it waits for.
type pausing struct {
	io.Reader
	turn *pipeline.Turn
}

func (p pausing) Read(b []byte) (int, error) {
	p.turn.Pause()
	n, err := p.Reader.Read(b)
	p.turn.Resume(n)
	return n, err
}

// pausingSink is a sink that may wait for others.
func pausingSink(turn *pipeline.Turn, sink func(*pipeline.Batch) error) func(*pipeline.Batch) error {
	return func(b *pipeline.Batch) error {
		turn.Pause()
		err := sink(b)
		turn.Resume(0)
		return err
	}
}
