package shares

import "time"

// Every cap of the package with its reason.
const (
	// MaxSize bounds a share in its wire form: what an op "share" of the key delivery carries.
	MaxSize = 16 << 10

	// MinK is the smallest threshold. With one share out of n, each share alone would be the key.
	MinK = 2

	// MaxN bounds the shares of a set. Each is a person who keeps one; the bound keeps the commitments below 1 KiB.
	MaxN = 32

	// MaxKeys and MaxLabel bound the keys of a keyring and their labels in bytes, as everywhere in the key agent.
	MaxKeys  = 16
	MaxLabel = 64

	// MaxPinName is the longest bucket name that S3 allows, in bytes.
	MaxPinName = 63

	// DefaultWindow is how long the collector keeps a share: k people on the telephone need minutes, and nothing that
	// was left over from an abandoned attempt should meet the next one.
	DefaultWindow = 10 * time.Minute

	// maxWindow keeps what is collected from becoming a store.
	maxWindow = time.Hour

	// MaxAdmins bounds the administrators with a share in the collector, and with it the sets, the memory (MaxSize
	// each) and the locked pages. The allow-list of the agent is no longer, so no administrator is ever turned away.
	MaxAdmins = 64
)

// Sizes of the wire form in bytes (SHARES.md section 3).
const (
	setIDSize   = 16
	scalarSize  = 32
	elementSize = 32
	masterSize  = 32
	tagSize     = 16
	checkSize   = 16
	keySize     = 32
	nonceSize   = 24

	headFixed = len(magic) + 1 + setIDSize + 8 + 1 + 1 + 1
	minSize   = headFixed + 8 + 32 + 1 + 1 + 2 + MinK*elementSize + masterSize + tagSize + 1 + scalarSize + checkSize
)
