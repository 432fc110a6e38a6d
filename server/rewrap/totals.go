package rewrap

import (
	"errors"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// Count is a number of objects and their stored bytes.
type Count struct {
	Objects int64 `json:"objects"`
	Bytes   int64 `json:"bytes"`
}

func (c *Count) add(size int64) {
	c.Objects++
	c.Bytes += size
}

// Trouble names an object that the run could not bring under the active key.
type Trouble struct {
	Key    string `json:"key"`
	Kind   Kind   `json:"kind"`
	Reason string `json:"reason"`
}

// totals is what a walk has found so far; a checkpoint keeps it.
type totals struct {
	Kinds map[Kind]Count   `json:"kinds"`
	Keys  map[string]Count `json:"keys"` // by key id, as named by the blocks
	// Further: blocks that name a key beyond maxKeys.
	Further Count `json:"further"`
	// Keyless: objects whose key nobody saw, though they may have one.
	Keyless int64     `json:"keyless"`
	Trouble []Trouble `json:"trouble"`
	Unnamed int64     `json:"unnamed"` // trouble beyond maxNamed
}

func newTotals() totals { return totals{Kinds: map[Kind]Count{}, Keys: map[string]Count{}} }

// add counts an outcome. recorded are the keys that always have room.
func (t *totals) add(o Outcome, recorded map[format.KeyID][32]byte) {
	k := t.Kinds[o.Kind]
	k.add(o.Size)
	t.Kinds[o.Kind] = k
	switch o.Kind {
	case Gone:
		return
	case Changed, Failed:
		t.Keyless++ // what was seen of it need not be true any more
	case Unreadable, Current, Rewrapped, Older, Held:
		switch {
		case o.Named:
			t.addKey(o, recorded)
		case errors.Is(o.Err, format.ErrUnsupported), errors.Is(o.Err, format.ErrVersion):
			t.Keyless++ // its key is where this version does not look
		}
	}
	if o.Err == nil {
		return
	}
	if len(t.Trouble) == maxNamed {
		t.Unnamed++
		return
	}
	t.Trouble = append(t.Trouble, Trouble{o.Key, o.Kind, o.reason()})
}

func (t *totals) addKey(o Outcome, recorded map[format.KeyID][32]byte) {
	id := o.KeyID.String()
	_, counted := t.Keys[id]
	if _, known := recorded[o.KeyID]; !known && !counted && len(t.Keys) >= maxKeys {
		t.Further.add(o.Size)
		return
	}
	c := t.Keys[id]
	c.add(o.Size)
	t.Keys[id] = c
}

// objects is the number of objects seen.
func (t *totals) objects() (n Count) {
	for _, c := range t.Kinds {
		n.Objects += c.Objects
		n.Bytes += c.Bytes
	}
	return n
}

// clone copies t, so that it can be read while the run goes on.
func (t *totals) clone() totals {
	c := *t
	c.Kinds, c.Keys = make(map[Kind]Count, len(t.Kinds)), make(map[string]Count, len(t.Keys))
	for k, v := range t.Kinds {
		c.Kinds[k] = v
	}
	for k, v := range t.Keys {
		c.Keys[k] = v
	}
	c.Trouble = t.Trouble[:len(t.Trouble):len(t.Trouble)] // it only grows
	return c
}
