package hashing

const (
	// blockBytes is the block of both hashes.
	blockBytes = 64
	// meetBytes is the least that is worth a meeting: two of these take 11 us alone
	// and 6 us together, a meeting costs below one.
	meetBytes = 8 << 10
	// maxLanes is how many streams a kernel takes at most.
	maxLanes = 8
	// coresPerPlace bounds how many cores share one meeting place and its lock.
	coresPerPlace = 16
)
