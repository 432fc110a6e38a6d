// Package format is SCPX v2, the sealed form of an S3 object: bytes in, bytes out. SPEC.md beside this file is the normative text; this package
// implements its stream objects (class 0), its multipart objects (classes 1 and 2) and the bucket state.
//
//	stored object  = block ‖ segment 0 … segment n−1 ‖ filler
//	block          = "SCPX" version class suite 16 flags KID OID ‖ salt ‖ MetaLen ‖ commitment ‖ wrapped OEK ‖ sealed metadata
//	                 (512, 1024, 2048 or 4096 bytes, one size for the whole bucket)
//	segment i      = 65,536 bytes (the last one what is left, at least 1; the empty object has one empty segment) ‖ 16 bytes tag
//	filler         = 512 zero bytes for each full 5 MiB, at most 9,999 times
//	SealedSize(P)  = block + P + 16·segments + filler, strictly increasing, so PlainSize inverts it from a listing alone
//
//	master ─HKDF─► K_meta, K_obj ─HKDF(first 54 bytes, bucket id, object key)─► keys of the block ─► random OEK ─HKDF(OID)─► body key, base nonce
//	segment nonce  = base nonce XOR (last flag ‖ segment number)
//
//	stored name    = each path component for itself, deterministic, under a key in the bucket's sealed state (Namer; where the bucket's settings say so)
//	folder marker  = no bytes at all; the block is the object's user metadata (an empty object dir/ on a store that keeps no content there)
//	padded body    = plain bytes and zeroes up to PaddedSize (flag; where the bucket's settings say so)
//
//	multipart      = part … part ‖ table ‖ filler ‖ tail, of exactly SealedSize(P) bytes as well
//	part           = header (class 1, 54 bytes) ‖ segments, under HKDF(OEK, OID, number, salt of the attempt)
//	table          = number, size, salt of each part, sealed under HKDF(OEK, OID, count, salt);  tail = a block of class 2
//
// # Threats
//
//  1. The attacker is the backend and the wire to it: he sees and changes all stored bytes, sizes, names, lists and times, at any time.
//  2. He may have plaintexts of his choice stored (a backed-up machine is his). He does not have the master key.
//  3. Whatever Opener hands out was sealed for that bucket and that key, at that position, in an object of that length: else an error.
//  4. Flips, cuts, extensions, swaps, grafts, other suites, other versions and unsealed objects fail (vectors_test.go has one of each).
//  5. One block opens under one key only: the commitment is compared before any AEAD runs.
//  6. Keys of one object say nothing about another; a lost OEK is one lost object.
//  7. Not prevented: deleting, hiding, and going back to an older genuine version of a mutable object.
//  8. Not prevented: traffic analysis, since number, size (but for padding), time and (by default) names of objects are visible.
//  9. Not prevented: a hijacked proxy host. Keys and plaintext are in its memory.
//  10. Client authentication is another layer.
//
// # Use
//
// Streams: derive Keys from a master, put them in a Keyring, name the object's place with NewContext. Writing: NewSealer, then SealInPlace over all
// segments, then Filler zero bytes (PaddedSize is what both go by). Reading: OpenBlock on the first bytes and the stored size, then OpenInPlace on the segments that Cover names,
// then CheckFiller. Copying, renaming, rotating: Reblock. Folder markers: FolderBlock makes one of the block of an empty object, OpenFolder opens it.
//
// Uploads: NewUpload gives the token for the client, OpenUpload takes it back in any process, NewPart seals one attempt of a part, its ETag goes to
// the client, PlanComplete takes the client's list, SealEnd gives the object's last bytes. Reading: ParseHeader says ClassPart, OpenTail on the
// last bytes (EndSpan), OpenTable, then Cover and OpenPart. Copying: ReblockTail.
//
// # Promises, each with its test
//
//   - Only SealInPlace and OpenInPlace write to a caller's slice (TestInputNotChanged). Returned slices are the caller's own, except Block and
//     the slices in Meta, which are shared and read-only.
//
//   - Nothing is kept of a caller's slice, ring or master (TestNothingKept).
//
//   - Sealer and Opener are safe for concurrent use on disjoint ranges (TestConcurrentDisjointRanges), Keyring for any use but Wipe.
//
//   - Sealing and opening allocate once per call, not per segment (TestAllocationsPerBatch).
//
//   - No key and nonce are used for two messages (TestNonceLedger).
//
//   - Stored bytes never panic anything (fuzz_test.go), and no edit of them opens (TestEveryBit, TestRandomEdits).
//
//   - No value here prints a secret (TestSecretsDoNotPrint).
//
//   - A failed OpenInPlace leaves zeroes (TestFailedOpenLeavesZeroes).
//
//   - Names that open are exactly those that were sealed, in this bucket and this place (TestNameVectors, FuzzName).
//
//   - Padding is made, checked and kept back by this package (TestSealerMakesThePadding, TestPaddingOfARangeIsChecked).
//
//   - A folder marker opens only where the empty object that it was made of was sealed (TestFolderVectors, TestFolderBlockSaysTheSame, FuzzFolder).
//
//   - An upload lives in its token and ETags alone; parts are sealed in any order by any process (TestUploadInAnyOrder), and an attempt never repeats
//     a nonce of another (TestUploadNonces, TestPlanStream).
//
//   - A multipart object of any legal parts has exactly SealedSize bytes (TestLawHasRoom), its ranges are contiguous but for the parts' headers
//     (TestMultipartRanges), and no edit of it opens (TestMultipartNegatives, TestEndEveryBit).
//
//   - Upload, Tail and Multipart are immutable and safe for concurrent use (TestConcurrentParts).
//
// What is not promised: that Go's memory forgets a key. Wipe overwrites what this package holds; expanded AES keys and copies that the runtime
// made stay until they are reused.
package format
