package keyagent

import "time"

// Every cap of the package with its reason.
const (
	// KeySize is the length of a master key in bytes: the input of the key derivation of the object format.
	KeySize = 32

	// MaxKeys bounds a ring. One key is active, the others only open old objects; 15 rotations without rewrapping
	// are more than an operator can keep apart, and the bound fixes the size of every message and region.
	MaxKeys = 16

	// MaxLabel bounds a key's label in bytes. A label is for people and fits one line of a status table.
	MaxLabel = 64

	// MaxClientName bounds the name that a client tells the agent for its log.
	MaxClientName = 64

	// maxFrame is the largest length any frame may claim (LOCAL.md 3). The roles below read far less.
	maxFrame = 64 << 10

	// maxAgentFrame is the largest frame a client accepts: NAMES with MaxKeys labels of MaxLabel bytes.
	maxAgentFrame = 1 + ringFixed + MaxKeys*(nameFixed+1+MaxLabel)

	// MaxRequest and MaxAnswer bound a derivation: object keys have at most 1,024 bytes, the keys of one block 144.
	MaxRequest = 2048
	MaxAnswer  = 512

	// maxDeriveFrame is the largest DERIVE.
	maxDeriveFrame = 1 + nameIDSize + MaxRequest

	// maxDeriveConns bounds a client's connections for derivations: each has one request under way, which takes
	// microseconds, so this is far more than the cores of a host can use.
	maxDeriveConns = 16

	// deriveTime is how long a derivation may take, connecting and waiting for a free connection included. The caller
	// is a request of a client, who gets an error then and tries again.
	deriveTime = 5 * time.Second

	// defaultDeriveRate bounds the derivations a second of one agent, all clients together: several times what one
	// proxy of many cores asks for, so that only an endless loop meets it.
	defaultDeriveRate = 100_000

	// maxClientFrame is the largest frame the agent accepts: a HELLO with the longest name.
	maxClientFrame = 1 + helloFixed + 1 + MaxClientName

	// defaultMaxConns bounds the connections, and with them the goroutines and descriptors, that clients can hold: a
	// host's proxy processes with all their connections for derivations, with room for restarts that overlap.
	defaultMaxConns = 256

	// frameTime is how long the other side may take from the first byte of a frame to its last, and for the whole
	// HELLO exchange. Both sides are on one host; seconds mean that the process is stopped or hostile.
	frameTime = 5 * time.Second

	// defaultMinBackoff and defaultMaxBackoff bound a client's pause between two attempts. A restarting agent is back
	// in the first steps; the ceiling is what a proxy without a key waits at most once the agent is there again.
	defaultMinBackoff = 50 * time.Millisecond
	defaultMaxBackoff = 5 * time.Second

	// lockWait is how long Listen waits for another process that is opening a socket in the same directory.
	lockWait = 2 * time.Second

	// acceptPause is the pause after a failed accept (no descriptors left): the next attempt would fail at once.
	acceptPause = 50 * time.Millisecond

	// refusalLogEvery keeps a process that hammers the socket from filling the disk with log lines.
	refusalLogEvery = time.Second
)
