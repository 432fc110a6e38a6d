package export

import (
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// Keyring derives what is needed of each master of a ring. The caller wipes it.
func Keyring(ring keyagent.Ring) (*format.Keyring, error) {
	var active *format.Keys
	var older []*format.Keys
	defer func() { // the keyring has copies
		for _, k := range append(older, active) {
			if k != nil {
				k.Wipe()
			}
		}
	}()
	for i, k := range ring.Keys {
		var keys *format.Keys
		var err error
		used := k.Master.Use(func(master []byte) { keys, err = format.DeriveKeys(master) })
		if err = errors.Join(used, err); err != nil {
			return nil, fmt.Errorf("key %d: %w", i, err)
		}
		switch {
		case !k.Active:
			older = append(older, keys)
		case active == nil:
			active = keys
		default:
			keys.Wipe()
			return nil, fmt.Errorf("key %d: there is another active key", i)
		}
	}
	return format.NewKeyring(active, older...)
}
