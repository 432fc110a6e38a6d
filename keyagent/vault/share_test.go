package vault

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// split makes n shares, k of which open a keyring.
func split(t testing.TB, generation uint64, names string, n, k int, b ...memkey.BucketPin) [][]byte {
	t.Helper()
	ring := &shares.Keyring{Generation: generation}
	for _, key := range keys(t, names) {
		ring.Keys = append(ring.Keys, shares.Key{ID: key.ID, KVT: key.KVT, Master: key.Master, Active: key.Active, Label: key.Label})
	}
	defer ring.Wipe()
	for _, pin := range b {
		ring.Pins = append(ring.Pins, shares.Pin{Name: pin.Name, ID: pin.ID})
	}
	all, err := shares.Split(ring, n, k)
	if err != nil {
		t.Fatal(err)
	}
	var out [][]byte
	for _, s := range all {
		content, err := s.MarshalBinary()
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, content)
		s.Wipe()
	}
	return out
}

func (r *rig) sendShare(admin byte, share []byte) (memkey.Receipt, memkey.Status, string) {
	r.t.Helper()
	p := &memkey.Package{Op: memkey.OpShare, Share: bytes.Clone(share)}
	receipt, status, detail := r.send(admin, p)
	if status == memkey.StatusOK && !bytes.Equal(p.Share, make([]byte, len(p.Share))) {
		r.t.Error("a share that was taken is not cleared")
	}
	return receipt, status, detail
}

func TestSharesDeliverWhatIsPinned(t *testing.T) {
	r := newEnrolled(t, false)
	set := split(t, 5, "aB", 5, 3, buckets("one", "two")...)
	for i, want := range []string{"", "", "aB"} {
		receipt, status, detail := r.sendShare(byte(i+1), set[2*i])
		if status != memkey.StatusOK || r.loaded() != want || len(receipt.Keys) != len(want) || receipt.Generation != 5 {
			t.Fatalf("share %d: %v (%s), %q is loaded, %+v", i+1, status, detail, r.loaded(), receipt)
		}
	}
	lines := r.lines()
	for i, want := range []string{"share taken, 1 of 3", "share taken, 2 of 3", `"keys":["`} {
		if line := lines[1+i]; !strings.Contains(line, want) || !strings.Contains(line, `"op":"share"`) {
			t.Errorf("line %d is %s, want %s", 2+i, line, want)
		}
	}
	if _, status, _ := r.sendShare(4, set[0]); status != memkey.StatusOK || r.loaded() != "aB" {
		t.Errorf("one share of the next round: %v, %q", status, r.loaded())
	}
}

func TestSharesOfAnythingElseAreRefused(t *testing.T) {
	for name, set := range map[string][][]byte{
		"foreign keys":           split(t, 5, "xY", 2, 2),
		"an older generation":    split(t, 4, "aB", 2, 2),
		"the next generation":    split(t, 6, "abC", 2, 2),
		"a key more":             split(t, 5, "aBc", 2, 2),
		"another active":         split(t, 5, "Ab", 2, 2),
		"a foreign bucket":       split(t, 5, "aB", 2, 2, buckets("three")...),
		"another id of a bucket": split(t, 5, "aB", 2, 2, buckets("one=changed")...),
	} {
		for _, loaded := range []bool{false, true} {
			r := newEnrolled(t, loaded)
			before := r.snapshot()
			for i, share := range set {
				_, status, detail := r.sendShare(byte(i+1), share)
				if status != memkey.StatusPins && status != memkey.StatusGeneration || r.snapshot() != before {
					t.Errorf("%s: %v, %s", name, status, detail)
				}
				if !strings.Contains(detail, fmt.Sprintf("share %d of set ", i+1)) || r.shares.Pending() != 0 {
					t.Errorf("%s: not named, or kept: %s", name, detail)
				}
			}
		}
	}
}

func TestSharesBadOneIsNamedAndBlocksNobody(t *testing.T) {
	r := newEnrolled(t, false)
	set, foreign := split(t, 5, "aB", 3, 2), split(t, 5, "aB", 3, 2)
	r.sendShare(1, set[0])
	bad := bytes.Clone(set[1])
	bad[len(bad)-20] ^= 1
	for name, share := range map[string][]byte{"damaged": bad, "empty": nil, "cut": set[1][:40], "noise": bytes.Repeat([]byte{7}, 600)} {
		_, status, detail := r.sendShare(2, share)
		if status != memkey.StatusShare || !strings.Contains(detail, "share") {
			t.Errorf("%s: %v, %s", name, status, detail)
		}
	}
	if _, status, _ := r.sendShare(3, foreign[0]); status != memkey.StatusOK || r.loaded() != "" {
		t.Errorf("a share of another set: %v, %q", status, r.loaded())
	}
	if _, status, detail := r.sendShare(1, set[1]); status != memkey.StatusShare || r.loaded() != "" {
		t.Errorf("the first admin with a second share: %v (%s), %q", status, detail, r.loaded())
	}
	if _, status, detail := r.sendShare(2, set[2]); status != memkey.StatusOK || r.loaded() != "aB" {
		t.Errorf("a good share in the end: %v, %s", status, detail)
	}
}

func TestSharesTimeOutAndAreForgotten(t *testing.T) {
	set := split(t, 5, "aB", 3, 2)
	for name, between := range map[string]func(r *rig){
		"ten minutes": func(r *rig) { r.now = r.now.Add(confirmTime) },
		"a clear":     func(r *rig) { r.Clear("test") },
		"a reload":    func(r *rig) { r.Forget() },
	} {
		r := newEnrolled(t, false)
		r.sendShare(1, set[0])
		between(r)
		if _, status, _ := r.sendShare(2, set[1]); status != memkey.StatusOK || r.loaded() != "" {
			t.Errorf("after %s: %v, %q is loaded", name, status, r.loaded())
		}
		if _, status, _ := r.sendShare(3, set[2]); status != memkey.StatusOK || r.loaded() != "aB" {
			t.Errorf("after %s two fresh shares: %v, %q is loaded", name, status, r.loaded())
		}
	}
}

func TestSharesNeedTheLog(t *testing.T) {
	r := newEnrolled(t, false)
	set := split(t, 5, "aB", 2, 2)
	bad := &badLog{Log: r.log, err: errors.New("full")}
	r.config.Audit = bad
	for i, share := range set {
		if _, status, _ := r.sendShare(byte(i+1), share); status != memkey.StatusFailed || r.loaded() != "" {
			t.Errorf("share %d without a log: %v, %q", i, status, r.loaded())
		}
	}
}

func TestSharesClearedMeanwhile(t *testing.T) {
	r := newEnrolled(t, false)
	set := split(t, 5, "aB", 2, 2)
	r.sendShare(1, set[0])
	slow := &badLog{Log: r.log, wait: make(chan struct{}), in: make(chan struct{}, 9)}
	r.config.Audit = slow
	done := make(chan error, 1)
	go func() {
		_, err := r.Apply(context.Background(), request(2, &memkey.Package{Op: memkey.OpShare, Share: bytes.Clone(set[1])}))
		done <- err
	}()
	select {
	case <-slow.in:
	case <-time.After(20 * time.Second):
		t.Fatal("the last share did not come to the log")
	}
	r.Clear("now")
	close(slow.wait)
	if err := <-done; err == nil || r.loaded() != "" {
		t.Errorf("%v, %q is loaded after the clear", err, r.loaded())
	}
}
