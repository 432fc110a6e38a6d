package format

// Every size and cap of the format, with its reason. SPEC.md section 2 is the normative table.

const (
	// SegmentSize is the number of plain bytes in every segment but the last. The AEADs reach full speed from 16 KiB on; 64 KiB keeps the
	// cost of a one-byte range and of a slow client small.
	SegmentSize = 65536
	// TagSize is the AEAD tag that follows each segment; both suites have 16 bytes.
	TagSize = 16
	// Stride is the distance between two sealed segments, and between two slots of a buffer that is sealed in place.
	Stride = SegmentSize + TagSize

	// DefaultBlockSize takes about 850 bytes of metadata, more than real clients send. The others are 512, 2048 and 4096; a bucket has one
	// for its whole life, since listed sizes are computed from it.
	DefaultBlockSize = 1024
	// MaxBlockSize takes all the metadata that S3 takes.
	MaxBlockSize = 4096
	// StateBlockSize is fixed, because the state object is what tells a reader the block size of its bucket.
	StateBlockSize = 512

	// MaxPlainSize is S3's classic object limit, 5 TiB. It also keeps GCM far from its bounds (SPEC.md section 14).
	MaxPlainSize = 5 << 40
	// MinPartSize is S3's minimum for every part of an upload but the last. It is what pays for the parts' own bytes in the size law.
	MinPartSize = fillerUnit
	// MaxPartSize leaves room below S3's 5 GiB for a part's tags and, where part 10,000 shares the final backend part with the end of the
	// object, for table, filler and tail: at most 6.5 MB (TestFinalPartFitsTheBackend).
	MaxPartSize = 5<<30 - 8<<20
	// MaxParts is S3's limit, of parts and of part numbers.
	MaxParts = 10000
	// MaxBackendID bounds the backend's upload id: AWS has 128 bytes, MinIO about as many.
	MaxBackendID = 1024
	// MaxBackendETag bounds the backend's ETag of a part: 32 digits in practice, a strong hash in a long encoding at most.
	MaxBackendETag = 128

	// MaxPartNote holds an algorithm, a digest of 64 bytes and one of 16. With it, the last segment of a receipt's name stays below the 255 bytes that file systems under
	// some backends take (TestReceiptFitsAFileName).
	MaxPartNote = 96

	// MaxKeySize is S3's limit for an object key in bytes of UTF-8.
	MaxKeySize = 1024
	// MaxStateSize bounds the JSON of a bucket state: room for about ten thousand key rotations.
	MaxStateSize = 1 << 20

	// StateKey is the object name of the bucket state.
	StateKey = "_objcryptproxy___.json"
	// UploadPrefix begins the names of what an unfinished upload stages.
	UploadPrefix = ReservedPrefix + "/mpu/"
	// ReservedPrefix begins every object name that belongs to the proxy; no client may name such an object.
	ReservedPrefix = "_objcryptproxy___"
)

const (
	headSize   = 54 // header 34, salt 16, MetaLen 4: the bytes B that every key of the block depends on
	commitSize = 32
	wrapSize   = 32 + TagSize
	// blockOverhead is what a block needs besides its metadata.
	blockOverhead = headSize + commitSize + wrapSize + TagSize

	// fillerUnit plain bytes, S3's minimum part size, earn fillerBytes of room in the size law, up to maxFillers times: the budget from which
	// any legal set of at most 10,000 multipart parts reaches the same law.
	fillerUnit  = 5 << 20
	fillerBytes = 512
	maxFillers  = 9999

	maxBackendPart = 5 << 30 // S3's largest part; what the final backend part must stay below
	// maxTableOffset is above all that a legal object can have; it keeps sums of it inside int64.
	maxTableOffset = MaxPlainSize * 2

	maxStateNames  = 64        // logical names of one bucket: renames and adoptions, not a directory
	maxHeaderValue = 4096      // longest header value worth looking at: the largest block
	maxWriter      = 64        // name of the proxy instance, for operators
	maxChecksum    = 128       // longest client checksum
	maxWrittenAt   = 1<<47 - 1 // milliseconds; the year 6429: beyond it a number is garbage
)

// blockSizes are the permitted lengths of an object block.
var blockSizes = [...]int{512, 1024, 2048, MaxBlockSize}

// ValidBlockSize reports whether n is one of 512, 1024, 2048 and 4096.
func ValidBlockSize(n int) bool {
	for _, size := range blockSizes {
		if n == size {
			return true
		}
	}
	return false
}
