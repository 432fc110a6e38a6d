package pipeline

import "time"

const (
	// minBatch and maxBatch bound Config.BatchBytes, in plain bytes.
	minBatch = 64 << 10
	maxBatch = 64 << 20

	// autoMin and autoMax bound the batch chosen from the caches: below, the
	// hand-over shows; above, a batch does not stay in a core's own cache.
	autoMin = 256 << 10
	autoMax = 1 << 20

	// defaultBudget is Config.Budget's zero value, in bytes.
	defaultBudget = 256 << 20
	// defaultQueueTimeout is Config.QueueTimeout's zero value: a client retries
	// sooner than it waits.
	defaultQueueTimeout = 5 * time.Second
	// defaultMaxWaiting is Config.MaxWaiting's zero value.
	defaultMaxWaiting = 4096

	// maxDepth bounds the batches one stream has with the workers at once: more
	// than this many cores on one stream is more than any source delivers.
	maxDepth = 8

	// pipeDepth is what Window allows a Pipe to queue.
	pipeDepth = 1
)
