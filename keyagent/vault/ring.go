package vault

import (
	"errors"
	"sync"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// ring keeps the pins in force and the holder's keys in step: whoever sees one sees the other of the same generation.
// Its lock is held for memory work only.
type ring struct {
	mu     sync.Mutex
	holder *keyagent.Holder
	pins   Pins
	loaded bool
	clears uint64 // how often the keys were cleared
	closed bool   // no keys any more
}

// errClosed says that the vault has ended.
var errClosed = errors.New("the server is ending")

// close is the last clear: nothing is installed after it.
func (r *ring) close() {
	r.mu.Lock()
	r.closed = true
	r.mu.Unlock()
	r.clear()
}

// isClosed tells whether close came.
func (r *ring) isClosed() bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.closed
}

// view returns pins and state of one moment.
func (r *ring) view() (Pins, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.pins, r.loaded
}

// epoch names the time since the last clear.
func (r *ring) epoch() uint64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.clears
}

// clear wipes the keys at once; what began before it must not load any.
func (r *ring) clear() Pins {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.clears++
	r.loaded = false
	r.holder.Clear()
	return r.pins
}

// install puts pins in force and the keys into the holder, both at once, unless a clear came since epoch. With err, or
// if it did not, the keys are the caller's and nothing changed.
func (r *ring) install(pins Pins, keys []keyagent.Key, epoch uint64) (loaded bool, err error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.closed {
		return false, errClosed
	}
	if r.clears != epoch {
		return false, nil
	}
	if _, err := r.holder.Load(keys); err != nil {
		return false, err
	}
	r.pins, r.loaded = pins, true
	return true, nil
}
