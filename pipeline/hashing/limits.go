package hashing

const (
	// blockBytes is the block of both hashes.
	blockBytes = 64
	// meetBytes is the least that is worth a meeting: two of these take 20 us one after
	// the other and 11 us together, of SHA-256 alone 9 and 4; a meeting costs below one.
	meetBytes = 8 << 10
	// maxLanes is how many streams a kernel takes at most.
	maxLanes = 8
	// minTwice is from how many streams on a pass of MD5 in AVX2 and one of SHA-256 cost
	// less than pairs; four cost the same.
	minTwice = 5
	// twicePiece is how much of each stream the passes take at once: eight of them fit
	// into half of a core's first cache.
	twicePiece = 2 << 10
	// coresPerPlace bounds how many cores share one meeting place and its lock.
	coresPerPlace = 16
)
