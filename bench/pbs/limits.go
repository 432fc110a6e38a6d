package pbs

import "time"

const (
	// defaultRegion is what PBS signs with when the administrator set none.
	defaultRegion = "us-west-1"

	// dialTimeout is PBS's connect timeout.
	dialTimeout = 10 * time.Second

	// tcpKeepAlive is PBS's idle time before the first TCP keep-alive probe.
	tcpKeepAlive = 120 * time.Second

	// idleTime is how long PBS reuses an idle connection.
	idleTime = 90 * time.Second

	// headerTimeout is PBS's limit on one send, from the first byte out to the last header in.
	headerTimeout = 30 * time.Minute

	// maxHeaders is the most response headers PBS's HTTP library takes.
	maxHeaders = 100

	// maxDocument bounds an XML answer or an error body: 1,000 keys of 1,024 bytes, escaped, stay below it.
	maxDocument = 16 << 20

	// maxObject bounds the body of a GET held in memory; a lying Content-Length must not allocate the machine away.
	maxObject = 1 << 30

	// uploadRounds is how often PBS tries a chunk, index, blob or marker upload, each round with its own sends.
	uploadRounds = 3

	// gcBatch is how many chunks PBS deletes with one call during garbage collection.
	gcBatch = 100

	// gcCutoff is the age of a local marker below which garbage collection keeps an unreferenced chunk.
	gcCutoff = 24*time.Hour + 5*time.Minute

	// ChunkSize is the plain size of a chunk of a fixed index.
	ChunkSize = 4 << 20

	// maxPages ends a listing that never ends: PBS would loop for ever on a token that restarts at page one.
	maxPages = 100_000
)
