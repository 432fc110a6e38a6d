package format

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"
)

// State is the sealed description of a bucket, stored in it as StateKey (SPEC.md section 11).
type State struct {
	Version   int // 2; 0 is taken for 2 by SealState
	CreatedAt time.Time
	BucketID  BucketID           // random, never zero
	Names     []string           // logical names of the bucket; at least one, sealed in ascending order
	Keys      map[KeyID][32]byte // key verification tag of every master that ever sealed here
	Settings  Settings           // fixed at creation
	NameKey   NameKey            // zero, unless Settings.NameEncryption: then random, and fixed too
	Closing   bool               // the bucket is about to be removed: nothing may be written to it
}

// Settings of a bucket never change.
type Settings struct {
	BlockSize      int  // of every object block in the bucket
	Segment        int  // SegmentSize; 0 is taken for it by SealState
	NameEncryption bool // object names are sealed: see Namer
	Padding        bool // bodies are padded: see SealOptions.Padded
}

// stateDocument is the JSON of a state: this order, no space, no other field.
type stateDocument struct {
	Version   int               `json:"version"`
	CreatedAt string            `json:"created_at"`
	BucketID  string            `json:"bucket_id"`
	Names     []string          `json:"names"`
	Keys      map[string]string `json:"keys"`
	Settings  stateSettings     `json:"settings"`
	NameKey   string            `json:"name_key,omitempty"`
	Closing   bool              `json:"closing,omitempty"`
}

type stateSettings struct {
	BlockLen       int  `json:"block_len"`
	Segment        int  `json:"segment"`
	NameEncryption bool `json:"name_encryption"`
	Padding        bool `json:"padding"`
}

const (
	stateVersion     = 2
	stateContentType = "application/json"
	stateTime        = "2006-01-02T15:04:05.000Z"
)

// SealState returns the whole stored object of s: block, one or more segments, filler. The ring's active key must be among s.Keys.
func SealState(ring Ring, s State) (object []byte, err error) {
	e := freshEntropy()
	defer clear(e.oek[:])
	return sealState(ring, s, time.Now(), &e)
}

func sealState(ring Ring, s State, now time.Time, e *entropy) ([]byte, error) {
	if s.Version == 0 {
		s.Version = stateVersion
	}
	if s.Settings.Segment == 0 {
		s.Settings.Segment = SegmentSize
	}
	s.Names = slices.Sorted(slices.Values(s.Names)) // a copy
	active, err := ring.Active()
	if err != nil {
		return nil, fmt.Errorf("cannot seal bucket state: %w", err)
	}
	if _, ok := s.Keys[active]; !ok {
		return nil, fmt.Errorf("cannot seal bucket state: the active key %s is not among its keys", active)
	}
	doc, err := s.encode()
	if err != nil {
		return nil, fmt.Errorf("cannot seal bucket state: %w", err)
	}
	return sealObject(ring, stateContext(), Meta{WrittenAt: now, ContentType: stateContentType}, SealOptions{BlockSize: StateBlockSize}, doc, e)
}

// sealObject seals a small object in memory.
func sealObject(ring Ring, where Context, meta Meta, opt SealOptions, plain []byte, e *entropy) ([]byte, error) {
	meta.PlainSize = int64(len(plain))
	s, err := newSealer(ring, where, meta, opt, e)
	if err != nil {
		return nil, err
	}
	object := make([]byte, s.SealedSize())
	at := copy(object, s.Block())
	for i, rest := int64(0), s.PaddedSize(); i <= s.body.last; i, rest = i+1, rest-SegmentSize {
		plain = plain[copy(object[at:], plain[:min(len(plain), SegmentSize)]):]
		at += s.SealInPlace(object[at:], int(min(rest, SegmentSize)), i)
	}
	return object, nil
}

// OpenState opens the whole stored object of a bucket state, which it does not change. Besides the errors of OpenBlock: ErrVersion for a state
// of another version, ErrUnsupported for settings this implementation refuses, ErrIntegrity for a document that is not canonical.
func OpenState(ring Ring, object []byte) (State, error) {
	o, err := OpenBlock(ring, stateContext(), object[:min(len(object), StateBlockSize)], int64(len(object)))
	if err != nil {
		return State{}, fmt.Errorf("cannot open bucket state: %w", err)
	}
	if o.PlainSize() > MaxStateSize {
		return State{}, fmt.Errorf("cannot open bucket state: %w: it has %d bytes", ErrUnsupported, o.PlainSize())
	}
	sealed := bytes.Clone(object[StateBlockSize:])
	if err := o.OpenInPlace(sealed, 0); err != nil {
		return State{}, fmt.Errorf("cannot open bucket state: %w", err)
	}
	doc := make([]byte, 0, o.PlainSize())
	for at := 0; at < len(sealed); at += Stride {
		end := min(at+Stride, len(sealed))
		doc = append(doc, sealed[at:end-TagSize]...)
	}
	s, err := decodeState(doc)
	if err != nil {
		return State{}, fmt.Errorf("cannot open bucket state: %w", err)
	}
	if _, ok := s.Keys[o.KeyID()]; !ok {
		return State{}, fmt.Errorf("cannot open bucket state: %w: the key %s that sealed it is not among its keys", ErrIntegrity, o.KeyID())
	}
	return s, nil
}

