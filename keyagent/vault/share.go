package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// share takes one of k shares. The last one delivers what they hold, under the rules of deliver: shares bring back what
// is pinned, they enroll nothing.
func (v *Vault) share(ctx context.Context, r memkey.Request, since moment) (memkey.Receipt, *memkey.Refusal) {
	pins, _ := v.ring.view()
	if pins.Empty() {
		return memkey.Receipt{}, refuse(memkey.StatusPins, "nothing is enrolled yet")
	}
	if refusal := checkShare(r.Package.Share, pins); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	have, need, done, err := v.addShare(r, since)
	if errors.Is(err, errStale) {
		return memkey.Receipt{}, errForgotten()
	}
	if err != nil {
		return memkey.Receipt{}, refuse(memkey.StatusShare, "%v", err)
	}
	if done == nil {
		seq, head, err := v.config.Audit.Append(v.entry(r, nil, fmt.Sprintf("share taken, %d of %d", have, need)))
		if err != nil {
			return memkey.Receipt{}, refuse(memkey.StatusFailed, "%v", err)
		}
		clear(r.Package.Share)
		return memkey.Receipt{Generation: pins.Generation, AuditSeq: seq, AuditHead: head}, nil
	}
	whole := r
	whole.Package = packageOf(done)
	receipt, refusal := v.combined(ctx, whole, since.clears)
	if refusal != nil {
		done.Wipe()
		return memkey.Receipt{}, refusal
	}
	clear(r.Package.Share)
	return receipt, nil
}

// checkShare refuses a share of another keyring than the pinned one before it is kept: what it says of its keyring in
// clear is what its set would bring. A share that does not parse is for the collector, which names it.
func checkShare(share []byte, pins Pins) *memkey.Refusal {
	s, err := shares.Parse(share)
	if err != nil {
		return nil
	}
	defer s.Wipe()
	public := s.Public()
	p := &memkey.Package{Generation: public.Generation}
	for _, k := range public.Keys {
		p.Keys = append(p.Keys, memkey.PackageKey{ID: k.ID, KVT: k.KVT, Active: k.Active})
	}
	for _, pin := range public.Pins {
		p.Pins = append(p.Pins, memkey.BucketPin{Name: pin.Name, ID: pin.ID})
	}
	next, err := pinsOf(p, pins)
	if err != nil {
		return refuse(memkey.StatusShare, "share %d of set %v: %v", s.Index(), s.Set(), err)
	}
	if _, refusal := decide(pins, next, memkey.OpDeliver); refusal != nil {
		return refuse(refusal.Status, "share %d of set %v: %s", s.Index(), s.Set(), refusal.Detail)
	}
	return nil
}

// errStale says that what waited was forgotten since the request began.
var errStale = errors.New("forgotten meanwhile")

// addShare runs outside the lock: verifying a share takes time, and a clear ends the collector under it.
func (v *Vault) addShare(r memkey.Request, since moment) (have, need int, done *shares.Keyring, err error) {
	v.waiting.Lock()
	collector, stale := v.shares, v.forgets != since.forgets
	v.waiting.Unlock()
	if stale {
		return 0, 0, nil, errStale
	}
	return collector.Add(r.Fingerprint, r.Package.Share, v.config.Now())
}

// newCollector makes an empty collector that logs the shares that nobody completed.
func newCollector(logf func(format string, args ...any)) *shares.Collector {
	c, err := shares.New(shares.Config{Window: confirmTime, Expired: func(e shares.Expiry) {
		logf("share %d of set %v timed out: too few others came", e.Index, e.Set)
	}})
	if err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

// combined delivers the keyring of k shares. The keys are the caller's if it is refused.
func (v *Vault) combined(ctx context.Context, r memkey.Request, epoch uint64) (memkey.Receipt, *memkey.Refusal) {
	if refusal := checkRing(r.Package.Keys); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	if refusal := v.take(ctx); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	defer v.give()
	if v.ring.isClosed() {
		return memkey.Receipt{}, &memkey.Refusal{Status: memkey.StatusBusy, Detail: errClosed.Error(), RetryAfter: time.Second}
	}
	pins, loaded := v.ring.view()
	next, err := pinsOf(r.Package, pins)
	if err != nil {
		return memkey.Receipt{}, refuse(memkey.StatusMalformed, "%v", err)
	}
	if _, refusal := decide(pins, next, memkey.OpDeliver); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	return v.load(r, pins, loaded, epoch)
}

// packageOf gives a combined keyring the form of a delivery; the masters are the same handles.
func packageOf(k *shares.Keyring) *memkey.Package {
	p := &memkey.Package{Op: memkey.OpShare, Generation: k.Generation}
	for _, key := range k.Keys {
		p.Keys = append(p.Keys, memkey.PackageKey{ID: key.ID, KVT: key.KVT, Master: key.Master, Active: key.Active, Label: key.Label})
	}
	for _, pin := range k.Pins {
		p.Pins = append(p.Pins, memkey.BucketPin{Name: pin.Name, ID: pin.ID})
	}
	return p
}
