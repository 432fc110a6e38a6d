package backend

import "time"

const (
	// maxKey is S3's limit on a key, in bytes of its UTF-8 form (user guide, "Naming Amazon S3 objects").
	maxKey = 1024

	// maxBatch is S3's limit on the keys of one DeleteObjects call.
	maxBatch = 1000

	// maxPart is the highest part number S3 knows.
	maxPart = 10000

	// maxDocument bounds the XML answers: 1000 listed keys of 1024 bytes, each byte escaped to six,
	// are 6 MiB, and the rest of an entry is below 1 KiB.
	maxDocument = 16 << 20

	// maxFault bounds the body of an error answer; S3's are below 2 KiB.
	maxFault = 64 << 10

	// maxMessage bounds what an error text takes over from a backend's message.
	maxMessage = 200

	// continueFrom is the size from which a conditional upload asks with "Expect: 100-continue" before
	// it sends its body. Below, the body fits into the socket buffers and the round trip costs more
	// than the bytes.
	continueFrom = 128 << 10

	// maxHeader bounds the header of an answer; net/http's default of 10 MiB a request is too generous.
	maxHeader = 256 << 10

	// copyBuffer is the size of a connection's read and write buffer. Sizes from 4 KiB to 256 KiB cost
	// the same CPU; this one keeps the memory of some hundred idle connections small.
	copyBuffer = 32 << 10

	// writeProgress is how much of a long write must go out within Config.ProgressTimeout.
	writeProgress = 32 << 10

	// retryAfterMax bounds the wait a backend can ask for with Retry-After.
	retryAfterMax = 15 * time.Second

	// Waits before a retry are random between zero and backoffBase, backoffBase*2, backoffBase*4 …
	// ("full jitter"), never above backoffMax. A backend that asks for less load gets throttleBase.
	backoffBase  = 100 * time.Millisecond
	throttleBase = 500 * time.Millisecond
	backoffMax   = 5 * time.Second

	// malformedAttempts is the number of attempts if the answers are no S3 answers: one may be the page
	// of a load balancer that restarts, but what goes on is not going to pass.
	malformedAttempts = 3

	// singleDeletes is the number of DeleteObject calls in flight where a batch cannot be used.
	singleDeletes = 16
)

// Defaults of Config.
const (
	defaultMaxConns        = 256
	defaultAttempts        = 16
	defaultRetryTime       = 30 * time.Second
	defaultRetryBudget     = 1000
	defaultDialTimeout     = 5 * time.Second
	defaultTLSTimeout      = 10 * time.Second
	defaultAnswerTimeout   = time.Minute
	defaultSlowTimeout     = 10 * time.Minute
	defaultContinueTimeout = time.Second
	defaultProgressTimeout = time.Minute
	defaultIdleTimeout     = 30 * time.Second
)
