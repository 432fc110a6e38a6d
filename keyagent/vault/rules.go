package vault

import (
	"errors"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func refuse(status memkey.Status, format string, args ...any) *memkey.Refusal {
	return &memkey.Refusal{Status: status, Detail: fmt.Sprintf(format, args...)}
}

// checkRing holds a package's keys to the rules that need no pins: a ring that the holder takes, with the names that
// belong to the masters.
func checkRing(keys []memkey.PackageKey) *memkey.Refusal {
	if len(keys) == 0 || len(keys) > maxKeys {
		return refuse(memkey.StatusMalformed, "%d keys, want 1 to %d", len(keys), maxKeys)
	}
	active := 0
	for i, k := range keys {
		if k.Active {
			active++
		}
		for j, other := range keys[:i] {
			if k.ID == other.ID {
				return refuse(memkey.StatusDuplicate, "keys %d and %d have the id %s", j+1, i+1, k.ID)
			}
		}
	}
	if active != 1 {
		return refuse(memkey.StatusDuplicate, "%d active keys, want exactly one", active)
	}
	if refusal := checkNames(keys); refusal != nil {
		return refusal
	}
	return tryLoad(keys)
}

// tryLoad asks a holder of its own whether it takes the keys: once the pins are written, the real one must not refuse.
func tryLoad(keys []memkey.PackageKey) *memkey.Refusal {
	trial := keyagent.NewHolder()
	defer trial.Clear()
	clones := keyagent.Ring{}
	for i, k := range keys {
		master, err := k.Master.Clone()
		if err != nil {
			clones.Wipe()
			return refuse(memkey.StatusMalformed, "key %d: %v", i+1, err)
		}
		clones.Keys = append(clones.Keys, keyagent.Key{Label: k.Label, Master: master, Active: k.Active})
	}
	if _, err := trial.Load(clones.Keys); err != nil {
		clones.Wipe()
		return refuse(memkey.StatusMalformed, "%v", err)
	}
	return nil
}

// pinsOf makes the pins that a package asks for. Buckets that are pinned and that it does not name stay.
func pinsOf(p *memkey.Package, old Pins) (Pins, error) {
	next := Pins{Generation: p.Generation}
	for _, k := range p.Keys {
		next.Keys = append(next.Keys, PinnedKey{ID: k.ID, KVT: k.KVT, Active: k.Active})
	}
	for i, b := range p.Pins {
		for _, other := range p.Pins[:i] {
			if b.Name == other.Name {
				return Pins{}, errors.New("a bucket is there twice")
			}
		}
		next.Buckets = append(next.Buckets, PinnedBucket{Name: b.Name, ID: b.ID})
	}
	for _, b := range old.Buckets {
		if _, named := next.bucket(b.Name); !named {
			next.Buckets = append(next.Buckets, b)
		}
	}
	next = next.sorted()
	return next, next.check()
}

// decide applies the rules of pins and generations: what may become of old when op asks for next. change tells whether
// the pins have to be written; without it the package is the one that is pinned.
//
//	old      op       generation of next   keys                         outcome
//	empty    enroll   1 to 2^62            any                          change
//	empty    enroll   above                any                          generation
//	empty    deliver  any                  any                          pins
//	pinned   any      below                any                          generation
//	pinned   any      any                  a pinned one missing or      pins
//	                                       with another tag
//	pinned   any      the same             the same, buckets as pinned  no change
//	pinned   any      the same             otherwise                    pins
//	pinned   deliver  above                any                          pins
//	pinned   enroll   one above            with all pinned ones         change
//	pinned   enroll   more above           any                          generation
func decide(old, next Pins, op memkey.Op) (change bool, refusal *memkey.Refusal) {
	if old.Empty() {
		if op != memkey.OpEnroll {
			return false, refuse(memkey.StatusPins, "nothing is enrolled yet")
		}
		if next.Generation > maxFirstGeneration {
			return false, refuse(memkey.StatusGeneration, "generation %d leaves no room for later ones, want at most %d", next.Generation, uint64(maxFirstGeneration))
		}
		return true, nil
	}
	if next.Generation < old.Generation {
		return false, refuse(memkey.StatusGeneration, "generation %d, pinned is %d", next.Generation, old.Generation)
	}
	for _, pinned := range old.Keys {
		sent, found := next.key(pinned.ID)
		if !found {
			return false, refuse(memkey.StatusPins, "the pinned key %s is missing", pinned.ID)
		}
		sent.Active = pinned.Active
		if !sent.equal(pinned) {
			return false, refuse(memkey.StatusPins, "the key %s is not the pinned one", pinned.ID)
		}
	}
	if next.Generation == old.Generation {
		return false, sameGeneration(old, next)
	}
	if op != memkey.OpEnroll {
		return false, refuse(memkey.StatusPins, "generation %d is not enrolled, pinned is %d", next.Generation, old.Generation)
	}
	if next.Generation != old.Generation+1 {
		return false, refuse(memkey.StatusGeneration, "generation %d, want %d", next.Generation, old.Generation+1)
	}
	return true, nil
}

// sameGeneration refuses everything that is not what old says. next has all pinned keys already.
func sameGeneration(old, next Pins) *memkey.Refusal {
	if len(next.Keys) != len(old.Keys) {
		return refuse(memkey.StatusPins, "%d keys at generation %d, pinned are %d", len(next.Keys), old.Generation, len(old.Keys))
	}
	if next.Active() != old.Active() {
		return refuse(memkey.StatusPins, "%s is active at generation %d, pinned is %s", next.Active(), old.Generation, old.Active())
	}
	for _, b := range next.Buckets {
		pinned, found := old.bucket(b.Name)
		if !found {
			return refuse(memkey.StatusPins, "the bucket %s is not pinned", b.Name)
		}
		if pinned != b {
			return refuse(memkey.StatusPins, "the bucket %s has the id %s, pinned is %s", b.Name, b.ID, pinned.ID)
		}
	}
	return nil
}
