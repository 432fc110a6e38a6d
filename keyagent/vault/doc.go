// Package vault decides what a verified package of MEMKEY/2 may do to the keys: pins and generations, a second admin's
// confirmation, shares, clear.
//
// The rule above all others: a wrong key is never active over existing data. What is right was said once, by op enroll,
// and is written in the pins file; every later delivery must bring exactly that, whoever signs it.
//
// # Pins
//
// The pins file says which masters belong to this agent: their ids and verification tags, the active one, the
// generation, and the ids of buckets. None of it is secret. It is JSON in one spelling (what encode gives, byte for
// byte), mode 0600, replaced by write, fsync, rename, fsync of the directory. No file, or an empty one, is the empty
// pins. A file that is anything else stops the agent from starting.
//
//	{
//	  "memkey_pins": 1,
//	  "generation": 3,
//	  "keys": [ {"id": "16 hex", "kvt": "64 hex", "active": true}, … by id ],
//	  "buckets": [ {"name": "…", "id": "32 hex"}, … by name ]
//	}
//
// # Rules
//
// Id and verification tag of every key are derived again from its master and compared in constant time. There are 1 to
// 16 keys, none twice, exactly one active. Then decide (rules.go has the table):
//
//   - Without pins only enroll does anything, with any generation up to 2^62: the first one says what is right.
//   - The pinned generation again is a delivery: all pinned keys, no other, the same one active; buckets as pinned, or
//     left out. It may be repeated.
//   - An older generation is refused.
//   - The next generation has to be enrolled, and has to contain all pinned keys. So a key is never lost by rotation,
//     and a stolen administrator's identity cannot replace the keys: it has not the pinned ones. To let go of a key for
//     good, root removes the pins file on the server, and an administrator enrolls what is left.
//   - With EnrollQuorum 2 the first admin's enrolment is refused with StatusRoles and remembered for 10 minutes (its
//     digest, no keys); the same one from another admin is carried out.
//   - k shares bring back what is pinned, by the rules of a delivery; a share that speaks of another keyring is refused
//     before it is kept, and named.
//   - Clear wipes first and writes the log after. It waits for nobody, and nothing that began before it loads a key.
//
// # Order
//
// An enrolment is a line in the audit log, then the pins file, then pins and keys in memory at once. The keys are only in
// memory, so death at any point leaves a whole pins file, old or new, and no keys at all. A failed line or a failed write
// is a refusal with everything as before, and so is a clear that comes between: the old pins are put back; a line that did not come true is followed by one with the result "undone". If
// the directory could be renamed in but not synced, the old pins are put back, and no enrolment is taken until the agent
// starts again: which of the two a power failure would leave, nobody knows.
//
// # Ownership and concurrency
//
// All methods are safe for concurrent use. Apply owns the package when it returns nil, and the masters are the holder's
// then; otherwise they are the caller's as before. One change runs at a time; State and Clear never wait for it. Pins and
// the holder's keys change in one step: State shows both of one generation.
//
// # Promises and the tests that hold them
//
//   - Every rule of pins and generations: TestDeliver, TestEnroll, TestFirstEnrolment, TestRingRules.
//   - A master that does not fit its names is refused: TestNamesAreDerivedAgain.
//   - Two admins for one enrolment, both within 10 minutes: TestEnrollQuorum.
//   - A failed log line or pin write, at every step, changes nothing: TestFailedLogRefuses, TestFailedPinWriteChangesNothing,
//     TestFullDiskChangesNothing.
//   - kill -9 at any point leaves whole pins, not older than what was confirmed, and a log that verifies:
//     TestKillLeavesWholePins.
//   - Clear wins, at once, also with a broken log and while a write hangs: TestClear*.
//   - Shares deliver what is pinned and nothing else: TestShares*.
//   - Pins and ring are of one generation for every observer: TestStateIsNeverHalf.
//   - Only canonical pins are read: TestPinsFileRefusals, FuzzParsePins.
package vault
