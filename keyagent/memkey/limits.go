package memkey

import "time"

// Every cap of the protocol with its reason. PROTOCOL.md section 2 is the normative table.
const (
	// MaxBody bounds the body of every request: the largest M3 and nothing more.
	MaxBody = 128 << 10

	// MaxKeys bounds the keys of a package, a state and a receipt. It is the bound of keyagent.MaxKeys.
	MaxKeys = 16

	// MaxPins bounds the bucket pins of a package: a thousand buckets under one keyring is a large site.
	MaxPins = 1024

	// MaxShare bounds an opaque share in bytes.
	MaxShare = 16 << 10

	// MaxLabel bounds a key's label in bytes, as in keyagent.MaxLabel: one line of a status table.
	MaxLabel = 64

	// MaxPinName is the longest bucket name that S3 allows.
	MaxPinName = 63

	// MaxAdmins bounds the allow-list. It bounds the cost of the look-up that every stranger can cause.
	MaxAdmins = 64

	// packageUnit is what a package is padded to, so that its length on the wire tells neither the number of keys nor
	// the length of their labels.
	packageUnit = 1 << 10

	// MaxPackage is the largest padded package: the most units that fit an M3 of MaxBody bytes.
	MaxPackage = (MaxBody - m3Fixed - aeadTag) / packageUnit * packageUnit

	// maxSessions and maxAdminSessions bound what M1 can make the agent remember. Each admin starts anew in a corner of
	// their own; a session is about 10 KiB (the ephemeral private key).
	maxSessions      = 16
	maxAdminSessions = 4

	// seenNonces is the length of the ring of M1 nonces. It only has to outlive what an honest admin sends within the
	// clock window; a replay that slips through costs one session slot of the admin whose M1 it was, and opens nothing.
	seenNonces = 1024

	// maxSources bounds the table of throttled sources; the least recently seen is forgotten first.
	maxSources = 4096

	// checksPerSecond bounds the failed signature checks that one source can cause in the name of one listed admin:
	// about three hundredths of a core. Checks that succeed are free, so it never slows an admin down.
	checksPerSecond = 500

	// strangersTime and maxStrangers bound the audit events of refusals that needed no key to cause: strangers must not
	// fill the disk. What has no event of its own is counted in one.
	strangersTime = time.Minute
	maxStrangers  = 64

	// DefaultSessionLife is long enough for a touch on a hardware key between M2 and M3.
	DefaultSessionLife = 60 * time.Second
	// maxSessionLife keeps ephemeral keys ephemeral.
	maxSessionLife = 10 * time.Minute

	// DefaultMaxClockSkew is what machines with a time service never reach.
	DefaultMaxClockSkew = 120 * time.Second

	// DefaultMaxFailed and DefaultLockout throttle one source address: five refusals, then five minutes in which it gets
	// no answer but "busy" (a listed admin with a valid signature is served all the same).
	DefaultMaxFailed = 5
	DefaultLockout   = 5 * time.Minute

	// readTime, writeTime, headerTime and idleTime bound how long a peer can hold a connection without progress. A whole
	// M3 is 128 KiB: seconds even on a bad line.
	headerTime = 5 * time.Second
	readTime   = 10 * time.Second
	writeTime  = 45 * time.Second // from the request's header to the last byte: it has to outlast Apply
	idleTime   = 30 * time.Second

	// maxHeader bounds a request's header: the longest is a GET /challenge with an M1 of 242 characters in its query.
	maxHeader = 8 << 10

	// maxConns, maxSourceConns and maxSiteConns bound open connections (Listener): of all, of an IPv4 address or IPv6
	// /64, of an IPv6 /48, which one customer of a provider may have. A TLS connection costs about 60 KiB.
	maxConns       = 256
	maxSourceConns = 32
	maxSiteConns   = 64

	// DefaultTimeout is how long the client waits for one answer.
	DefaultTimeout = 30 * time.Second

	// maxReply bounds what the client reads of one answer; the largest M2 has 2,105 bytes.
	maxReply = 4 << 10

	// busyTries and busyWait bound how often, and after which longest pause, the client tries again when the agent says
	// that it is busy.
	busyTries = 4
	busyWait  = 2 * time.Second
)

// Sizes of the messages' parts in bytes (PROTOCOL.md section 5).
const (
	magicSize   = 8
	nonceSize   = 32
	sessionSize = 16
	bootSize    = 16
	sigSize     = 64
	hashSize    = 32
	macSize     = 32
	kemKeySize  = 1216 // ML-KEM-768 encapsulation key 1184, X25519 point 32
	kemEncSize  = 1120 // ML-KEM-768 ciphertext 1088, X25519 point 32
	kemSeedSize = 32
	aeadTag     = 16
	keyIDSize   = 8
	kvtSize     = 32
	masterSize  = 32
	keyInfoSize = keyIDSize + kvtSize + 1

	m1Size     = magicSize + 1 + 3 + nonceSize + 2*hashSize + 8 + 1 + sigSize
	m2Fixed    = magicSize + 1 + 2 + 32 + sessionSize + nonceSize + bootSize + 8 + 2 + kemKeySize + 2 + sigSize
	stateFixed = 1 + 8 + keyIDSize + hashSize + 1
	m3Head     = magicSize + 1 + sessionSize
	m3Fixed    = m3Head + 2 + kemEncSize + 4 + sigSize
	m4Fixed    = m3Head + 2 + 8 + keyIDSize + 1 + 8 + hashSize + macSize
	m4eSize    = m3Head + 2 + 2 + sigSize
)
