// Package reblock puts the body of a stored object behind another block: the
// move below copy, rename and key rotation. The body's sealed bytes stay as they
// are (format.Reblock makes the block), so a move needs no key.
//
// # Two ways, one result in bytes
//
//   - whole: up to Config.Whole stored bytes pass through memory and go out as one
//     PUT, which can be sent again;
//   - parts: of larger ones only the first 5 MiB do. They become part 1 of a
//     backend upload, behind the new block; the rest is copied by the backend
//     where it lies (UploadPartCopy).
//
// A multipart object, whose block is its tail, is always copied by the backend, and
// its tail uploaded behind it (MoveTail).
//
// # Promises, each with the test that proves it
//
//   - The destination is the old object or the whole new one, whatever call fails
//     or is cut: TestFailureAfterAnyCallLeavesOldOrNew.
//   - All bytes are of the one object that the caller's block was read from, or
//     nothing is written: TestSourceThatChangesIsNeverMixed.
//   - A condition for the destination is checked by the write that makes the
//     object: TestDestinationThatChangedStays.
//   - No upload is left behind by a move that failed, be it by a cancelled
//     context: TestFailedMoveRemovesItsUpload.
//   - Memory: at most Config.Whole bytes and one block a move, asked for through
//     Config.Reserve first: TestReserveAndSpendAreAskedFirst.
//
// # Ownership and concurrency
//
// A Mover is safe for concurrent use. Move owns Source.Body and closes it; it keeps
// no reference to a block after it returned.
package reblock
