// Package shares splits a keyring among n people so that any k of them open it and fewer learn nothing.
//
// The wire form and all computations are in ../SHARES.md, which is normative; testdata has vectors.
//
//	keyring ── Split ── n × Share ── MarshalBinary ── paper, file or op "share" ── Parse, Verify ── Collector ── keyring
//
// The masters are sealed (XChaCha20-Poly1305) under a key made of a random scalar; the scalar is shared over Ristretto255
// (Shamir), with public commitments to the polynomial (Feldman). Everything but the masters and each share's own secret
// is public and authenticated: generation, key ids, verification tags, labels and bucket pins can be read from one share.
//
// # API
//
//	Split(ring *Keyring, n, k int) ([]*Share, error)
//	Parse(b []byte) (*Share, error); (*Share).MarshalBinary, Verify, Wipe, Set, N, K, Index, Public
//	Combine(shares []*Share) (*Keyring, error)
//	New(Config) (*Collector, error); (*Collector).Add(admin, share, now) (have, need, done, err), Expire(now), Pending, Close
//
// # Files
//
//	keyring.go        Keyring and its public part
//	share.go wire.go  Share; its one encoding
//	scalar.go         scalars, commitments, interpolation
//	seal.go           key encryption key, seal and open
//	split.go combine.go collector.go
//	limits.go errors.go
//
// # Ownership
//
// Split takes no secret: the keyring stays the caller's. Shares and keyrings belong to whoever got them, who wipes them.
// Parse and Add neither keep nor change the bytes they are given; the caller clears them. What MarshalBinary returns is
// secret and the caller's. Public returns copies. Shares wiped by one owner are useless to all: a Share is not copied.
//
// # Concurrency
//
// A Share is immutable until Wipe and safe for concurrent use, also with Wipe. A Collector is safe for concurrent use.
// Its timers run on their own goroutines; none is left after Close: TestCloseWipesEverythingAndStopsTheTimers. A Keyring
// is for one goroutine.
//
// # What the collector does and does not do
//
// A set is known by everything its shares have in common, not by its id, which anybody can claim. So a forged share makes
// a set of its own and touches no other. An administrator has at most one share in the collector: one of another set
// replaces it, another one of the same set is refused (k shares are k people, not one with k sheets). The same share
// again renews its window; the same share from two administrators counts once. Every share leaves after its own window
// of 10 minutes, whoever was before or after it. So nothing that one administrator sends changes what the others have.
//
// The collector does not know what the server expects: the caller compares the keyring with its pins.
//
// # Promises and the tests that hold them
//
//   - Any k shares open, and give what was split: TestEverySubsetOfKOpens, TestSplitCombineRoundTrip. The bytes are those
//     of SHARES.md: TestVectors.
//   - k-1 shares give nothing: TestFewerThanKGiveNothing.
//   - One changed bit is refused, at any place: TestEveryBitFlipIsRefused; so is every other length:
//     TestEveryTruncationAndExtensionIsRefused; and a change by somebody who corrects the check:
//     TestForgedSharesAreRefusedByNameOrApart. What is read is written again to the byte: FuzzParse.
//   - A bad share is refused alone, by index and administrator, and blocks nobody: TestBadShareIsRefusedAlone,
//     TestForeignSetsBlockNobody, TestAForgerWhoIsFirstBlocksNobody, TestAStandInBlocksNobody, TestEveryAdminHasAPlace.
//   - k distinct administrators: TestOnePersonIsNotTwo, TestReplayCountsOnce.
//   - Time-out, success, replacement and Close wipe: TestTimeOutWipes, TestSuccessWipes, TestReplacedShareIsWiped,
//     TestCloseWipesEverythingAndStopsTheTimers, TestTheWindowIsPerShare; all at once under load: TestCollectorStorm.
//   - Nothing prints secrets: TestNothingPrintsSecrets.
//
// # What Go cannot promise
//
// Scalars pass through the heap while they are verified and combined; this package clears its own copies of them and of
// the key made of them, not the key schedule of the cipher nor what the arithmetic left on stacks.
package shares
