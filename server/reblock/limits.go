package reblock

import "time"

const (
	// defaultWhole keeps a move through memory small; larger ones are moved by the
	// store itself, all but their first part.
	defaultWhole = 16 << 20

	// minPart is S3's smallest size for any part but the last.
	minPart = 5 << 20

	// minWhole: what is moved in parts has a first one and, behind it, a last one
	// that is no crumb.
	minWhole = 2*minPart + 4096

	// copyPart is how much one server-side part moves; S3 allows 5 GiB. The largest
	// object has 5,120 of them, of the 10,000 that S3 allows.
	copyPart = 1 << 30

	// abortTime bounds the clean-up of a failed upload, also of a cancelled move.
	abortTime = 30 * time.Second
)
