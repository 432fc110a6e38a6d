// Package hashing computes the MD5 and the SHA-256 of one stream in one pass, and of
// several streams in little more time than of one.
//
// Clients such as Proxmox Backup Server send both digests with every object, and both
// are proved before the object exists. One after the other they cost four times the
// sealing. Both are chains of dependent steps that leave most of a core idle, and one
// uses what the other does not: MD5 the general units, SHA-256 its own instructions
// (SHA-NI). In one loop the two cost what MD5 costs alone, and a second stream in the
// same loop costs a seventh more. From the third stream on, MD5 moves into the lanes of
// vector registers (AVX-512), where one chain serves up to eight streams, and SHA-256
// goes two after two beside it; AVX2 does the same in two passes. Streams that are hashed
// at the same time therefore meet:
//
//	stream A ── Write ──► waits ── yields once ──┬─ nobody came: hashes alone
//	stream B ── Write ──► waits ── yields ──┐    └─ B and C wait, too: takes both
//	stream C ── Write ──► waits ── yields ──┴─ were taken: wait for A
//	stream H ── Write ──► is the eighth: takes all at once
//
// A stream waits for no clock: it lets the goroutines run that can run, and goes on with
// those that came meanwhile. An idle machine loses a microsecond; on a busy one nearly
// all meet, the more the busier it is.
//
// # Costs
//
// ns a byte of one core, data in the cache, AMD Zen 4 at 3.7 GHz; measure again with
// go test -bench 'Digest|SHA256|Group':
//
//	streams at once            1      2      3      4      5      6      7      8
//	Standard, both sums     1.53
//	Fused, both sums        1.22   0.68
//	AVX2, both sums         1.22   0.68                 0.64   0.54   0.54   0.47
//	AVX512, both sums       1.22   0.68   0.52   0.42   0.38   0.34   0.34   0.32
//	SHA-256 alone           0.55   0.27
//	AVX512, MD5 alone       1.22   0.68   0.45   0.34   0.27   0.23   0.19   0.17
//
// The floor is SHA-NI's 0.27, so sixteen lanes could gain 0.05 at most, and sixteen
// streams seldom meet. A vector for one or two streams does not pay: its chain is five
// cycles a step, that of the general registers four and a half. Nor does SHA-256 in lanes:
// by the count of its instructions it is no faster than SHA-NI, and in the way of MD5.
// AVX2 has no registers to spare for SHA-256, nor rotations: it takes a pass of its own,
// from five streams on.
//
// # Layout
//
//	Engine     the kernel, chosen once, and the places where streams meet
//	Digest     the state of one stream and its unfinished 64-byte block
//	place      who waits; one for each kind of stream
//	group      who met
//	lanes      the same as a kernel wants it, and the kernel for so many
//	_asm       the generator of blocks_amd64.s (a module of its own)
//
// # Ownership and concurrency
//
// Write borrows its bytes until it returns; while it runs another goroutine may read
// them: the one that took this stream along. That one owns the visit, with its bytes and
// its state, from the moment it takes it out of its place, under the place's lock, until
// it says done; Write waits for that, so it needs no context: a group is at most eight
// times what one Write holds. A Digest is for one goroutine at a time, an Engine for any
// number. Sum clears the block that a Digest holds.
//
// # Promises, each with its test
//
//   - The digests are those of crypto/md5 and crypto/sha256, for every kernel, every
//     length and every cutting into writes: TestEveryLength, FuzzDigest.
//   - Also for streams that meet, as many as can, of unequal lengths: TestGroups,
//     TestStreamsThatMeet.
//   - Each stream is taken once, and nobody is left waiting: TestMeeting,
//     TestMeetingInPairs.
//   - A stream alone is hashed at once: TestAloneNobodyWaits.
//   - Nothing is allocated for a write or a group: TestAllocations.
//   - Where the CPU lacks the instructions, or by choice, a simpler kernel does the
//     work: TestKernelsByName.
//   - The generator's output is what is checked in: TestKernelsAreGenerated.
package hashing
