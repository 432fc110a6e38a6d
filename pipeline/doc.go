// Package pipeline moves the bytes of an object: it reads them into pooled
// batches, has them sealed or opened on as many cores as are idle, and hands
// them on in order. It knows no format, no network and no key: a format comes in
// through Sealer and Opener, bytes through io.Reader, and batches leave through a
// function.
//
//	caller's goroutine (the pump)                   pool: Workers-1 goroutines
//	┌──────────────────────────────────────────┐
//	│ src ──Read──► slot of a batch            │    jobs (two queued for each)
//	│ batch full ──► there is room: a worker's ┼──────────────► seal / open in place
//	│            └─► none: done right here     │                      │
//	│ oldest batch done? ──► sink(batch) ◄─────┼──────────────────────┘ job.done
//	└──────────────────────────────────────────┘
//
// The goroutines are made by New and ended by Close; a stream makes none, and
// with Workers 1 there are none. A pump that must wait for its oldest batch does
// queued work meanwhile, its own or another stream's, so a stream ends even with
// every worker busy or gone.
//
// # Layout of a batch
//
// A batch is one buffer of whole slots. A slot is SegmentBytes + TagBytes:
//
//	slot 0                     slot 1                      last slot
//	[ 64 KiB plain | tag ]     [ 64 KiB plain | tag ]  …   [ rest | tag ]
//
// Plaintext is read straight into its slot and sealed in place, so the sealed
// bytes lie contiguous with no copy; opening is the reverse. There are two sizes
// of buffer, each with its sync.Pool: a whole batch, and one slot for what fits
// in one segment. The pools are a cache; the bound on memory is the byte budget.
//
// # Ownership of every buffer
//
//	batch being filled             the pump; src may write to it during Read only
//	batch handed to a worker       whoever runs the job, until job.done is told
//	batch given to sink            sink's owner; it must Release it once
//	batch in a Chain               the Chain, until Release and the last reader's Close
//	batch in a Pipe                the Pipe, until its bytes are read or the reader closed
//	slices of a batch              borrowed from it: good until its Release
//	prefix, suffix of a reader     the caller's; unchanged until the reader's Close
//
// Release clears whatever may be plaintext before the buffer goes to its pool; a
// second Release panics.
//
// # Promises, each with its test
//
// What is sealed and opened:
//
//   - The result is the serial one, byte for byte, whatever the source, the
//     workers and the sink do: TestSealMatchesSerial, TestOpenMatchesSerial,
//     TestOrderUnderRandomDelays, TestEveryBatchSizeGivesTheSameBytes,
//     FuzzSchedules, FuzzOpen.
//   - EOF means verified: the last batch is sealed only after src said io.EOF
//     exactly where it should, and while ctx was alive: TestLastBatchWaitsForEOF,
//     TestSourceErrorAtEveryEdge, TestCancelledStreamSealsNoLastBatch. An error
//     that comes with the last bytes, or that wraps io.EOF, is an error.
//   - An early end is ErrShortSource and io.ErrUnexpectedEOF, never io.EOF:
//     TestShortSourceIsNeverEOF.
//   - No byte of a batch that did not open reaches the sink:
//     TestFailedOpenIsWithheld. The first error in the stream's order is
//     returned: TestFirstErrorInStreamOrderWins.
//   - A batch cannot be taken for the other side, sealed for plain or the reverse:
//     TestBatchKnowsItsSide.
//
// Memory and goroutines:
//
//   - A stream that feeds a Pipe never holds more than Window, one that feeds a
//     Chain exactly Footprint: TestWindowIsExact, TestFootprintIsExact,
//     TestBudgetBoundsManyStreams.
//   - Budget is given first come, first served; a waiter gives up with ErrBusy:
//     TestBudgetIsFairAndBounded, TestBusyAfterQueueTimeout.
//   - Seal and Open return only when no goroutine holds src or a batch, on every
//     path: TestCancellationLeavesNothing, TestSinkErrorStopsTheStream.
//   - Plaintext does not survive in a pool: TestPlaintextIsClearedBeforeThePool.
//   - A panic in a worker reaches the stream that caused it and no other:
//     TestPanicReachesItsOwnStream.
//   - Close lets running streams end and refuses new ones:
//     TestCloseRefusesNewAndFinishesRunning.
//   - What is done is given away before the next read, not after it:
//     TestFinishedBatchesAreNotHeldBack.
//   - No allocation per segment, at most 40 for a stream of 4 MiB: TestAllocations.
//
// Admission (admission.go):
//
//   - No more bodies hold a turn than Config.Admission, the parties get theirs one after
//     another, and within one the first comes first: TestAdmissionIsBounded,
//     TestAdmissionIsFair. A waiter gives up with ErrBusy, or with its context:
//     TestAdmissionGivesUp.
//   - A body that mostly waits for a socket loses its turn to who wants it and goes on
//     without: who has budget never waits for a turn, and who waits for budget keeps it:
//     TestRestingBodiesLoseTheirTurn, TestRests, TestAdmissionStorm.
//
// Chain and Pipe:
//
//   - Readers of a Chain are independent and can be rewound:
//     TestChainReadersAreIndependent, TestChainIsSentAgainAfterAFailure.
//   - A Chain's memory outlives Release while a reader is open, and Close while a
//     writer has it: TestChainReaderOutlivesRelease, TestChainCloseBesideWriteTo,
//     TestChainReadersRace.
//   - A Pipe is bounded: TestPipeIsBounded. Its reader may be closed beside Read,
//     which frees all and both sides: TestPipeCloseBesideRead,
//     TestPipeCloseFreesBothSides, TestPipeSendBesideClose, TestPipeReadBesideClose.
//   - A Pipe never ends cleanly after a failure or after Close threw bytes away:
//     TestPipeGivesTheErrorNeverACleanEnd, TestPipeErrorOvertakesTheQueue,
//     TestPipeCloseIsNoCleanEnd.
//
// # What is not promised
//
// Seal and Open take no budget and no turn: the caller takes a turn (Admit), reserves,
// and reads, in this order, or the bound on memory does not hold. A blocked src or sink is not interrupted by
// ctx: their owner must unblock them. An error may come when earlier batches have
// reached the sink: they are right, but they are not the object. Batches of one
// stream may be sealed on another stream's goroutine, so a Sealer must not count
// on who calls it.
package pipeline
