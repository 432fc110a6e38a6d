package shares

import (
	"bytes"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// A Key is one master key with its public names. ID and KVT are those of Master (format.DeriveKeys).
type Key struct {
	ID     format.KeyID
	KVT    [32]byte
	Master *keyagent.Secret // owned by the keyring's owner
	Active bool             // exactly one of a keyring
	Label  string           // at most MaxLabel bytes of printable UTF-8; public
}

// A Pin ties the keyring to a bucket; public.
type Pin struct {
	Name string // the bucket's name, 1 to MaxPinName bytes of 0x21 to 0x7e
	ID   format.BucketID
}

// A Keyring is what is split: 1 to MaxKeys keys, no ID twice, exactly one active; pins, no name twice. Combine gives the
// keys in the order in which they were split, and the pins sorted by name. It prints as its counts only.
type Keyring struct {
	Generation uint64
	Keys       []Key
	Pins       []Pin
}

// Wipe wipes every master. It is for the keyring's owner; a nil Keyring has nothing to wipe.
func (k *Keyring) Wipe() {
	if k == nil {
		return
	}
	for _, key := range k.Keys {
		key.Master.Wipe()
	}
}

func (k Keyring) redacted() string {
	return fmt.Sprintf("keyring(generation %d, %d keys, %d pins, redacted)", k.Generation, len(k.Keys), len(k.Pins))
}

// String tells generation and counts.
func (k Keyring) String() string { return k.redacted() }

// Format prints String for every verb.
func (k Keyring) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, k.redacted()) }

// MarshalJSON returns String as a JSON string.
func (k Keyring) MarshalJSON() ([]byte, error) { return fmt.Appendf(nil, "%q", k.redacted()), nil }

// LogValue returns String for log/slog.
func (k Keyring) LogValue() slog.Value { return slog.StringValue(k.redacted()) }

// check checks all rules, with the masters behind the names.
func (k *Keyring) check() error {
	public := k.public()
	if err := public.check(); err != nil {
		return fmt.Errorf("%w: %w", ErrKeyring, err)
	}
	for i, key := range k.Keys {
		id, kvt, err := names(key.Master)
		if err != nil {
			return fmt.Errorf("%w: key %d: %w", ErrKeyring, i+1, err)
		}
		if id != key.ID || kvt != key.KVT {
			return fmt.Errorf("%w: key %d: the id or the verification tag is not that of the master", ErrKeyring, i+1)
		}
	}
	return nil
}

// names derives a master's public names.
func names(master *keyagent.Secret) (id format.KeyID, kvt [32]byte, err error) {
	if master == nil {
		return id, kvt, fmt.Errorf("no master: %w", keyagent.ErrBadSecret)
	}
	var derived *format.Keys
	if useErr := master.Use(func(m []byte) { derived, err = format.DeriveKeys(m) }); useErr != nil {
		err = useErr
	}
	if err != nil {
		return id, kvt, err
	}
	defer derived.Wipe()
	return derived.ID(), derived.KVT(), nil
}

// A PublicKey is what a share tells about a key in clear.
type PublicKey struct {
	ID     format.KeyID
	KVT    [32]byte
	Active bool
	Label  string
}

// Public is what a share tells about its keyring in clear. It is authenticated: the keyring opens only with the very
// names that every share of the set shows.
type Public struct {
	Generation uint64
	Keys       []PublicKey
	Pins       []Pin // sorted by name
}

func (k *Keyring) public() Public {
	p := Public{Generation: k.Generation, Pins: slices.Clone(k.Pins)}
	for _, key := range k.Keys {
		p.Keys = append(p.Keys, PublicKey{ID: key.ID, KVT: key.KVT, Active: key.Active, Label: key.Label})
	}
	slices.SortFunc(p.Pins, func(a, b Pin) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// clone copies the slices, so that the holder of a copy cannot change the original.
func (p Public) clone() Public {
	return Public{Generation: p.Generation, Keys: slices.Clone(p.Keys), Pins: slices.Clone(p.Pins)}
}

// check checks the rules that need no master, and that the pins are sorted.
func (p Public) check() error {
	if len(p.Keys) < 1 || len(p.Keys) > MaxKeys {
		return fmt.Errorf("%d keys, want 1 to %d", len(p.Keys), MaxKeys)
	}
	active := 0
	for i, key := range p.Keys {
		if key.Active {
			active++
		}
		for j := range i {
			if bytes.Equal(p.Keys[j].ID[:], key.ID[:]) {
				return fmt.Errorf("keys %d and %d have the same id", j+1, i+1)
			}
		}
		if !printable(key.Label) {
			return fmt.Errorf("key %d: the label is not printable UTF-8 of at most %d bytes", i+1, MaxLabel)
		}
	}
	if active != 1 {
		return fmt.Errorf("%d keys are active, want 1", active)
	}
	for i, pin := range p.Pins {
		if !validPinName(pin.Name) {
			return fmt.Errorf("pin %d: the name is not 1 to %d bytes of a bucket name", i+1, MaxPinName)
		}
		if i > 0 && p.Pins[i-1].Name >= pin.Name {
			return fmt.Errorf("pin %d: the name is twice there, or out of order", i+1)
		}
	}
	return nil
}

func printable(label string) bool {
	if len(label) > MaxLabel || !utf8.ValidString(label) {
		return false
	}
	for _, r := range label {
		if !unicode.IsPrint(r) {
			return false
		}
	}
	return true
}

func validPinName(name string) bool {
	if len(name) < 1 || len(name) > MaxPinName {
		return false
	}
	for i := range len(name) {
		if name[i] < 0x21 || name[i] > 0x7e {
			return false
		}
	}
	return true
}
