package format

import (
	"errors"
	"fmt"
	"strings"
)

// Folder markers (SPEC.md section 21): an empty object whose key ends in a slash, on a store that lets nothing lie under such a name. The store
// has an object of no bytes, and the block as its user metadata.

// folderBlockSizes are the lengths of block that user metadata has room for, in ascending order.
var folderBlockSizes = [...]int{512, 1024}

// FolderKey reports whether an object of this key may be a folder marker.
func FolderKey(key string) bool { return strings.HasSuffix(key, "/") }

// FolderBlock makes the block of a folder marker of the block with which the empty object at where begins: with the same metadata and under
// the same ring's active key, in the smallest length that holds it. The input is not changed. Errors: those of OpenBlock; ErrForeign for a key
// that is no folder's; ErrMetadataTooLarge if no such block holds the metadata, of which there may be 874 bytes of entries.
func FolderBlock(ring Ring, where Context, block []byte) ([]byte, error) {
	if !FolderKey(where.Key()) {
		return nil, fmt.Errorf("cannot make folder marker: %w: the key does not end in a slash", ErrForeign)
	}
	h, err := ParseHeader(block)
	if err != nil {
		return nil, fmt.Errorf("cannot make folder marker: %w", err)
	}
	if h.Class != ClassStream {
		return nil, fmt.Errorf("cannot make folder marker: %w: part of a multipart object", ErrUnsupported)
	}
	for _, size := range folderBlockSizes {
		out, err := Reblock(ring, where, where, block, SealedSize(h.BlockSize, 0), nil, size)
		if err == nil || !errors.Is(err, ErrMetadataTooLarge) || size == folderBlockSizes[len(folderBlockSizes)-1] {
			return out, err
		}
	}
	panic("BUG: no sizes of folder blocks")
}

// OpenFolder authenticates the block of a folder marker for the place it was read from; the caller has seen that the stored object is empty.
// There are no segments to be opened: the Opener is for Meta and KeyID. Errors: those of OpenBlock, ErrForeign for a key that is no folder's, for
// no block at all, and for one of another length than a marker has.
func OpenFolder(ring Ring, where Context, block []byte) (*Opener, error) {
	if !FolderKey(where.Key()) {
		return nil, fmt.Errorf("cannot open folder marker: %w: an empty object whose key does not end in a slash", ErrForeign)
	}
	if len(block) == 0 {
		return nil, fmt.Errorf("cannot open folder marker: %w: an empty object without a block", ErrForeign)
	}
	h, err := ParseHeader(block)
	if err != nil {
		return nil, fmt.Errorf("cannot open folder marker: %w", err)
	}
	if h.Class == ClassStream && h.BlockSize > folderBlockSizes[len(folderBlockSizes)-1] {
		return nil, fmt.Errorf("cannot open folder marker: %w: block of %d bytes", ErrForeign, h.BlockSize)
	}
	if h.Class != ClassStream {
		return nil, fmt.Errorf("cannot open folder marker: %w: part of a multipart object", ErrUnsupported)
	}
	return OpenBlock(ring, where, block, SealedSize(h.BlockSize, 0))
}
