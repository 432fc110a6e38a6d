package admin

import (
	"net/http"
	"net/http/pprof"
	"runtime"
	"sync"
)

// waits is a profile of waiting: for locks ("mutex") or for anything ("block"). Go records waits only where it is told to, which
// costs each of them something, so it is told for as long as somebody takes such a profile (`?seconds=N`). Without seconds the
// profile is of all that was recorded since the start.
type waits struct {
	name   string
	record func(on bool)

	mu     sync.Mutex
	takers int
}

func newMutexWaits() *waits {
	return &waits{name: "mutex", record: func(on bool) { runtime.SetMutexProfileFraction(map[bool]int{true: 1}[on]) }}
}

// blockRate is the time of waiting, in ns, that is worth one event: shorter waits are recorded in proportion.
const blockRate = 10_000

func newBlockWaits() *waits {
	return &waits{name: "block", record: func(on bool) { runtime.SetBlockProfileRate(map[bool]int{true: blockRate}[on]) }}
}

func (p *waits) serve(w http.ResponseWriter, r *http.Request) {
	if r.URL.Query().Get("seconds") != "" {
		p.taker(+1)
		defer p.taker(-1)
	}
	pprof.Handler(p.name).ServeHTTP(w, r)
}

// taker counts who takes the profile. The first switches recording on, the last off.
func (p *waits) taker(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.takers += n
	if p.takers == 0 || p.takers == 1 && n > 0 {
		p.record(p.takers > 0)
	}
}
