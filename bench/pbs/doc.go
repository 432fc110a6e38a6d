// Package pbs is a strict stand-in for Proxmox Backup Server as an S3 client: the requests, the checks, the retries
// and the flows of PBS 4.2 with its client library 1.4, written from their documented and observed behaviour. Tests,
// the demo and the benchmarks drive an endpoint with it.
//
// # What goes over the wire
//
// HTTP/1.1 over TLS without ALPN, SNI for names only, a leaf certificate accepted by the system's CAs or by its
// SHA-256 fingerprint. Every request is written by hand, because the header set is part of what is tested: lower-case
// names; host, x-amz-content-sha256, x-amz-date and authorization always; content-length on PUT and POST; content-md5
// with a body; content-type on PUT; nothing else. No User-Agent, no Accept-Encoding, no Range, no redirects. All
// headers are signed (signature version 4, one chunk, the true SHA-256 of the body), once per send: a resend repeats
// the same bytes.
//
// # What is checked
//
// Every operation accepts exactly the statuses PBS accepts (200 for PUT, GET, POST and copy, 204 for DELETE, 412 as
// "already there"), the headers it needs (Content-Length, Content-Type, ETag and Last-Modified in its 29-byte form on
// GET) and XML as its parser takes it: repeats in one run, required fields present. Beyond PBS, and reported as a
// *ContractError, it insists on what PBS lets pass to its harm: the root element's name, IsTruncated, no error
// document under status 200, no body after a PUT, no 412 without a condition, no bytes after an answer.
//
// # Data layout
//
// A chunk object is 8 magic bytes, a CRC-32 (little endian) of the data, and up to 4 MiB of data, stored under the
// hex SHA-256 of the data. An index object is 4096 bytes of header and 32 bytes of SHA-256 per chunk. Compression is
// left out: the proxy cannot see it.
//
// # Ownership and concurrency
//
// A Client and a Datastore are safe for concurrent use. A Body borrows the caller's bytes, which must not change while
// it is in use. Bytes returned by Get are the caller's; GetInto fills the caller's buffer and keeps nothing.
//
// # Promises, each with its test
//
//   - The published signature vectors are reproduced: TestSignerReproducesVectors.
//   - The bytes of a request are PBS's: TestRequestBytesArePBS.
//   - Statuses outside an operation's set fail, 412 and 409 have their meaning: TestStatusSets.
//   - A PUT's answer with a body fails: TestPutAnswerMustBeEmpty.
//   - XML that PBS's parser refuses, or that harms it, is refused: TestListXML, TestDeleteXML, FuzzXML.
//   - Dates of other forms are refused: TestParseDate, FuzzParseDate.
//   - Connections are reused up to 90 seconds idle, and dead ones are noticed: TestPool.
//   - A wrong certificate is refused, the fingerprint's case does not matter: TestFingerprint.
//   - Three sends, three upload rounds, and on which failures: TestSendRetries, TestUploadRounds.
//   - Garbage collection, verify and refresh do what PBS does, harm included: TestGarbageCollection, TestVerifyRenames,
//     TestRefreshReplacesTree.
package pbs
