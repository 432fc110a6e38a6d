package vault

import (
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// TestNothingIsInstalledAfterTheEnd: a delivery that comes while the server ends loads no key and writes no pins.
func TestNothingIsInstalledAfterTheEnd(t *testing.T) {
	r := newEnrolled(t, false)
	p := pack(memkey.OpDeliver, 1, keys(t, "A"))
	r.ring.close()
	before := r.snapshot()
	if _, status, detail := r.send(1, p); status != memkey.StatusBusy {
		t.Errorf("deliver: %v %s", status, detail)
	}
	if _, status, detail := r.send(1, pack(memkey.OpEnroll, 2, keys(t, "aB"))); status != memkey.StatusBusy {
		t.Errorf("enroll: %v %s", status, detail)
	}
	if r.loaded() != "" || r.snapshot() != before {
		t.Errorf("loaded %q, pins changed %t", r.loaded(), r.snapshot() != before)
	}
}

// TestForgottenRequestsConfirmNothing: who waited while the list of administrators changed, or the keys were cleared, is
// nobody's second admin.
func TestForgottenRequestsConfirmNothing(t *testing.T) {
	r := newRig(t, 2)
	since, refusal := r.begin()
	if refusal != nil {
		t.Fatal(refusal)
	}
	r.Forget()
	if _, _, current := r.confirm(memkey.Fingerprint{1}, enrolment{1}, since); current {
		t.Error("a confirmation from before was taken")
	}
	if _, _, _, err := r.addShare(request(1, &memkey.Package{Op: memkey.OpShare}), since); err != errStale {
		t.Errorf("a share from before: %v", err)
	}
	since, _ = r.begin()
	if _, confirmed, current := r.confirm(memkey.Fingerprint{2}, enrolment{1}, since); confirmed || !current {
		t.Errorf("confirmed %t, current %t: the one before was remembered", confirmed, current)
	}
	r.Clear("test")
	if _, _, current := r.confirm(memkey.Fingerprint{3}, enrolment{1}, since); current {
		t.Error("a confirmation from before a clear was taken")
	}
}
