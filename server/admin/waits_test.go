package admin

import (
	"net/http"
	"runtime"
	"slices"
	"sync"
	"testing"
	"time"
)

// TestWaitsAreRecordedWhileSomebodyLooks: for two who look at once, on with the first and off with the last.
func TestWaitsAreRecordedWhileSomebodyLooks(t *testing.T) {
	var got []bool
	p := &waits{name: "mutex", record: func(on bool) { got = append(got, on) }}
	for _, n := range []int{+1, +1, -1, -1, +1, -1} {
		p.taker(n)
	}
	if !slices.Equal(got, []bool{true, false, true, false}) {
		t.Errorf("recording went %v", got)
	}
}

// TestMutexProfileHasWhatWaits: a lock that somebody waits for is in the profile, and afterwards nothing is recorded.
func TestMutexProfileHasWhatWaits(t *testing.T) {
	f := newFixture(t)
	stop := make(chan struct{})
	var held sync.Mutex
	var all sync.WaitGroup
	for range 2 {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					held.Lock()
					time.Sleep(time.Millisecond)
					held.Unlock()
				}
			}
		})
	}
	idle := f.do("GET", "/debug/pprof/mutex", "Authorization", bearer)
	busy := f.do("GET", "/debug/pprof/mutex?seconds=1", "Authorization", bearer)
	close(stop)
	all.Wait()
	if idle.Code != http.StatusOK || busy.Code != http.StatusOK {
		t.Fatalf("%d, %d", idle.Code, busy.Code)
	}
	if busy.Body.Len() <= idle.Body.Len() {
		t.Errorf("a profile under contention has %d bytes, one before %d", busy.Body.Len(), idle.Body.Len())
	}
	if rate := runtime.SetMutexProfileFraction(-1); rate != 0 {
		t.Errorf("waits are still recorded, one in %d", rate)
	}
}
