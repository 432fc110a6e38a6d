// Package s3err holds the errors of the S3 protocol as data: one table of codes
// with their HTTP status and default message, one error type, one XML writer.
// Source: "Error Responses", Amazon S3 API reference.
//
//	<?xml version="1.0" encoding="UTF-8"?>
//	<Error><Code>…</Code><Message>…</Message><ArgumentName>…</ArgumentName>…
//	<additionalMessage>…</additionalMessage><Resource>/bucket/key</Resource><RequestId>…</RequestId></Error>
//
// Clients compare messages. Where S3 has one text for a code it is always the
// Message, and what we know beyond it is the additionalMessage, an element of S3's
// own NotImplemented.
//
// Statuses are AWS's, and chosen with what Proxmox Backup Server makes of them:
// it takes 404 for absence, 412 for "stored already", tries again on 409 (PUT),
// 500, 503 and 504, and gives up on everything else.
//
// # Promises, each with its test
//
//   - Every code has a status from 400 on and a message (TestEveryCodeHasARow);
//     an unknown code is answered as InternalError (TestUnknownCodeIsAnInternalError).
//   - No status is 429 or 502, which PBS takes for final
//     (TestNoStatusThatPBSTakesForFinal); 404 means absence and 412 a condition,
//     and no other code has them (TestStatuses).
//   - A document is well-formed and bounded whatever it is made of, and gives its
//     values back (TestDocumentIsAlwaysXML, FuzzAppendXML, TestGoldenDocument).
//   - A code with one text says that text, and the details beside it
//     (TestFixedTextsAreS3s).
//   - A cause goes to the log and never into a document (TestCauseStaysInTheLog).
//
// AppendXML writes to dst's spare capacity and keeps nothing. Everything here is
// safe for concurrent use; an Error is not changed after it was made.
package s3err
