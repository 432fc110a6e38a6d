package pipeline

import "errors"

// Errors a caller decides on.
var (
	// ErrBusy: no budget within QueueTimeout, or too many wait already.
	ErrBusy = errors.New("the byte budget is taken")
	// ErrTooLarge: the reservation exceeds the whole budget.
	ErrTooLarge = errors.New("larger than the whole byte budget")
	// ErrClosed: the engine, or the other side of a Pipe, is closed.
	ErrClosed = errors.New("closed")
	// ErrShortSource: src ended before its announced length. The returned error
	// wraps io.ErrUnexpectedEOF too, and never io.EOF.
	ErrShortSource = errors.New("the source ended early")
	// ErrLongSource: src goes on past its announced length.
	ErrLongSource = errors.New("the source goes on past its length")
)
