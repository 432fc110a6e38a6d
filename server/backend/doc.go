// Package backend is the client of the S3 store behind the proxy.
//
// It is a thin, strict layer on the AWS SDK: one method an operation, static credentials, no
// configuration from anywhere but [Config]. Reads, uploads and listings, which are most of all calls, take
// the SDK's signer and net/http alone (request.go), to the same places and with the same headers
// (TestRequestsGoWhereTheSDKSends, TestUploadsAreAsTheSDKSendsThem), and listings are read by a scanner of
// their own, with encoding/xml for whatever it does not know (plain.go, FuzzPlainIsWhatXMLIs,
// TestListingInAnyXML). GET and HEAD do without net/http's two goroutines a connection, too: they are written and read where
// they are asked (readtransport.go, connection.go), signed by the signer of package sigv4, which
// FuzzReadsAreSignedAsTheSDKDoes holds to the SDK's, over connections that are looked at before each use
// (TestIdleConnectionIsLookedAt, TestAnswersAreBounded, TestLeftBodyEndsItsConnection). What it adds to the SDK:
//
//   - An answer is believed only if it is what the operation's success looks like: the status, the whole
//     XML document with its root element, an ETag after an upload, the Content-Range that was asked for.
//     An <Error> or a web page under status 200 is a failure and never an empty list, and so is a list
//     that says a thing twice (TestListNeverAnswersLessThanThereIs, TestListingSaysThingsOnce,
//     TestSuccessMustLookLikeOne, TestGetRangeDemandsThatRange).
//   - Faults have a [Kind]. NotFound and NoBucket are given only for proven absence; whatever is not
//     understood is Busy (TestGetFaults, TestHeadFaults).
//   - Retries: exponential backoff with full jitter, Retry-After within bounds, a time limit that begins
//     with the first failure, and a budget shared by all calls (TestWhatPassesIsRetried,
//     TestAttemptsAndTimeAreBounded, TestStormIsBoundedByTheBudget). Every attempt is signed afresh.
//   - Time limits by progress, none for a whole transfer: for opening a connection, for every single
//     write, for the answer's header, for every single wait for a body's bytes
//     (TestStoreThatStopsReadingIsGivenUp, TestLongWritesAreBoundByTheirProgress,
//     TestBodyNeverEndsEarlyInSilence, TestSlowReaderIsNoStall).
//   - Keys reach the store byte by byte as they are (TestKeysArriveAsTheyAre); bucket names are checked
//     before they can become part of a host name (TestBucketNames).
//   - The store learns nothing about the plaintext: the content type is always
//     application/octet-stream, there is no user metadata but a copy of
//     the sealed block where the configuration wants one, no client's hash, and the payload is
//     declared unsigned because it authenticates itself (TestPutSendsExactlyWhatIsPromised).
//
// # A store that is not there
//
// A call that cannot open a connection is given up after [Config.UnreachableTime], far earlier than one that
// is answered badly: nobody is going to be overwhelmed, and the caller's caller has a patience of its own. A
// request that holds what its client would have to bring again says so with an [Effort] and waits for
// RetryTime as ever (TestUnreachableStoreIsGivenUpSoon, TestEffortIsNotWasted).
//
// # Uploads
//
// What can seek and write by itself is lent to the connection where it lies, with no buffer between (lend.go,
// TestLentBodiesArriveWhole, TestClosedBodyIsLentNoFurther); it is given back before the call returns.
//
// An upload's length is declared first, and its last bytes are sent only after the source has reported
// io.EOF, so that a source that fails leaves no object (TestFailingSourceLeavesTheRequestIncomplete,
// TestLendingSourceThatFails). A
// source that can seek is sent again on a retry, any other never (TestStreamIsNeverSentTwice).
//
// A conditional upload from 128 KiB on asks with "Expect: 100-continue" first, so that the bytes of an
// object that exists already stay here. A store that refuses without reading the body and closes may
// destroy its own answer; when an attempt of a conditional upload dies without an answer, the object is
// asked for by HEAD and the lost 412 given in its place (TestEarlyRefusalOverTLSIsNotLost,
// TestLostRefusalIsFoundOutByHead). A completed multipart upload is looked at before it is believed
// (TestCompletionIsConfirmed). [Error.Unsure] marks a Precondition that may be the call's own work.
//
// # Ownership
//
// The package keeps no reference to a body, a buffer or a slice after a call has returned; net/http's
// late reads are cut off (TestLateReadsOfABodyEnd). [Object.Body] belongs to the caller, who must close it. Nothing returned
// aliases anything of the package. The strings of a [Page] are parts of one, the answer's document: keep a
// copy of what outlives the page.
//
// # Concurrency
//
// A [Client] may be used by any number of goroutines. An [Object]'s Body may be closed while another
// goroutine reads it. Config.Observe is called from all of them.
//
// Connections are not limited in number, only reused: a limit would let a request that holds one wait
// for another.
package backend
