package vault

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// Clear wipes the keys at once, and what waits for more shares or a second admin; the pins stay. reason is for the log.
// It waits for no other request and for no disk before the keys are gone, and nothing that began before it loads any.
func (v *Vault) Clear(reason string) memkey.Receipt {
	return v.clear(audit.Entry{Time: v.config.Now(), Boot: v.config.BootID, Op: "clear", Result: "ok", Detail: reason})
}

// clear is the one operation that a failing log does not stop.
func (v *Vault) clear(e audit.Entry) memkey.Receipt {
	v.waiting.Lock() // one step: what waits goes with the keys
	pins := v.ring.clear()
	v.forget()
	v.waiting.Unlock()
	e.Generation = pins.Generation
	r := memkey.Receipt{Generation: pins.Generation}
	seq, head, err := v.config.Audit.Append(e)
	if err != nil {
		v.config.Logf("the keys are cleared, but: %v", err)
		return r
	}
	r.AuditSeq, r.AuditHead = seq, head
	return r
}

// Forget drops what waits for more shares or a second admin: an admin who was taken off the allow-list must not be one
// of them.
func (v *Vault) Forget() {
	v.waiting.Lock()
	defer v.waiting.Unlock()
	v.forget()
}

// forget is Forget under the lock.
func (v *Vault) forget() {
	v.forgets++
	v.quorum.clear()
	v.shares.Close()
	v.shares = newCollector(v.config.Logf)
}
