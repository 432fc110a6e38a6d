package vault

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// A PinnedKey is what the pins say about a master key. None of it is secret.
type PinnedKey struct {
	ID     format.KeyID
	KVT    [32]byte
	Active bool
}

// A PinnedBucket ties a bucket to its identity.
type PinnedBucket struct {
	Name string
	ID   format.BucketID
}

// Pins are the keys that an administrator enrolled, of one generation. Generation 0 is the empty pins: nothing was ever
// enrolled. Otherwise there are 1 to 16 keys, exactly one active, sorted by id, none twice, and up to 1,024 buckets,
// sorted by name, none twice. Pins are not changed once they are made; readers share them.
type Pins struct {
	Generation uint64
	Keys       []PinnedKey
	Buckets    []PinnedBucket
}

// Empty tells whether nothing was ever enrolled.
func (p Pins) Empty() bool { return p.Generation == 0 }

// Active returns the id of the active key; zero for the empty pins.
func (p Pins) Active() format.KeyID {
	for _, k := range p.Keys {
		if k.Active {
			return k.ID
		}
	}
	return format.KeyID{}
}

// key finds a pinned key by its id.
func (p Pins) key(id format.KeyID) (PinnedKey, bool) {
	for _, k := range p.Keys {
		if k.ID == id {
			return k, true
		}
	}
	return PinnedKey{}, false
}

// bucket finds a pinned bucket by its name.
func (p Pins) bucket(name string) (PinnedBucket, bool) {
	for _, b := range p.Buckets {
		if b.Name == name {
			return b, true
		}
	}
	return PinnedBucket{}, false
}

func (k PinnedKey) equal(other PinnedKey) bool {
	return k.ID == other.ID && k.Active == other.Active && subtle.ConstantTimeCompare(k.KVT[:], other.KVT[:]) == 1
}

// sorted brings keys and buckets into the order of the file.
func (p Pins) sorted() Pins {
	p.Keys, p.Buckets = slices.Clone(p.Keys), slices.Clone(p.Buckets)
	slices.SortFunc(p.Keys, func(a, b PinnedKey) int { return bytes.Compare(a.ID[:], b.ID[:]) })
	slices.SortFunc(p.Buckets, func(a, b PinnedBucket) int { return strings.Compare(a.Name, b.Name) })
	return p
}

// check holds for everything but the empty pins.
func (p Pins) check() error {
	if p.Generation == 0 {
		return errors.New("generation is 0")
	}
	if len(p.Keys) == 0 || len(p.Keys) > maxKeys {
		return fmt.Errorf("%d keys, want 1 to %d", len(p.Keys), maxKeys)
	}
	active := 0
	for i, k := range p.Keys {
		if k.Active {
			active++
		}
		if i > 0 && bytes.Compare(p.Keys[i-1].ID[:], k.ID[:]) >= 0 {
			return fmt.Errorf("key %s is there twice or out of order", k.ID)
		}
	}
	if active != 1 {
		return fmt.Errorf("%d active keys, want exactly one", active)
	}
	if len(p.Buckets) > maxBuckets {
		return fmt.Errorf("%d buckets, at most %d", len(p.Buckets), maxBuckets)
	}
	for i, b := range p.Buckets {
		if err := checkBucket(b); err != nil {
			return fmt.Errorf("bucket %d: %w", i+1, err)
		}
		if i > 0 && p.Buckets[i-1].Name >= b.Name {
			return fmt.Errorf("bucket %s is there twice or out of order", b.Name)
		}
	}
	return nil
}

func checkBucket(b PinnedBucket) error {
	if b.Name == "" || len(b.Name) > maxBucketName {
		return fmt.Errorf("its name has %d bytes, want 1 to %d", len(b.Name), maxBucketName)
	}
	if strings.ContainsFunc(b.Name, func(r rune) bool { return r <= ' ' || r >= 0x7f }) {
		return errors.New("its name has a character that no bucket name has")
	}
	if b.ID == (format.BucketID{}) {
		return errors.New("its id is zero")
	}
	return nil
}

// pinsDocument is the pins as they are written. The order of the fields is the order in the file.
type pinsDocument struct {
	Version    int              `json:"memkey_pins"`
	Generation uint64           `json:"generation"`
	Keys       []keyDocument    `json:"keys"`
	Buckets    []bucketDocument `json:"buckets"`
}

type keyDocument struct {
	ID     string `json:"id"`
	KVT    string `json:"kvt"`
	Active bool   `json:"active"`
}

type bucketDocument struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

const pinsVersion = 1

// encode returns the one spelling of pins that check accepts, and nothing for the empty pins.
func (p Pins) encode() []byte {
	if p.Empty() {
		return nil
	}
	doc := pinsDocument{Version: pinsVersion, Generation: p.Generation, Keys: []keyDocument{}, Buckets: []bucketDocument{}}
	for _, k := range p.Keys {
		doc.Keys = append(doc.Keys, keyDocument{k.ID.String(), hex.EncodeToString(k.KVT[:]), k.Active})
	}
	for _, b := range p.Buckets {
		doc.Buckets = append(doc.Buckets, bucketDocument{b.Name, b.ID.String()})
	}
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(doc); err != nil {
		panic("BUG: cannot encode pins: " + err.Error())
	}
	return out.Bytes()
}

// parsePins is the inverse of encode: it takes nothing that encode would not give.
func parsePins(b []byte) (Pins, error) {
	if len(b) == 0 {
		return Pins{}, nil
	}
	var doc pinsDocument
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	if err := d.Decode(&doc); err != nil {
		return Pins{}, errors.New("it is not a pins file")
	}
	if doc.Version != pinsVersion {
		return Pins{}, fmt.Errorf("its version is %d, want %d", doc.Version, pinsVersion)
	}
	p := Pins{Generation: doc.Generation}
	for _, k := range doc.Keys {
		pinned := PinnedKey{Active: k.Active}
		if !fromHex(pinned.ID[:], k.ID) || !fromHex(pinned.KVT[:], k.KVT) {
			return Pins{}, errors.New("an id or kvt has not as many hex digits as it must")
		}
		p.Keys = append(p.Keys, pinned)
	}
	for _, b := range doc.Buckets {
		pinned := PinnedBucket{Name: b.Name}
		if !fromHex(pinned.ID[:], b.ID) {
			return Pins{}, errors.New("the id of a bucket has not 32 hex digits")
		}
		p.Buckets = append(p.Buckets, pinned)
	}
	if err := p.check(); err != nil {
		return Pins{}, err
	}
	if !bytes.Equal(p.encode(), b) {
		return Pins{}, errors.New("it is not spelled as the agent writes it: it was changed or damaged")
	}
	return p, nil
}

func fromHex(dst []byte, text string) bool {
	if len(text) != 2*len(dst) {
		return false
	}
	_, err := hex.Decode(dst, []byte(text))
	return err == nil
}

// digest is what M2 tells an admin about the pins: zero for the empty ones, else the SHA-256 of the label, a zero byte
// and the file.
func (p Pins) digest() (d [32]byte) {
	if p.Empty() {
		return d
	}
	h := sha256.New()
	h.Write([]byte("memkey/2 pins\x00"))
	h.Write(p.encode())
	h.Sum(d[:0])
	return d
}
