package export

import (
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// master is a random one.
func master(t *testing.T) *keyagent.Secret {
	t.Helper()
	s, err := keyagent.GenerateSecret()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(s.Wipe)
	return s
}

func TestKeyringIsTheRings(t *testing.T) {
	old, now := master(t), master(t)
	ring, err := Keyring(keyagent.Ring{Keys: []keyagent.Key{{Master: old}, {Master: now, Active: true}}})
	if err != nil {
		t.Fatal(err)
	}
	defer ring.Wipe()
	idOf := func(m *keyagent.Secret) format.KeyID {
		one, err := Keyring(keyagent.Ring{Keys: []keyagent.Key{{Master: m, Active: true}}})
		if err != nil {
			t.Fatal(err)
		}
		defer one.Wipe()
		return one.IDs()[0]
	}
	if id, err := ring.Active(); err != nil || id != idOf(now) {
		t.Errorf("%v is active, %v", id, err)
	}
	for _, m := range []*keyagent.Secret{old, now} {
		if _, ok := ring.KVT(idOf(m)); !ok {
			t.Error("a key of the ring is not in the keyring")
		}
	}
}

func TestUnusableRings(t *testing.T) {
	gone := master(t)
	gone.Wipe()
	for name, c := range map[string]struct {
		keys []keyagent.Key
		says string
	}{
		"no active key":   {[]keyagent.Key{{Master: master(t)}}, ""},
		"two active keys": {[]keyagent.Key{{Master: master(t), Active: true}, {Master: master(t), Active: true}}, "key 1: there is another active key"},
		"a wiped master":  {[]keyagent.Key{{Master: master(t), Active: true}, {Master: gone}}, "key 1: "},
	} {
		if ring, err := Keyring(keyagent.Ring{Keys: c.keys}); err == nil || ring != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v", name, ring, err)
		}
	}
}
