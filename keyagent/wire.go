package keyagent

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

// Message types of the local hand-over (LOCAL.md 4).
const (
	msgHello   = 1 // 4.1, both directions
	msgWait    = 2 // 4.2, client to agent
	msgRing    = 3 // 4.3, agent to client
	msgRefused = 4 // 4.4, agent to client
	msgWatch   = 5 // 4.5, client to agent
	msgNames   = 6 // 4.6, agent to client
	msgDerive  = 7 // 4.7, client to agent
	msgDerived = 8 // 4.8, agent to client
)

const (
	helloMagic  = "KEYLOCAL" // 4.1
	wireVersion = 1          // 4.1; another version is another set of messages, there is no negotiation
	helloFixed  = len(helloMagic) + 2
	ringFixed   = 8 + 1 + 1
	noActive    = 0xff // 4.3: the active index of a cleared ring
)

// A refusal is the reason of a REFUSED message (LOCAL.md 4.4).
type refusal uint8

const (
	refusedUser     refusal = 1
	refusedBusy     refusal = 2
	refusedVersion  refusal = 3
	refusedProtocol refusal = 4
	refusedMemory   refusal = 5
	refusedMode     refusal = 6
)

func (r refusal) String() string {
	switch r {
	case refusedUser:
		return "this user may not have the keys"
	case refusedBusy:
		return "too many connections"
	case refusedVersion:
		return "another protocol version"
	case refusedProtocol:
		return "protocol violation"
	case refusedMemory:
		return "the agent cannot get memory for the hand-over"
	case refusedMode:
		return "the agent does not allow this mode"
	}
	return fmt.Sprintf("reason %d", uint8(r))
}

// appendFrame appends length, type and body of one frame.
func appendFrame(dst []byte, msg byte, body ...byte) []byte {
	dst = binary.BigEndian.AppendUint32(dst, uint32(1+len(body)))
	dst = append(dst, msg)
	return append(dst, body...)
}

// readFrame reads one frame of at most limit bytes after its length and returns type and body. begun runs once the first
// byte is there: the caller sets the deadline for the rest. A clean end before the first byte is io.EOF, any later end
// io.ErrUnexpectedEOF. The length is checked before anything is allocated.
func readFrame(r io.Reader, limit int, begun func()) (msg byte, body []byte, err error) {
	var head [4]byte
	n, err := r.Read(head[:])
	if n == 0 {
		if err == nil {
			err = io.ErrNoProgress
		}
		return 0, nil, err
	}
	begun()
	if _, err := io.ReadFull(r, head[n:]); err != nil {
		return 0, nil, noCleanEnd(err)
	}
	size := binary.BigEndian.Uint32(head[:])
	if size == 0 || size > maxFrame || int(size) > limit {
		return 0, nil, fmt.Errorf("frame of %d bytes, want 1 to %d: %w", size, min(limit, maxFrame), ErrProtocol)
	}
	frame := make([]byte, size)
	if _, err := io.ReadFull(r, frame); err != nil {
		return 0, nil, noCleanEnd(err)
	}
	return frame[0], frame[1:], nil
}

