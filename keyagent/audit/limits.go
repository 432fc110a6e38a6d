package audit

const (
	// maxLine bounds a line in bytes: 16 key ids, the longest texts with every byte escaped, and the fixed fields. A
	// reader gives up there instead of taking a whole damaged file into memory.
	maxLine = 8 << 10

	// rotateSize is how large a file may get before the next one begins, and keepFiles how many older ones stay: 1 GiB in
	// all, three million lines.
	rotateSize = 64 << 20
	keepFiles  = 15

	// maxKeys is the number of keys of the largest ring.
	maxKeys = 16

	// maxWord bounds op and result, which are words of the program.
	maxWord = 48

	// maxDetail bounds the detail, which may quote what an unknown peer sent.
	maxDetail = 512

	// timeLayout has milliseconds, always three, always UTC: one spelling for one time.
	timeLayout = "2006-01-02T15:04:05.000Z"
)
