// Package certificate holds the TLS certificate of the S3 listener: given as
// files, or made on the first start and kept.
//
// # A generated certificate
//
// One file, s3-crypt-proxy.pem (mode 0600), holds the private key and the
// certificate, so that the two can never be from different starts. It is written
// beside its place, synced, and linked into place only if nothing is there: of
// two processes that start at once, one wins and both use its certificate.
//
// ECDSA on P-256: every client takes it and a signature costs 20 µs. It is valid
// for ten years, and a kept one is used even when it has expired or its names do
// not fit any more, with a warning: PBS pins the fingerprint, so that a new
// certificate would cut off every datastore, while a date tells PBS nothing. To
// make a new one, remove the file.
//
// # The fingerprint
//
// Fingerprint is what PBS asks for: SHA-256 of the DER leaf, lower-case hex
// pairs with colons, 95 characters.
//
// # Concurrency
//
// A Store is safe for concurrent use. Reload swaps the certificate for
// connections made from then on; running ones go on with the one they have.
//
// # Promises, each with the test that proves it
//
//   - The pair is made once, readable by us alone, and found again:
//     TestGeneratedPairIsKept.
//   - Processes that start together agree: TestRacingStartsAgree.
//   - A client without SNI is served, TLS 1.1 is not, and the hybrid
//     X25519MLKEM768 is agreed on: TestHandshake*.
//   - The fingerprint is that of the leaf on the wire: TestHandshakeWithoutSNI.
//   - A failed Reload leaves the old certificate in service: TestReload.
//   - Changed tells each change of the files once: TestChangedOnce.
//   - Errors hold no key: TestErrorsShowNoKey.
package certificate
