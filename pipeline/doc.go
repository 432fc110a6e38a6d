// Package pipeline moves the bytes of an object: it reads them into pooled
// batches, has them sealed or opened on as many cores as are idle, and hands
// them on in order. It knows no format, no network and no key: a format comes in
// through Sealer and Opener, bytes through io.Reader, and batches leave through a
// function.
//
//	caller's goroutine (the pump)                     pool: Workers-1 goroutines
//	┌─────────────────────────────────────────┐
//	│ src ──Read──► slot of a batch            │   jobs (two queued each)
//	│ batch full ──► an idle worker takes it ──┼──────────────► seal / open in place
//	│             └► none idle: done right here│                     │
//	│ oldest batch done? ──► sink(batch) ◄─────┼─────────────────────┘ job.done
//	└─────────────────────────────────────────┘
//
// # Layout of a batch
//
// A batch is one buffer of whole slots. A slot is SegmentBytes + TagBytes:
//
//	slot 0                     slot 1                      last slot
//	[ 64 KiB plain | tag ]     [ 64 KiB plain | tag ]  …   [ rest | tag ]
//
// Plaintext is read straight into its slot and sealed in place, so the sealed
// bytes lie contiguous with no copy; opening is the reverse.
//
// # Ownership
//
//	batch being filled             the pump
//	batch handed to a worker       the worker, until job.done
//	batch given to sink            sink's owner; it must Release it once
//	batch in a Chain               the Chain, until Release and the last reader's Close
//	batch in a Pipe                the Pipe, until its bytes are read or the reader closed
//
// Release clears whatever may be plaintext before the buffer goes to its pool.
//
// # Promises, each with its test
//
//   - EOF means verified: the last batch is sealed only after src said io.EOF
//     exactly where it should: TestLastBatchWaitsForEOF.
//   - No byte of a batch that did not open reaches the sink: TestFailedOpenIsWithheld.
//   - Output is in order, whatever the workers do: TestOrderUnderRandomDelays.
//   - The result is the serial one, byte for byte: TestSealMatchesSerial,
//     TestOpenMatchesSerial, FuzzSchedules.
//   - A stream that feeds a Pipe never holds more than Window, one that feeds a
//     Chain never more than Footprint: TestWindowAndFootprintHold.
//   - Seal and Open return only when no goroutine holds src or a batch, on every
//     path: TestCancellationLeavesNothing.
//   - Budget is given first come, first served; a waiter gives up with ErrBusy:
//     TestBudgetIsFairAndBounded.
//   - A Chain's memory outlives Release while a reader is open:
//     TestChainReaderOutlivesRelease. A Pipe's reader may be closed beside Read:
//     TestPipeCloseBesideRead.
//   - No allocation per segment: TestAllocations.
//
// # What is not promised
//
// Seal and Open take no budget: the caller reserves before the first read. A
// blocked src is not interrupted by ctx; the owner of src must unblock it.
package pipeline
