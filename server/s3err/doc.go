// Package s3err holds the errors of the S3 protocol as data: one table of
// codes with their HTTP status and default message, one error type, one XML
// writer. Source: the error responses page of the S3 API reference.
//
// No status here is 429 or 502: Proxmox Backup Server takes those for final
// (TestNoStatusThatPBSTakesForFinal).
package s3err
