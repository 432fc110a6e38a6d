package rewrap

import "time"

const (
	// defaultParallel is how many objects are in work at once; each costs up to
	// 16 MiB of memory.
	defaultParallel = 4
	maxParallel     = 256

	// pageSize is S3's largest page of a listing.
	pageSize = 1000

	// window is how many outcomes may wait for an object before them: one that takes
	// hours must not stop the others at once, nor let them pile up without end.
	window = 4096

	// maxTries is how often an object that changes under our hands is begun anew.
	maxTries = 3

	// maxFailures in a row end the run: the store is gone, and every further object
	// would wait for it in vain.
	maxFailures = 20

	// maxNamed bounds the names in the report; what is beyond is counted.
	maxNamed = 1000

	// maxKeys bounds the key ids that are counted apart: headers that do not open
	// may name as many as they like.
	maxKeys = 64

	// maxState bounds the bucket state read into memory, as the proxy does.
	maxState = 64 << 10

	// maxCheckpoint bounds the file read back: 1,000 names of 1 KiB, each byte
	// escaped to six, and the reasons.
	maxCheckpoint = 16 << 20

	// saveEvery is how much work a crash may cost.
	saveEvery = 5 * time.Second

	// cleanTime bounds the removal of what a proof left.
	cleanTime = 30 * time.Second

	// scratchLife is how old an object of a proof is when it is a dead run's; it
	// lives for some requests, and clocks differ.
	scratchLife = time.Hour
)

const (
	// whole: objects up to this size pass through memory, see package reblock.
	whole = 16 << 20

	// partHeader is what of a multipart object's first bytes opens its tail (SPEC.md
	// section 4).
	partHeader = 54

	// maxReason bounds what a report takes over from the store's errors.
	maxReason = 300
)
