// Package hashing computes the MD5 and the SHA-256 of one stream in one pass, and of
// two streams in little more time than of one.
//
// Clients such as Proxmox Backup Server send both digests with every object, and both
// are proved before the object exists. One after the other they cost four times the
// sealing. MD5 is a chain of dependent steps that leaves most of a core idle, and
// SHA-256 by its own instructions (SHA-NI) uses what MD5 does not: in one loop the two
// cost what MD5 costs alone, and a second stream in the same loop costs a seventh
// more. Streams that are hashed at the same time therefore meet:
//
//	stream A ── Write ──► waiting ── yields once ──┬─ nobody came: hashOne(A)
//	                         ▲                     └─ B took it: waits for B
//	stream B ── Write ───────┴──► takes A: hashTwo(A, B), wakes A
//
// A stream waits for no clock: it lets the goroutines run that can run, and goes on
// alone if none of them brought a stream. An idle machine loses a microsecond, a busy
// one pairs nearly all.
//
// # Layout
//
//	Engine     the kernel, chosen once, and the places where streams meet
//	Digest     the two states of one stream and its unfinished 64-byte block
//	_asm       the generator of blocks_amd64.s (a module of its own)
//
// # Ownership and concurrency
//
// Write borrows its bytes until it returns; while it runs another goroutine may read
// them. A Digest is for one goroutine at a time, an Engine for any number. Sum clears
// the block that a Digest holds.
//
// # Promises, each with its test
//
//   - Both digests are those of crypto/md5 and crypto/sha256, for every length and
//     every cutting into writes: TestEveryLength, FuzzDigest.
//   - Also for streams that meet, of unequal lengths: TestStreamsThatMeet,
//     TestTwins.
//   - Where the CPU lacks the instructions, or by choice, the standard library does
//     the work: TestStandard.
//   - The generator's output is what is checked in: TestKernelsAreGenerated.
package hashing
