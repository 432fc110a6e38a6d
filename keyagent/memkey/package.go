package memkey

import (
	"fmt"
	"io"
	"log/slog"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// A PackageKey is one master key with its public names. ID and KVT are those of Master (format.DeriveKeys).
type PackageKey struct {
	ID     format.KeyID
	KVT    [32]byte
	Master *keyagent.Secret // owned by the package's owner
	Active bool             // exactly one of a package
	Label  string           // at most MaxLabel bytes of printable UTF-8, not secret
}

// A BucketPin ties the keyring to a bucket.
type BucketPin struct {
	Name string // the bucket's name, 1 to MaxPinName bytes of 0x21 to 0x7e
	ID   format.BucketID
}

// A Package is the sealed content of M3 (PROTOCOL.md section 6).
//
//	deliver, enroll   1 to MaxKeys keys, exactly one active, no id twice; pins, no name twice
//	clear             nothing else
//	share             Share, 1 to MaxShare bytes
//
// It prints as its op and counts only.
type Package struct {
	Op         Op
	Generation uint64
	Keys       []PackageKey
	Pins       []BucketPin // in any order; the wire has them sorted by name
	Share      []byte      // opaque here, secret
}

// Wipe wipes every master and clears the share. It is for the package's owner.
func (p *Package) Wipe() {
	for _, k := range p.Keys {
		k.Master.Wipe()
	}
	clear(p.Share)
}

func (p Package) redacted() string {
	return fmt.Sprintf("package(%s, generation %d, %d keys, %d pins, redacted)", p.Op, p.Generation, len(p.Keys), len(p.Pins))
}

// String tells op, generation and counts.
func (p Package) String() string { return p.redacted() }

// Format prints String for every verb.
func (p Package) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, p.redacted()) }

// MarshalJSON returns String as a JSON string.
func (p Package) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", p.redacted()), nil }

// MarshalText returns String.
func (p Package) MarshalText() ([]byte, error) { return []byte(p.redacted()), nil }

// LogValue returns String for log/slog.
func (p Package) LogValue() slog.Value { return slog.StringValue(p.redacted()) }
