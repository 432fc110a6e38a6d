package vault

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func TestClearWipesAndKeepsThePins(t *testing.T) {
	r := newEnrolled(t, true)
	before := r.holder.Snapshot()
	before.Wipe()
	p := &memkey.Package{Op: memkey.OpClear}
	receipt, status, _ := r.send(1, p)
	if status != memkey.StatusOK || receipt.Generation != 5 || len(receipt.Keys) != 0 || receipt.AuditSeq != 2 {
		t.Errorf("%v %+v", status, receipt)
	}
	if s := r.State(); r.loaded() != "" || s.Loaded || s.Generation != 5 {
		t.Errorf("after a clear: %q, %+v", r.loaded(), s)
	}
	after := r.holder.Snapshot()
	if after.Generation != before.Generation+1 {
		t.Errorf("the holder went from generation %d to %d", before.Generation, after.Generation)
	}
	r.must(memkey.OpDeliver, 5, "aB")
	r.Clear("the operator said so")
	if last := r.lines()[3]; r.loaded() != "" || !strings.Contains(last, "the operator said so") {
		t.Errorf("after Clear: %q, %s", r.loaded(), last)
	}
}

// badLog fails, or waits, as it is told to.
type badLog struct {
	Log
	err  error
	wait chan struct{} // Append waits until it is closed
	in   chan struct{} // told when it waits
	skip int           // appends that succeed first
}

func (l *badLog) Append(e audit.Entry) (uint64, [32]byte, error) {
	if l.wait != nil && e.Op != "clear" {
		l.in <- struct{}{}
		<-l.wait
	}
	if l.skip--; l.skip < 0 && l.err != nil {
		return 0, [32]byte{}, l.err
	}
	return l.Log.Append(e)
}

func TestClearWinsWithABrokenLog(t *testing.T) {
	r := newEnrolled(t, true)
	r.config.Audit = &badLog{Log: r.log, err: audit.ErrBroken}
	receipt, status, _ := r.send(1, &memkey.Package{Op: memkey.OpClear})
	if status != memkey.StatusOK || r.loaded() != "" || receipt.AuditSeq != 0 {
		t.Errorf("%v, loaded %q, %+v", status, r.loaded(), receipt)
	}
	if len(r.said) != 1 || !strings.Contains(r.said[0], audit.ErrBroken.Error()) {
		t.Errorf("the log of the process says %q", r.said)
	}
}

// TestClearDoesNotWaitAndNothingLoadsAfterIt lets a delivery and an enrolment hang in the log while a clear comes.
func TestClearDoesNotWaitAndNothingLoadsAfterIt(t *testing.T) {
	for _, c := range []struct {
		op         memkey.Op
		generation uint64
		keys       string
	}{{memkey.OpDeliver, 5, "aB"}, {memkey.OpEnroll, 6, "abC"}} {
		for _, loaded := range []bool{false, true} {
			r := newEnrolled(t, loaded)
			slow := &badLog{Log: r.log, wait: make(chan struct{}), in: make(chan struct{})}
			r.config.Audit = slow
			done := make(chan error, 1)
			p := pack(c.op, c.generation, keys(t, c.keys))
			go func() {
				_, err := r.Apply(context.Background(), request(1, p))
				done <- err
			}()
			<-slow.in
			cleared := make(chan struct{})
			go func() { r.Clear("now"); close(cleared) }()
			select {
			case <-cleared:
			case <-time.After(20 * time.Second):
				t.Fatal("the clear waits for the log of another request")
			}
			go func() { // undone logs too
				for range slow.in {
				}
			}()
			close(slow.wait)
			err := <-done
			close(slow.in)
			slow.wait = nil
			var refusal *memkey.Refusal
			if !errors.As(err, &refusal) || refusal.Status != memkey.StatusBusy || r.loaded() != "" || r.State().Loaded {
				t.Errorf("%v, loaded %t: %v, %q is loaded after the clear", c.op, loaded, err, r.loaded())
			}
			p.Wipe()
			if pins, err := ReadPins(r.config.PinsPath); r.State().Generation != 5 || err != nil || pins.Generation != 5 {
				t.Errorf("%v: busy, but the pins are of generation %d, on disk %d, %v", c.op, r.State().Generation, pins.Generation, err)
			}
			r.must(c.op, c.generation, c.keys)
		}
	}
}

// TestStateIsNeverHalf watches while enrolments, deliveries and clears run: the keys in the holder are always those of
// the state, and a clear is never undone by what began before it.
func TestStateIsNeverHalf(t *testing.T) {
	r := newRig(t, 1)
	r.must(memkey.OpEnroll, 1, "A")
	rotations := 12
	if testing.Short() {
		rotations = 5
	}
	stop := make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := 0; ; i++ {
			select {
			case <-stop:
				return
			default:
			}
			s := r.State()
			if s.Loaded != (len(s.Keys) > 0) || s.Loaded && uint64(len(s.Keys)) != s.Generation {
				t.Errorf("state %+v", s)
				return
			}
			r.ring.mu.Lock()
			if n := len(r.loaded()); r.ring.loaded && n != len(r.ring.pins.Keys) || !r.ring.loaded && n != 0 {
				t.Errorf("%d keys are loaded, %d pinned, loaded %t", n, len(r.ring.pins.Keys), r.ring.loaded)
			}
			r.ring.mu.Unlock()
		}
	})
	wg.Go(func() {
		for {
			select {
			case <-stop:
				return
			case <-time.After(3 * time.Millisecond):
				r.Clear("storm")
			}
		}
	})
	names := "abcdefghijklmnop"
	for g := 2; g <= rotations; g++ {
		all := names[:g-1] + strings.ToUpper(names[g-1:g])
		for { // a clear may come between pins and ring, which takes both back
			_, status, detail := r.send(1, pack(memkey.OpEnroll, uint64(g), keys(t, all)))
			if status == memkey.StatusOK {
				break
			}
			if status != memkey.StatusBusy {
				t.Fatalf("generation %d: %v, %s", g, status, detail)
			}
		}
	}
	close(stop)
	wg.Wait()
}
