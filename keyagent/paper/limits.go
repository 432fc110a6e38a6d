package paper

// Every cap of the package with its reason.
const (
	// MaxText bounds what ParseWords and ParseText look at, in bytes: the longest text form with generous blanks.
	MaxText = 16 << 10

	// MaxLabel bounds a label in bytes, as everywhere in the key agent.
	MaxLabel = 64

	// MaxShareSheet is the longest share in bytes, in its wire form, that fits one page and one QR code. Longer ones (many
	// keys, very many buckets) have to stay files. At 25 bytes a line it is what two columns hold.
	MaxShareSheet = 72 * 25

	// MaxPages bounds the pages of one document: more is a mistake of the caller.
	MaxPages = 64
)
