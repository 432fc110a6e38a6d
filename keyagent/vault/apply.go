package vault

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// Apply carries out a verified package, or changes nothing and returns a *memkey.Refusal. The package and its masters
// are the vault's when it returns nil, and the caller's to wipe otherwise. What it did is in the audit log before it
// takes effect; what it refuses is the caller's to record.
func (v *Vault) Apply(ctx context.Context, r memkey.Request) (memkey.Receipt, error) {
	receipt, refusal := v.apply(ctx, r)
	if refusal != nil {
		return memkey.Receipt{}, refusal
	}
	return receipt, nil
}

func (v *Vault) apply(ctx context.Context, r memkey.Request) (memkey.Receipt, *memkey.Refusal) {
	if r.Package == nil {
		return memkey.Receipt{}, refuse(memkey.StatusMalformed, "no package")
	}
	if !r.Admin.Roles.Has(r.Package.Op.Role()) {
		return memkey.Receipt{}, refuse(memkey.StatusRoles, "the admin has not the role %s", r.Package.Op.Role())
	}
	since, refusal := v.begin() // first of all: a clear from here on wins
	if refusal != nil {
		return memkey.Receipt{}, refusal
	}
	switch op := r.Package.Op; op {
	case memkey.OpClear:
		receipt := v.clear(v.entry(r, nil, ""))
		r.Package.Wipe()
		return receipt, nil
	case memkey.OpDeliver, memkey.OpEnroll:
		return v.ringPackage(ctx, r, since)
	case memkey.OpShare:
		return v.share(ctx, r, since)
	default:
		return memkey.Receipt{}, refuse(memkey.StatusMalformed, "nothing to do for %s", op)
	}
}

// moment is when a request began: what was cleared or forgotten since ends it.
type moment struct{ clears, forgets uint64 }

// begin names the moment. A vault that has ended begins nothing.
func (v *Vault) begin() (moment, *memkey.Refusal) {
	v.waiting.Lock()
	defer v.waiting.Unlock()
	if v.ring.isClosed() {
		return moment{}, &memkey.Refusal{Status: memkey.StatusBusy, Detail: errClosed.Error(), RetryAfter: time.Second}
	}
	return moment{v.ring.epoch(), v.forgets}, nil
}

// errForgotten says that the administrators, or the keys, changed while a request waited.
func errForgotten() *memkey.Refusal {
	return &memkey.Refusal{Status: memkey.StatusBusy, Detail: "the keys were cleared or the administrators changed meanwhile", RetryAfter: time.Second}
}

// ringPackage is deliver and enroll.
func (v *Vault) ringPackage(ctx context.Context, r memkey.Request, since moment) (memkey.Receipt, *memkey.Refusal) {
	if refusal := checkRing(r.Package.Keys); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	if refusal := v.take(ctx); refusal != nil {
		return memkey.Receipt{}, refusal
	}
	defer v.give()
	if v.ring.isClosed() { // while it waited
		return memkey.Receipt{}, &memkey.Refusal{Status: memkey.StatusBusy, Detail: errClosed.Error(), RetryAfter: time.Second}
	}
	old, loaded := v.ring.view()
	next, err := pinsOf(r.Package, old)
	if err != nil {
		return memkey.Receipt{}, refuse(memkey.StatusMalformed, "%v", err)
	}
	change, refusal := decide(old, next, r.Package.Op)
	if refusal != nil {
		return memkey.Receipt{}, refusal
	}
	if !change {
		return v.load(r, old, loaded, since.clears)
	}
	detail := ""
	if v.config.EnrollQuorum == 2 {
		other, confirmed, current := v.confirm(r.Fingerprint, enrolmentOf(next), since)
		if !current {
			return memkey.Receipt{}, errForgotten()
		}
		if !confirmed {
			return memkey.Receipt{}, refuse(memkey.StatusRoles, "generation %d waits for a second admin, %s at most", next.Generation, confirmTime)
		}
		detail = "confirmed by " + other.String()
	}
	return v.enrol(r, old, next, since.clears, detail)
}

// load puts keys that are pinned into the holder. The same ring again is confirmed without a change.
func (v *Vault) load(r memkey.Request, pins Pins, loaded bool, epoch uint64) (memkey.Receipt, *memkey.Refusal) {
	detail := ""
	if loaded {
		detail = "the keys were loaded already"
	}
	seq, head, err := v.config.Audit.Append(v.entry(r, &pins, detail))
	if err != nil {
		return memkey.Receipt{}, refuse(memkey.StatusFailed, "%v", err)
	}
	if loaded && v.ring.epoch() == epoch {
		r.Package.Wipe()
		return receipt(pins, seq, head), nil
	}
	return v.install(r, pins, epoch, seq, head)
}

