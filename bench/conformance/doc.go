// conformance runs the S3 tests that versitygw publishes as a Go package against the whole product: client, proxy, key
// holder, real S3 server. Every test that fails must be named, with a reason, among the exceptions of
// docs/s3-compatibility.md, and every exception must fail: so the document cannot be wrong in either direction.
//
//	conformance [-versioning] [-run regexp] [-out dir]
//	conformance -write
//
// The second form writes the figures above the exceptions: since those are exactly what fails, they follow from the
// names of the tests and the document, and a test holds the table to them.
//
// A test of that package dereferences nil where a server answers with an error that it did not expect, and may do so in
// a goroutine of its own, which ends the process. So the tests run in a child, which notes each test as it begins and
// ends; the parent starts another child for what is left, and whatever ended a child has failed.
//
// Not run are the tests that are about versitygw and not about S3: its accounts and their administration, its web site
// endpoint, its file system (notS3).
package main
