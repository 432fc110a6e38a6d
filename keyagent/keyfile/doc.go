// Package keyfile keeps what an administrator owns, the master keys and the key that signs, in files sealed under a
// passphrase.
//
// # Layout
//
// All integers are unsigned and big endian. A file is a header of 64 bytes and the sealed part:
//
//	magic    8   "MKSEALED"
//	version  1   1
//	kind     1   1 key ring, 2 identity
//	kdf      1   1 = Argon2id, version 0x13 (RFC 9106)
//	time     4   passes            3 to 16
//	memory   4   KiB               262,144 to 1,048,576
//	lanes    1                     1 to 16
//	salt    16
//	nonce   24
//	length   4   of the sealed part, which ends the file
//
// The sealed part is XChaCha20-Poly1305 with a key of 32 bytes from the passphrase (its bytes as given, without any
// normalisation), the nonce, and the whole header as additional data. Salt and nonce are new with every writing. The
// plain key ring:
//
//	version 1 · generation 8 · created 8 (Unix seconds) · pending 1 · n 1
//	n times: id 8 · KVT 32 · master 32 · active 1 · len 1 · label
//	p 2, p times: len 1 · bucket name · bucket id 16
//
// and the plain identity: version 1 · created 8 · Ed25519 seed 32 · len 1 · name. Nothing may follow.
//
// A file can be opened without this package by anybody who has Argon2id and XChaCha20-Poly1305.
//
// # Files
//
//	params.go envelope.go          cost of a guess; header, seal, open
//	keyring.go keyring_file.go     Keyring; its file
//	identity.go sshagent.go        the two kinds of memkey.Signer
//	file.go lock_*.go              Read, Write, Create; one writer at a time
//	limits.go errors.go            every cap with its reason; the errors a caller decides on
//
// # Ownership
//
// Passphrases and files stay the caller's and are not changed. A Keyring and an Identity belong to whoever got them, who
// wipes them. Masters and seeds are keyagent.Secrets from the moment they are decoded; the plain bytes in between are
// cleared before Open returns. Keyring.Package clones. Rotate, AddOld and NewKey take the master, also when they fail.
//
// # Concurrency
//
// Functions share nothing. A Keyring is for one goroutine; Identity and AgentSigner are safe for concurrent use.
// Processes exclude each other by Lock.
//
// # Promises and the tests that hold them
//
//   - What was sealed opens again and is the same: TestKeyringRoundTrip, TestIdentityRoundTrip.
//   - A file with any bit changed, cut or extended does not open: TestEveryBitFlipIsRefused,
//     TestEveryTruncationIsRefused. Nor does one of the other kind: TestKindsAreNotMixedUp.
//   - A wrong passphrase and a damaged file give the same error: TestWrongPassphraseAndDamageLookAlike.
//   - No file makes Open allocate or compute beyond the limits: TestCostIsBoundedBeforeAnythingIsAllocated; no file
//     makes it panic: FuzzOpen, FuzzDecodeKeyring, FuzzDecodeIdentity.
//   - A binary neither writes nor opens files with a cheaper passphrase than Standard: TestLowCostIsForTestsOnly,
//     TestABinaryHasNoLowCost.
//   - The layout is the one above: TestLayoutOfTheKeyring, TestLayoutOfTheIdentity, TestHeaderSize.
//   - A ring that breaks the rules is neither sealed nor opened: TestBadKeyringsAreRefused.
//   - A rotation keeps every key, is pending, and cannot be repeated while it is: TestRotate.
//   - Whatever moment a writer is killed at, the file is one of the two, whole: TestKillWhileWriting; a full disk leaves
//     the old one: TestFullDiskLeavesTheOldFile. The mode is 0600, the previous file is kept: TestWriteKeepsThePrevious.
//   - Create replaces nothing: TestCreateReplacesNothing. Lock lets one process in: TestLock.
//   - No printer shows a seed or a master: TestNothingPrintsSecrets.
//   - Both signers sign the message itself: TestIdentitySigns, TestSSHAgentSigns; an agent that lies is found out:
//     TestSSHAgentThatLies.
package keyfile