func noCleanEnd(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

func appendAgentHello(dst []byte) []byte {
	return appendFrame(dst, msgHello, helloPrefix()...)
}

func appendClientHello(dst []byte, name string) []byte {
	body := append(helloPrefix(), byte(len(name)))
	return appendFrame(dst, msgHello, append(body, name...)...)
}

func helloPrefix() []byte {
	return binary.BigEndian.AppendUint16([]byte(helloMagic), wireVersion)
}

// errVersion is the one ErrProtocol that the agent answers with a reason of its own.
var errVersion = fmt.Errorf("another protocol version: %w", ErrProtocol)

// parseHello checks magic and version and returns what follows them.
func parseHello(body []byte) (rest []byte, err error) {
	if len(body) < helloFixed || string(body[:len(helloMagic)]) != helloMagic {
		return nil, fmt.Errorf("not a HELLO of a key agent: %w", ErrProtocol)
	}
	if v := binary.BigEndian.Uint16(body[len(helloMagic):]); v != wireVersion {
		return nil, fmt.Errorf("version %d, want %d: %w", v, wireVersion, errVersion)
	}
	return body[helloFixed:], nil
}

func parseAgentHello(body []byte) error {
	rest, err := parseHello(body)
	if err == nil && len(rest) != 0 {
		err = fmt.Errorf("%d bytes after the HELLO: %w", len(rest), ErrProtocol)
	}
	return err
}

func parseClientHello(body []byte) (name string, err error) {
	rest, err := parseHello(body)
	if err != nil {
		return "", err
	}
	if len(rest) < 1 || len(rest) != 1+int(rest[0]) {
		return "", fmt.Errorf("HELLO with a wrong name length: %w", ErrProtocol)
	}
	name = string(rest[1:])
	if err := checkClientName(name); err != nil {
		return "", fmt.Errorf("HELLO with a bad name: %w: %w", err, ErrProtocol)
	}
	return name, nil
}

// checkClientName allows what is safe in a log line of any tool: printable ASCII.
func checkClientName(name string) error {
	if len(name) > MaxClientName {
		return fmt.Errorf("name of %d bytes, at most %d", len(name), MaxClientName)
	}
	for _, c := range []byte(name) {
		if c < ' ' || c > '~' {
			return fmt.Errorf("name has the byte %#02x, want printable ASCII", c)
		}
	}
	return nil
}

func appendWait(dst []byte, after uint64) []byte {
	return appendFrame(dst, msgWait, binary.BigEndian.AppendUint64(nil, after)...)
}

func appendWatch(dst []byte, after uint64) []byte {
	return appendFrame(dst, msgWatch, binary.BigEndian.AppendUint64(nil, after)...)
}

// parseWait reads WAIT and WATCH.
func parseWait(body []byte) (after uint64, err error) {
	if len(body) != 8 {
		return 0, fmt.Errorf("WAIT of %d bytes: %w", len(body), ErrProtocol)
	}
	return binary.BigEndian.Uint64(body), nil
}

// ringHead is a RING message without the key bytes, which travel in a region (LOCAL.md 5).
type ringHead struct {
	generation uint64
	active     int // index into labels; -1 if there are none
	labels     []string
}

func headOf(generation uint64, keys []Key) ringHead {
	head := ringHead{generation: generation, active: -1, labels: make([]string, len(keys))}
	for i, k := range keys {
		head.labels[i] = k.Label
		if k.Active {
			head.active = i
		}
	}
	return head
}

func appendRing(dst []byte, head ringHead) []byte {
	body := binary.BigEndian.AppendUint64(nil, head.generation)
	body = append(body, byte(len(head.labels)), byte(head.active)) // -1 is noActive
	for _, label := range head.labels {
		body = append(body, byte(len(label)))
		body = append(body, label...)
	}
	return appendFrame(dst, msgRing, body...)
}

func parseRing(body []byte) (ringHead, error) {
	if len(body) < ringFixed {
		return ringHead{}, fmt.Errorf("RING of %d bytes: %w", len(body), ErrProtocol)
	}
	head := ringHead{generation: binary.BigEndian.Uint64(body), active: -1}
	count, active := int(body[8]), int(body[9])
	switch {
	case head.generation == 0:
		return ringHead{}, fmt.Errorf("RING without a generation: %w", ErrProtocol)
	case count > MaxKeys:
		return ringHead{}, fmt.Errorf("RING with %d keys, at most %d: %w", count, MaxKeys, ErrProtocol)
	case count == 0 && active != noActive, count > 0 && active >= count:
		return ringHead{}, fmt.Errorf("RING of %d keys with active key %d: %w", count, active, ErrProtocol)
	case count > 0:
		head.active = active
	}
	rest := body[ringFixed:]
	for range count {
		if len(rest) < 1 || len(rest) < 1+int(rest[0]) {
			return ringHead{}, fmt.Errorf("RING ends within a label: %w", ErrProtocol)
		}
		label := string(rest[1 : 1+int(rest[0])])
		if err := checkLabel(label); err != nil {
			return ringHead{}, fmt.Errorf("RING with a bad label: %w: %w", err, ErrProtocol)
		}
		head.labels = append(head.labels, label)
		rest = rest[1+len(label):]
	}
	if len(rest) != 0 {
		return ringHead{}, fmt.Errorf("%d bytes after the RING: %w", len(rest), ErrProtocol)
	}
	return head, nil
}

func appendRefused(dst []byte, reason refusal) []byte {
	return appendFrame(dst, msgRefused, byte(reason))
}

func parseRefused(body []byte) (refusal, error) {
	if len(body) != 1 {
		return 0, fmt.Errorf("REFUSED of %d bytes: %w", len(body), ErrProtocol)
	}
	return refusal(body[0]), nil
}
