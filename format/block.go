package format

import (
	"crypto/rand"
	"crypto/subtle"
	"fmt"

	"golang.org/x/crypto/chacha20poly1305"
)

// entropy is the randomness of one sealing. Only tests make one that is not fresh.
type entropy struct {
	oek  [32]byte // object encryption key: from it and the OID follow the keys of the body
	oid  [16]byte
	salt [16]byte
}

// freshEntropy reads crypto/rand, which never fails: the program ends if the system has no randomness.
func freshEntropy() (e entropy) {
	rand.Read(e.oek[:])
	rand.Read(e.oid[:])
	rand.Read(e.salt[:])
	return e
}

// sealBlock makes the object block for header h (its KeyID is set here, to the ring's active key) around oek and meta; table is the zero value
// but in a tail.
func sealBlock(ring Ring, where Context, h Header, oek *[32]byte, meta *Meta, table tablePlace) ([]byte, error) {
	entries, err := meta.encodeWith(table)
	if err != nil {
		return nil, err
	}
	room := h.BlockSize - blockOverhead
	if len(entries) > room {
		return nil, fmt.Errorf("%w: %d bytes, the block has room for %d", ErrMetadataTooLarge, len(entries), room)
	}
	h.KeyID, err = ring.Active()
	if err != nil {
		return nil, err
	}
	head := h.encode()
	keys, err := ring.BlockKeys(h.KeyID, head, where)
	if err != nil {
		return nil, err
	}
	defer keys.wipe()

	block := make([]byte, h.BlockSize)
	n := copy(block, head[:])
	n += copy(block[n:], keys.Commit[:])
	commit := block[headSize:n:n]
	wrap, err := chacha20poly1305.NewX(keys.WrapKey[:])
	if err != nil {
		return nil, err
	}
	n += len(wrap.Seal(block[n:n], keys.WrapNonce[:], oek[:], commit))
	seal, err := chacha20poly1305.NewX(keys.MetaKey[:])
	if err != nil {
		return nil, err
	}
	copy(block[n:], entries)
	seal.Seal(block[n:n], keys.MetaNonce[:], block[n:n+room], block[headSize:n])
	return block, nil
}

// openedBlock is the content of an authenticated block.
type openedBlock struct {
	header Header
	oek    [32]byte
	meta   Meta
	table  tablePlace // of a tail
}

// openBlock opens the block of a stream.
func openBlock(ring Ring, where Context, block []byte, sealedSize int64) (*openedBlock, error) {
	h, err := ParseHeader(block)
	if err != nil {
		return nil, err
	}
	switch {
	case h.Class == ClassPart:
		return nil, fmt.Errorf("%w: multipart part", ErrUnsupported)
	case h.Class == ClassTail:
		return nil, fmt.Errorf("%w: multipart tail", ErrUnsupported)
	}
	return authenticate(ring, where, h, block, sealedSize)
}

// authenticate opens block, which begins with h and which it does not change, and checks that an object of sealedSize bytes is what the block
// describes. The commitment is compared before any AEAD runs, so a block is only ever tried under the one set of keys it was made with.
func authenticate(ring Ring, where Context, h Header, block []byte, sealedSize int64) (*openedBlock, error) {
	if len(block) != h.BlockSize {
		return nil, fmt.Errorf("%w: block of %d bytes, its header says %d", ErrForeign, len(block), h.BlockSize)
	}
	plain, ok := PlainSize(h.BlockSize, sealedSize)
	if !ok {
		return nil, fmt.Errorf("%w: no object has %d bytes", ErrForeign, sealedSize)
	}
	keys, err := ring.BlockKeys(h.KeyID, [headSize]byte(block), where)
	if err != nil {
		return nil, err
	}
	defer keys.wipe()

	commit, wrapped := block[headSize:headSize+commitSize], block[headSize+commitSize:headSize+commitSize+wrapSize]
	if subtle.ConstantTimeCompare(commit, keys.Commit[:]) != 1 {
		return nil, ErrCommit
	}
	wrap, err := chacha20poly1305.NewX(keys.WrapKey[:])
	if err != nil {
		return nil, err
	}
	oek, err := wrap.Open(nil, keys.WrapNonce[:], wrapped, commit)
	if err != nil {
		return nil, fmt.Errorf("%w: wrapped object key", ErrIntegrity)
	}
	defer clear(oek)
	seal, err := chacha20poly1305.NewX(keys.MetaKey[:])
	if err != nil {
		return nil, err
	}
	entries, err := seal.Open(nil, keys.MetaNonce[:], block[headSize+commitSize+wrapSize:], block[headSize:headSize+commitSize+wrapSize])
	if err != nil {
		return nil, fmt.Errorf("%w: metadata", ErrIntegrity)
	}
	defer clear(entries)
	meta, table, err := decodeMetaOf(h.Class, entries)
	if err != nil {
		return nil, err
	}
	if body := h.bodyPlain(meta.PlainSize); body != plain {
		return nil, &SizeError{Stored: sealedSize, Sealed: SealedSize(h.BlockSize, body)}
	}
	return &openedBlock{header: h, oek: [32]byte(oek), meta: meta, table: table}, nil
}

func (k *BlockKeys) wipe() { *k = BlockKeys{} }
