package rig

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/remote"
)

// StartKeyHolder starts the key holder as a process of its own: a random master key, in its memory only, served on the
// Unix socket keys.sock in dir.
func StartKeyHolder(ctx context.Context, dir string) (*KeyHolder, error) {
	path, err := Binary("keyholder")
	if err != nil {
		return nil, err
	}
	k := &KeyHolder{Socket: filepath.Join(dir, "keys.sock")}
	k.Process, err = start(spec{name: "keyholder", path: path, args: []string{"-socket", k.Socket}, env: environWithout("S3CP_")})
	if err != nil {
		return nil, err
	}
	line, err := k.readyLine(ctx)
	if err != nil {
		k.Kill()
		return nil, err
	}
	if line != "ready" {
		k.Kill()
		return nil, k.failed(fmt.Sprintf("it printed %q instead of its ready line", line))
	}
	return k, nil
}

// KeyHolder is a running key holder.
type KeyHolder struct {
	*Process
	Socket string
}

// LocalKeys is a key holder inside the caller, for tests that must know the key to open stored objects without the
// proxy.
type LocalKeys struct {
	Socket string
	holder *keyagent.Holder
	stop   context.CancelFunc
	served chan error
}

// ServeKeys serves an empty holder on the Unix socket keys.sock in dir.
func ServeKeys(dir string) (*LocalKeys, error) {
	k := &LocalKeys{Socket: filepath.Join(dir, "keys.sock"), holder: keyagent.NewHolder(), served: make(chan error, 1)}
	ln, err := keyagent.Listen(k.Socket)
	if err != nil {
		return nil, err
	}
	var ctx context.Context
	ctx, k.stop = context.WithCancel(context.Background())
	go func() { k.served <- keyagent.Serve(ctx, ln, k.holder, keyagent.Policy{Deriver: remote.Deriver{}}) }()
	return k, nil
}

// Load replaces the ring by copies of masters, the first active. The masters stay the caller's.
func (k *LocalKeys) Load(masters ...*keyagent.Secret) error {
	keys := make([]keyagent.Key, len(masters))
	for i, m := range masters {
		c, err := m.Clone()
		if err != nil {
			return err
		}
		keys[i] = keyagent.Key{Label: fmt.Sprintf("rig-%d", i), Master: c, Active: i == 0}
	}
	_, err := k.holder.Load(keys)
	return err
}

// Clear takes all keys away.
func (k *LocalKeys) Clear() { k.holder.Clear() }

// Stop ends the service and wipes the keys.
func (k *LocalKeys) Stop() error {
	k.stop()
	err := <-k.served
	k.holder.Clear()
	return err
}
