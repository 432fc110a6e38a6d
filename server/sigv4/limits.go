package sigv4

import "time"

// Bounds of what an unauthenticated peer may make this package look at. All of
// them are far above what any S3 client sends.
const (
	// defaultMaxSkew is AWS's own tolerance, and what PBS needs: it signs once
	// and may wait or retry for minutes before the bytes leave.
	defaultMaxSkew = 15 * time.Minute

	// maxTarget holds a 1024-byte key and a 1024-byte prefix, every byte of
	// both percent-encoded, beside a long continuation token.
	maxTarget = 16 << 10
	// maxMethod is longer than any registered HTTP method.
	maxMethod = 32
	// maxParams is several times the parameters of the richest S3 call.
	maxParams = 128
	// maxHeaders leaves room for user metadata: S3 allows 2 KiB of it.
	maxHeaders = 256
	// maxHeaderBytes bounds names and values together; S3's own limit is 8 KiB.
	maxHeaderBytes = 64 << 10
	// maxAuthorization holds a list of maxHeaders ordinary header names.
	maxAuthorization = 8 << 10
	// maxAccessKey is AWS's bound for an access key id.
	maxAccessKey = 128
	// maxRegion is twice what PBS accepts as a region.
	maxRegion = 64
	// maxSecret is far above AWS's 40 characters; longer ones are a mistake in
	// the configuration, found by the first request.
	maxSecret = 1 << 10

	// maxExpires is AWS's bound for a presigned request: seven days.
	maxExpires = 7 * 24 * time.Hour

	// minChunk is S3's smallest chunk but for the last one: each costs a line and, where
	// it is signed, a signature.
	minChunk = 8 << 10

	// maxChunkLine holds a chunk's size, its signature and the line's end; a
	// trailing header of maxTrailerLine holds the longest checksum many times.
	maxChunkLine   = 128
	maxTrailerLine = 1 << 10
	// maxTrailers is more than the one header any client trails.
	maxTrailers = 8

	// maxShown is how much of a value an error repeats: longer than anything that is
	// right there.
	maxShown = 80
)
