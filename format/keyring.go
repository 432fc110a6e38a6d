package format

import "fmt"

// Ring gives the keys of blocks. Keyring is the in-memory one; the interface is narrow so that a key agent in another process can stand
// behind it. Implementations must be safe for concurrent use.
type Ring interface {
	// Active returns the id of the key that seals new blocks, or ErrNoKey.
	Active() (KeyID, error)
	// BlockKeys returns the keys of the block that begins with head and lies at where, under the master key id, or ErrKeyUnknown. head
	// holds id at its offset 10.
	BlockKeys(id KeyID, head [54]byte, where Context) (BlockKeys, error)
}

// Keyring is an immutable Ring of derived keys: one active, any number that only open. Safe for concurrent use; it prints ids only.
type Keyring struct {
	keys  []Keys // active first
	wiped bool
}

// NewKeyring copies the given keys. It refuses two keys of one id (the same master twice, or a twin), since an id must pick exactly one key.
func NewKeyring(active *Keys, older ...*Keys) (*Keyring, error) {
	r := &Keyring{keys: make([]Keys, 0, 1+len(older))}
	for i, k := range append([]*Keys{active}, older...) {
		if k == nil || k.wiped {
			return nil, fmt.Errorf("cannot make keyring: key %d is missing or wiped: %w", i, ErrNoKey)
		}
		if r.find(k.id) != nil {
			return nil, fmt.Errorf("cannot make keyring: two keys have the id %s", k.id)
		}
		r.keys = append(r.keys, *k)
	}
	return r, nil
}

// Active returns the id of the active key; ErrNoKey after Wipe and on a nil or zero Keyring.
func (r *Keyring) Active() (KeyID, error) {
	if r == nil || r.wiped || len(r.keys) == 0 {
		return KeyID{}, ErrNoKey
	}
	return r.keys[0].id, nil
}

// BlockKeys implements Ring.
func (r *Keyring) BlockKeys(id KeyID, head [54]byte, where Context) (BlockKeys, error) {
	k := r.find(id)
	if k == nil || r.wiped {
		return BlockKeys{}, fmt.Errorf("%w: %s", ErrKeyUnknown, id)
	}
	if id != KeyID(head[10:18]) {
		return BlockKeys{}, fmt.Errorf("cannot derive keys of block: it names key %x, not %s", head[10:18], id)
	}
	return k.block(head, where)
}

// KVT returns the key verification tag of key id and whether the ring holds that key.
func (r *Keyring) KVT(id KeyID) ([32]byte, bool) {
	if k := r.find(id); k != nil {
		return k.kvt, true
	}
	return [32]byte{}, false
}

// IDs returns the ids of all keys, the active one first, in a slice of the caller's own.
func (r *Keyring) IDs() []KeyID {
	if r == nil {
		return nil
	}
	ids := make([]KeyID, len(r.keys))
	for i := range r.keys {
		ids[i] = r.keys[i].id
	}
	return ids
}

// Wipe overwrites the keys; afterwards the ring refuses to seal and open. Only call it when no other goroutine can be using the ring: a block
// sealed with a half-wiped key would be lost. Sealers and Openers that exist do not need the ring any more.
func (r *Keyring) Wipe() {
	r.wiped = true
	for i := range r.keys {
		r.keys[i].Wipe()
	}
}

// Format prints the ids whatever the verb.
func (r Keyring) Format(f fmt.State, _ rune) { fmt.Fprintf(f, "format.Keyring%v", r.IDs()) }

func (r *Keyring) find(id KeyID) *Keys {
	if r == nil {
		return nil
	}
	for i := range r.keys {
		if r.keys[i].id == id {
			return &r.keys[i]
		}
	}
	return nil
}
