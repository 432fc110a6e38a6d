package vault

import "time"

const (
	// confirmTime is how long the second of two admins has to send the same enrolment.
	confirmTime = 10 * time.Minute

	// maxPending bounds the enrolments that wait for a second admin: one for each admin that an allow-list can have.
	maxPending = 64

	// maxPinsFile bounds the pins file in bytes: 16 keys and 1,024 buckets with the longest names, twice over.
	maxPinsFile = 256 << 10

	// maxKeys and maxBuckets are the bounds of a package (memkey), which the pins are made of.
	maxKeys    = 16
	maxBuckets = 1024

	// maxFirstGeneration is the highest generation that is enrolled first: every later change needs one more, and after
	// the last of 64 bits none could ever be made.
	maxFirstGeneration = 1 << 62

	// maxBucketName is the longest bucket name that S3 allows.
	maxBucketName = 63

	// changeWait is how long a delivery waits for another one. It is bounded since the other may wait for a dying disk.
	changeWait = 10 * time.Second

	// stackScrub is more than the deepest stack of a key derivation in bytes.
	stackScrub = 16 << 10
)
