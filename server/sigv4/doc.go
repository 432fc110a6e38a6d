// Package sigv4 verifies AWS Signature Version 4 in its header and query forms,
// reads aws-chunked bodies, and makes such signatures for tests, benchmarks and
// stand-in clients. Sources, all in the Amazon S3 API reference: "Signature
// Calculations for the Authorization Header" (a single chunk, multiple chunks,
// trailing headers) and "Authenticating Requests: Using Query Parameters".
//
// It works on the raw request target and the header lines as they came over the
// wire; what a server normalises, joins or decodes is not what was signed.
//
//	canonical request = method \n path \n query \n (name:value \n)… \n signed names \n x-amz-content-sha256
//	path              = the bytes on the wire: no decoding, no cleaning of // . ..
//	query             = each parameter decoded and encoded once, sorted; `?delete` is `delete=`, a raw + is a space
//	value             = blanks trimmed and collapsed, user metadata of one name joined with commas
//	string to sign    = AWS4-HMAC-SHA256 \n time \n day/region/s3/aws4_request \n SHA-256(canonical request)
//	signature         = HMAC(HMAC(HMAC(HMAC(HMAC("AWS4"+secret, day), region), "s3"), "aws4_request"), string to sign)
//
// Whoever acts on a verified request must read its target in the same way:
// decode once, + in the query is a space.
//
// # What must be signed
//
// A header that is present and not signed may have been added on the way. These
// may not be:
//
//   - host and every x-amz-* header, x-amz-content-sha256 among them; AWS demands
//     them too. An added x-amz-copy-source turns a PUT into a copy.
//   - the date that is used: x-amz-date, or Date in its absence.
//   - Content-MD5, and if-match and if-none-match on everything but GET and
//     HEAD: they decide whether something is stored. To PBS a 412 means that its
//     object is there already.
//
// Content-Type need not be signed, although AWS's text asks for it and AWS does
// not: curl 7.88 leaves out the one it adds by itself, and so do several SDKs.
// Range and the headers of hops need not be either. curl 7.88 sends no
// x-amz-content-sha256 unless told to (-H), and signs it then.
//
// A signed header that did not arrive is refused, except `content-length: 0` of
// clients of PBS before 4.0.17, which proxies drop: a request with neither
// Content-Length nor Transfer-Encoding has no body, as was signed.
//
// The region is the signature's own, unless Config.Region says which it must be.
//
// The canonical form cannot tell repeated lines from one joined line, or one
// blank from several. So nothing but user metadata, x-amz-object-attributes (a
// list, whose reader must join the lines) and the headers of hops may come twice, and an x-amz-* header other than user metadata may not hold a run
// of blanks.
//
// # Errors
//
//	ErrMissingAuth         AccessDenied
//	ErrQueryAuth           InvalidRequest
//	ErrQueryScheme         AuthorizationQueryParametersError (is ErrQueryAuth)
//	ErrToken               InvalidToken                  (is ErrQueryAuth)
//	ErrPresigned           AuthorizationQueryParametersError
//	ErrExpired             AccessDenied
//	ErrBothAuth            InvalidArgument               (is ErrMalformed)
//	ErrUnsupportedAuth     InvalidRequest                (is ErrMalformed)
//	ErrAuthType            InvalidArgument               (is ErrUnsupportedAuth)
//	ErrAuthForm            InvalidArgument               (is ErrUnsupportedAuth)
//	ErrMalformed, ErrScope AuthorizationHeaderMalformed
//	ErrDate                AccessDenied                  (is ErrMalformed)
//	ErrTarget              InvalidURI                    (is ErrMalformed)
//	ErrHeader              InvalidRequest                (is ErrMalformed)
//	ErrRepeatedHeader      InvalidRequest                (is ErrMalformed)
//	ErrSkewed              RequestTimeTooSkewed
//	ErrMissingSHA          InvalidRequest
//	ErrInvalidSHA          InvalidArgument
//	ErrUnsupportedPayload  NotImplemented
//	ErrUnsignedHeader      AccessDenied
//	ErrAbsentHeader        SignatureDoesNotMatch         (is ErrSignature)
//	ErrUnknownKey          InvalidAccessKeyId
//	ErrSignature           SignatureDoesNotMatch
//
// and of a Stream:
//
//	ErrFraming             IncompleteBody
//	ErrChunkSignature      SignatureDoesNotMatch
//	ErrDecodedLength       IncompleteBody
//	ErrChunkSize           InvalidChunkSizeError
//	ErrTrailer             MalformedTrailerError
//
// An error may be a *Detail, which has the words that S3 uses for it and what of the
// request they name (TestDetailsAreTheWordsOfS3, TestDetailsRepeatLittle,
// TestDetailHoldsNoSignature).
//
// # Presigned requests
//
// The signature, its time, its life and its scope are query parameters with exact
// names, each once; everything else in the query is signed with them. Life is
// X-Amz-Date plus X-Amz-Expires, a week at most: the tolerance for clocks applies
// to the beginning only. The same headers as above must be signed.
//
// # Forms
//
// Of a browser's form the policy alone is signed, in base64, with the key that also
// signs requests. VerifyForm proves that; what the policy allows, and until when, is for
// the caller (TestFormsOfTheDocumentationVerify).
//
// # Bodies in chunks
//
// The mode comes from x-amz-content-sha256, which is signed, never from
// Content-Encoding. Stream says io.EOF only after the last signature, the
// declared length, the announced trailer and the end of the source.
//
// # Promises, each with its test
//
//   - Requests of PBS, curl, boto3, aws-cli and aws-sdk-go-v2 verify, over keys
//     that implementations disagree on (TestVectorsOfPBSVerify,
//     TestRequestsOfRealClientsVerify, TestRequestsSignedByTheAWSSDKVerify,
//     TestExamplesOfTheAWSDocumentation).
//   - Sign writes what PBS writes, to the byte (TestVectorsOfPBSAreSignedToTheByte).
//   - A change of any byte of method, target or signed headers is refused, and so
//     is an added command (TestTheMethodIsSigned, TestEveryByteOfTheTargetIsSigned,
//     TestEveryByteOfSignedHeadersIsSigned, TestRemovedSignedHeaderIsRefused,
//     TestAddedCommandIsRefused, TestUnsignedConditionIsForReadsOnly); what hops
//     do is not (TestHarmlessChangesVerify, TestDroppedZeroContentLengthVerifies).
//   - Each failure has its own error, and no error tells a secret or the expected
//     signature (TestEachFailureHasItsError, TestErrorsTellNoSecretAndNoSignature).
//   - Signatures are compared in constant time, and an unknown access key does the
//     same work as a known one (TestUnknownKeyDoesTheSameWork). No signing key
//     is cached: a cache would tell which access keys are in use.
//   - Whatever the bytes, nothing panics, the work is bounded (limits.go), and what
//     verifies has the signature that a naive reference computes (FuzzVerify,
//     FuzzAuthorization, FuzzCanonicalQuery, FuzzSignThenVerify).
//   - A presigned request lives as long as it says, verifies as the AWS SDK signs
//     it and is refused after any change (TestPresignedLivesAsLongAsItSays,
//     TestRequestsPresignedByTheAWSSDKVerify, TestEveryByteOfAPresignedTargetIsSigned,
//     TestPresignedRefusals).
//   - A streamed body is proved to the last byte in every mode, however it arrives,
//     and its data is not copied on the way (TestEveryByteOfAStreamIsProved,
//     TestStreamGivesTheObjectInEveryMode, TestStreamRefusals, FuzzStream,
//     TestStreamReadsDataWithoutACopy, TestExampleOfTheStreamingDocumentation).
//   - A Verifier and a Signer are safe for concurrent use, change nothing of a
//     request and allocate at most twice to verify (TestVerifierIsConcurrent,
//     TestVerifyLeavesTheRequestAlone, TestVerifyAllocatesLittle).
//
// Not promised: a request may be sent again unchanged while its time is valid.
// PBS repeats identical bytes on purpose, so there is no replay cache; transport
// security and conditional writes are the answers.
package sigv4
