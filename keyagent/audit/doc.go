// Package audit is the key agent's log of decisions: JSON lines, each chained to the one before by a digest, each on disk
// before the decision it tells of takes effect.
//
// # A line
//
//	{"seq":7,"time":"2026-02-01T10:00:00.000Z","boot":"32 hex","op":"deliver","admin":"64 hex","source":"192.0.2.7",
//	 "generation":3,"keys":["16 hex"],"result":"ok","detail":"…","prev":"64 hex"}
//
// without spaces or line breaks, fields in this order; admin, source, generation, keys and detail are left out where
// there is none. seq counts from 1 without gaps. prev is the digest of the line before, 64 zeros in the first line:
//
//	digest = SHA-256("memkey/2 audit" ‖ 00 ‖ line without its newline)
//
// A line is what this package would write, byte for byte: a field more, another order or another spelling breaks it.
// There is no key material in a line; keys are named by their public ids.
//
// # What the chain proves
//
// No line was changed, removed, inserted or moved, up to the head: the digest of the last line. Whoever can write the file
// can cut its end off, or write all of it anew; so an administrator's receipt carries seq and head, as a witness that is
// not on this host, and Witness checks that the log still has that line. One line without a newline at the end is what a
// power failure leaves of a line whose Append never returned; Open removes it and Torn tells how long it was.
//
// # Files
//
// When the file has 64 MiB it gets the name path.N, N being the number of its last line in 20 digits, and a new one goes
// on: its first line has the next seq, and the last line's digest as prev. 15 older files are kept, the oldest removed.
// VerifyFiles checks the chain across all of them; it may begin at a later line than 1 if there are older files, and only
// then. Open verifies the newest two. A death between the steps of a rotation leaves a chain that Open goes on with.
//
// # Failures
//
// Append returns only after fsync. If the write fails (a full disk), the file gets its old length back and a later Append
// may succeed. If that or fsync fails, nobody knows what the disk has, and every later Append fails with ErrBroken until
// the log is opened, and with it verified, again.
//
// # Concurrency and ownership
//
// A Log is safe for concurrent use; lines are in the order in which Append gave their numbers. An Entry and its slice stay
// the caller's. One process at a time can have a log open (flock); Verify may read it at any time.
//
// # Promises and the tests that hold them
//
//   - Every change of any byte before the end is refused and named by its line: TestEveryFlippedByteIsRefused,
//     TestLinesCannotBeRemovedMovedOrRepeated. Only this package's own spelling is accepted: TestOnlyCanonicalLines,
//     FuzzVerify.
//   - A torn last line, at every byte, is removed and the chain goes on: TestTornLastLineIsRemoved.
//   - A failed write leaves the log as it was; a failed fsync ends it: TestFailedWriteLeavesTheLogAsItWas,
//     TestFailedSyncBreaksTheLog.
//   - The witness of a receipt finds its line, and misses it in a log that was cut or written anew: TestWitness.
//   - Files of a size, one chain across them, and no line lost at any step: TestRotation*.
//   - Concurrent appends chain without gaps: TestConcurrentAppendsChain. One process only: TestOneProcessAtATime.
package audit
