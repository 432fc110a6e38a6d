package pipeline

import "time"

const (
	// minBatch and maxBatch bound Config.BatchBytes, in plain bytes.
	minBatch = 64 << 10
	maxBatch = 64 << 20

	// maxTag bounds Config.TagBytes: no AEAD in use adds more, and sizes stay far
	// from overflow.
	maxTag = 1 << 10

	// maxWorkers bounds Config.Workers: more is a mistake in a file, not a machine.
	maxWorkers = 1 << 12

	// autoMin and autoMax bound the batch chosen from the caches: below, the
	// hand-over shows; above, a batch does not stay in a core's own cache.
	autoMin = 256 << 10
	autoMax = 1 << 20

	// defaultBudget is Config.Budget's zero value, in bytes.
	defaultBudget = 256 << 20
	// defaultQueueTimeout is Config.QueueTimeout's zero value: a client retries
	// sooner than it waits.
	defaultQueueTimeout = 5 * time.Second
	// defaultLineTimeout is Config.LineTimeout's zero value: who waits in line costs
	// nothing, and clients that were sent away would send all of their body again. It is
	// half of the minute that clients wait for an answer.
	defaultLineTimeout = 30 * time.Second
	// defaultMaxWaiting is Config.MaxWaiting's zero value.
	defaultMaxWaiting = 4096

	// minAdmission and turnsPerCore make Config.Admission's zero value. Bodies are hashed up
	// to eight at once, for less the more there are (package hashing): with 4 on two cores
	// three meet as a rule, with 8 six do.
	minAdmission = 8
	turnsPerCore = 2
	// maxAdmission bounds Config.Admission; it is as good as no bound.
	maxAdmission = 1 << 16
	// A body rests that has waited longer than patience and idleShare times what it
	// worked; sweepEvery is how often this is looked at while others wait.
	patience   = 5 * time.Millisecond
	idleShare  = 2
	sweepEvery = 2 * time.Millisecond
	// startTime is how long a turn may be held before its body begins to move.
	startTime = 5 * time.Second
	// bytesPerNano: moving 2 bytes between a socket and memory, with TLS, takes some
	// nanosecond of a core.
	bytesPerNano = 2

	// maxDepth bounds the batches one stream has with the workers at once: more
	// than this many cores on one stream is more than any source delivers.
	maxDepth = 8

	// maxEmptyReads is how often a source may give neither bytes nor an error;
	// bufio allows as many.
	maxEmptyReads = 100
)

// PipeDepth is the depth of NewPipe that Window reckons with: enough that pump
// and transport overlap, and every further batch would be memory for nothing.
const PipeDepth = 1