// encode returns the canonical JSON of s.
func (s *State) encode() ([]byte, error) {
	if err := s.check(); err != nil {
		return nil, err
	}
	doc := stateDocument{
		Version:   s.Version,
		CreatedAt: s.CreatedAt.UTC().Format(stateTime),
		BucketID:  base64.StdEncoding.EncodeToString(s.BucketID[:]),
		Names:     s.Names,
		Keys:      make(map[string]string, len(s.Keys)),
		Settings:  stateSettings{s.Settings.BlockSize, s.Settings.Segment, s.Settings.NameEncryption, s.Settings.Padding},
		Closing:   s.Closing,
	}
	for id, kvt := range s.Keys {
		doc.Keys[id.String()] = base64.StdEncoding.EncodeToString(kvt[:])
	}
	if s.Settings.NameEncryption {
		doc.NameKey = base64.StdEncoding.EncodeToString(s.NameKey[:])
	}
	b, err := json.Marshal(doc)
	if err == nil && len(b) > MaxStateSize {
		err = fmt.Errorf("it has %d bytes, more than %d", len(b), MaxStateSize)
	}
	return b, err
}

// decodeState is the strict inverse of encode: whatever it accepts encodes to the same bytes, so doubled, unknown or differently spelled
// fields, spaces and trailing bytes are refused (FuzzState).
func decodeState(b []byte) (State, error) {
	var version struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(b, &version); err != nil || version.Version == nil {
		return State{}, fmt.Errorf("%w: not a bucket state", ErrIntegrity)
	}
	if *version.Version != stateVersion {
		return State{}, fmt.Errorf("%w: bucket state of version %d", ErrVersion, *version.Version)
	}
	var doc stateDocument
	if err := json.Unmarshal(b, &doc); err != nil {
		return State{}, fmt.Errorf("%w: not a bucket state", ErrIntegrity)
	}
	s := State{
		Version:  doc.Version,
		Names:    doc.Names,
		Keys:     make(map[KeyID][32]byte, len(doc.Keys)),
		Settings: Settings{doc.Settings.BlockLen, doc.Settings.Segment, doc.Settings.NameEncryption, doc.Settings.Padding},
		Closing:  doc.Closing,
	}
	var err error
	if s.CreatedAt, err = time.Parse(stateTime, doc.CreatedAt); err != nil {
		return State{}, fmt.Errorf("%w: created_at", ErrIntegrity)
	}
	if err = decodeFixed(s.BucketID[:], doc.BucketID); err != nil {
		return State{}, fmt.Errorf("%w: bucket_id", ErrIntegrity)
	}
	if doc.NameKey != "" {
		if err = decodeFixed(s.NameKey[:], doc.NameKey); err != nil {
			return State{}, fmt.Errorf("%w: name_key", ErrIntegrity)
		}
	}
	for name, value := range doc.Keys {
		id, err := hex.DecodeString(name)
		var kvt [32]byte
		if err != nil || len(id) != len(KeyID{}) || decodeFixed(kvt[:], value) != nil {
			return State{}, fmt.Errorf("%w: keys", ErrIntegrity)
		}
		s.Keys[KeyID(id)] = kvt
	}
	if err := s.check(); err != nil {
		if errors.Is(err, ErrUnsupported) {
			return State{}, err
		}
		return State{}, fmt.Errorf("%w: %w", ErrIntegrity, err)
	}
	if again, err := s.encode(); err != nil || !bytes.Equal(again, b) {
		return State{}, fmt.Errorf("%w: the document is not canonical", ErrIntegrity)
	}
	return s, nil
}

// decodeFixed reads base64 of exactly len(dst) bytes; that it is canonical shows when it is encoded again.
func decodeFixed(dst []byte, s string) error {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil || len(b) != len(dst) {
		return errors.New("wrong length")
	}
	copy(dst, b)
	return nil
}

func (s *State) check() error {
	year := s.CreatedAt.UTC().Year()
	switch {
	case s.Version != stateVersion:
		return fmt.Errorf("version is %d, want %d", s.Version, stateVersion)
	case year < 1970 || year > 9999:
		return fmt.Errorf("created_at is not a time of this era")
	case s.BucketID == BucketID{}:
		return fmt.Errorf("bucket_id is zero")
	case len(s.Names) == 0 || len(s.Names) > maxStateNames:
		return fmt.Errorf("%d names, want 1 to %d", len(s.Names), maxStateNames)
	case len(s.Keys) == 0:
		return fmt.Errorf("no keys")
	case s.Settings.NameEncryption && s.NameKey == NameKey{}:
		return fmt.Errorf("%w: name encryption without a name key", ErrUnsupported)
	case !s.Settings.NameEncryption && s.NameKey != NameKey{}:
		return errors.New("a name key without name encryption")
	case s.Settings.Segment != SegmentSize:
		return fmt.Errorf("%w: segments of %d bytes", ErrUnsupported, s.Settings.Segment)
	case !ValidBlockSize(s.Settings.BlockSize):
		return fmt.Errorf("%w: block size %d", ErrUnsupported, s.Settings.BlockSize)
	}
	for i, name := range s.Names {
		if !validBucketName(name) {
			return fmt.Errorf("names[%d] is not a bucket name", i)
		}
		if i > 0 && name <= s.Names[i-1] {
			return fmt.Errorf("names are repeated or out of order")
		}
	}
	return nil
}

// validBucketName accepts the characters and lengths that any S3 server takes, old upper-case names included.
func validBucketName(name string) bool {
	for _, c := range []byte(name) {
		if c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9' || c == '-' || c == '.' || c == '_' {
			continue
		}
		return false
	}
	return len(name) >= 3 && len(name) <= 255
}
