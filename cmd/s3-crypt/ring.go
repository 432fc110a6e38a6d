package main

import (
	"context"
	"fmt"
	"sync"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/export"
)

// keyTime is how long the agent may take for a key: it is on this host.
const keyTime = 10 * time.Second

// keyHolder follows the key agent: it takes the first ring over, and ends the work
// when the keys are cleared. A ring that comes later, after another rotation, is
// not taken: a run has one.
type keyHolder struct {
	first   chan *format.Keyring
	cleared func()
	stop    context.CancelFunc
	joined  chan struct{}

	mu   sync.Mutex
	ring *format.Keyring
	last string // what the agent's client said last
}

// holdKeys connects to the agent and waits for its ring, as long as wait; servers
// are the users that it may be, nil = root and the own one. cleared
// is called when it says clear.
func holdKeys(ctx context.Context, socket string, servers []int, wait time.Duration, cleared func()) (*keyHolder, *format.Keyring, error) {
	h := &keyHolder{first: make(chan *format.Keyring, 1), cleared: cleared, joined: make(chan struct{})}
	client, err := keyagent.NewClient(keyagent.ClientConfig{Socket: socket, ServerUIDs: servers, Name: "s3-crypt", Logf: h.logf})
	if err != nil {
		return nil, nil, fmt.Errorf("memkey.socket_path: %w", err)
	}
	follow, stop := context.WithCancel(ctx)
	h.stop = stop
	go func() {
		defer close(h.joined)
		_ = client.Run(follow, h.apply) // ends with follow, and tells only that
	}()
	timeout := time.NewTimer(wait)
	defer timeout.Stop()
	select {
	case ring := <-h.first:
		return h, ring, nil
	case <-ctx.Done():
		h.close()
		return nil, nil, context.Cause(ctx)
	case <-timeout.C:
	}
	h.close()
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.last == "" {
		h.last = "it gave no answer"
	}
	return nil, nil, fmt.Errorf("cannot get a key from the agent at %s within %v: %s", socket, wait, h.last)
}

// close ends the connection and wipes the keys: nothing may use the ring any more.
func (h *keyHolder) close() {
	h.stop()
	<-h.joined
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ring != nil {
		h.ring.Wipe()
	}
}

func (h *keyHolder) logf(text string, args ...any) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.last = fmt.Sprintf(text, args...)
}

// apply takes a ring over; keyagent.Client calls it, never twice at once.
func (h *keyHolder) apply(ring keyagent.Ring) error {
	h.mu.Lock()
	defer h.mu.Unlock()
	switch {
	case len(ring.Keys) == 0 && h.ring == nil:
		h.last = "the keys are cleared"
		return nil
	case len(ring.Keys) == 0:
		h.cleared()
		return nil
	case h.ring != nil:
		return nil
	}
	derived, err := export.Keyring(ring)
	if err != nil {
		h.last = err.Error()
		return err
	}
	h.ring = derived
	h.first <- derived
	return nil
}