// enrol writes new pins and loads their keys. The order is: log, disk, memory. Death between two steps leaves a line
// about pins that were not written, or pins whose keys have to be delivered; never keys that the pins do not know.
func (v *Vault) enrol(r memkey.Request, old, next Pins, epoch uint64, detail string) (memkey.Receipt, *memkey.Refusal) {
	if v.doubt != nil {
		return memkey.Receipt{}, refuse(memkey.StatusFailed, "%v", v.doubt)
	}
	seq, head, err := v.config.Audit.Append(v.entry(r, &next, detail))
	if err != nil {
		return memkey.Receipt{}, refuse(memkey.StatusFailed, "%v", err)
	}
	if err := v.file.put(old, next); err != nil {
		if errors.Is(err, errUnknown) {
			v.doubt = err
			v.config.Logf("the pins %q: %v", v.file.path, err)
		}
		v.undone(r, next, err)
		return memkey.Receipt{}, refuse(memkey.StatusFailed, "cannot write the pins: %v", err)
	}
	v.waiting.Lock()
	v.quorum.clear()
	v.waiting.Unlock()
	receipt, refusal := v.install(r, next, epoch, seq, head)
	if refusal != nil {
		// A clear came meanwhile, or the holder refused what its like took a moment ago: the old pins stay, so that what
		// the refusal says is true.
		if err := v.file.put(next, old); err != nil {
			v.doubt = fmt.Errorf("cannot take the pins back: %w", err)
			v.config.Logf("the pins %q: %v", v.file.path, v.doubt)
		}
	}
	return receipt, refusal
}

// install is the last step: pins in force and keys in the holder.
func (v *Vault) install(r memkey.Request, pins Pins, epoch, seq uint64, head [32]byte) (memkey.Receipt, *memkey.Refusal) {
	keys := make([]keyagent.Key, len(r.Package.Keys))
	for i, k := range r.Package.Keys {
		keys[i] = keyagent.Key{Label: k.Label, Master: k.Master, Active: k.Active}
	}
	loaded, err := v.ring.install(pins, keys, epoch)
	if err != nil {
		v.undone(r, pins, err)
		return memkey.Receipt{}, refuse(memkey.StatusFailed, "%v", err)
	}
	if !loaded {
		err := errors.New("the keys were cleared meanwhile")
		v.undone(r, pins, err)
		return memkey.Receipt{}, &memkey.Refusal{Status: memkey.StatusBusy, Detail: err.Error(), RetryAfter: time.Second}
	}
	clear(r.Package.Share)
	return receipt(pins, seq, head), nil
}

// undone logs that what the line before announced did not come about. The line is an extra: the refusal, which the
// caller records, says the same.
func (v *Vault) undone(r memkey.Request, pins Pins, why error) {
	e := v.entry(r, &pins, why.Error())
	e.Result = "undone"
	if _, _, err := v.config.Audit.Append(e); err != nil {
		v.config.Logf("%v", err)
	}
}

func receipt(p Pins, seq uint64, head [32]byte) memkey.Receipt {
	return memkey.Receipt{Generation: p.Generation, Active: p.Active(), Keys: keyStates(p), AuditSeq: seq, AuditHead: head}
}

// entry makes the log line of a request; pins are those it is about, if any.
func (v *Vault) entry(r memkey.Request, pins *Pins, detail string) audit.Entry {
	admin := [32]byte(r.Fingerprint)
	e := audit.Entry{
		Time: v.config.Now(), Boot: v.config.BootID, Op: r.Package.Op.String(), Admin: &admin, Source: r.Source, Result: "ok", Detail: detail,
	}
	if pins != nil {
		e.Generation = pins.Generation
		e.Keys = make([]format.KeyID, len(pins.Keys))
		for i, k := range pins.Keys {
			e.Keys[i] = k.ID
		}
	}
	return e
}

// confirm is quorum's, unless what waited was forgotten since the request began: then its admin may be no admin any more.
func (v *Vault) confirm(admin memkey.Fingerprint, what enrolment, since moment) (other memkey.Fingerprint, confirmed, current bool) {
	v.waiting.Lock()
	defer v.waiting.Unlock()
	if v.forgets != since.forgets {
		return other, false, false
	}
	other, confirmed = v.quorum.confirm(admin, what, v.config.Now())
	return other, confirmed, true
}
