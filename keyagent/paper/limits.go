package paper

// Every cap of the package with its reason.
const (
	// MaxText bounds what ParseWords and ParseText look at, in bytes: the text form of the longest share (26 KiB), with
	// blanks and numbers.
	MaxText = 64 << 10

	// MaxLabel bounds a label in bytes, as everywhere in the key agent.
	MaxLabel = 64

	// MaxShareSheet is the longest share in bytes, in its wire form, that fits one page and one QR code that a telephone
	// still reads: two columns of 30 lines. Longer ones (very many keys or buckets) have to stay files.
	MaxShareSheet = 2 * maxRows * lineBytes

	// MaxPages bounds the pages of one document: more is a mistake of the caller.
	MaxPages = 64

	// maxRows is how many lines of a share fit below each other.
	maxRows = 30

	// lineBytes is one line of a text form: 40 characters, which the eye can follow in groups of five.
	lineBytes = 25

	// maxLines bounds the number of lines that a text form may claim: those of the longest share.
	maxLines = 656

	// maxWord bounds a typed word; the list's longest has eight letters.
	maxWord = 24
)
