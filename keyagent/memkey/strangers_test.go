package memkey

import (
	"context"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestStrangersDoNotFillTheAuditLog: a line for each source and minute, one with their number at its end, and one for all
// sources beyond the bound.
func TestStrangersDoNotFillTheAuditLog(t *testing.T) {
	r := newRig(t)
	refuse := func(source netip.Addr, n int) {
		for range n {
			_, _ = r.agent.Challenge(context.Background(), source, nil)
		}
	}
	loud := netip.MustParseAddr("192.0.2.7")
	refuse(loud, 500)
	for i := range 1000 {
		refuse(floodSource(i), 1)
	}
	if n := len(r.events); n != maxStrangers || len(r.agent.strangers.sources) != maxStrangers {
		t.Errorf("%d events of %d sources in the first minute", n, len(r.agent.strangers.sources))
	}
	before := len(r.events)
	r.advance(strangersTime + time.Second)
	refuse(home, 1)
	var said []string
	for _, e := range r.events[before:] {
		said = append(said, e.Source.String()+": "+e.Detail)
	}
	if len(said) != 3 || !strings.HasPrefix(said[0], "192.0.2.7: 499 more refusals") || !strings.Contains(said[1], "937 refusals of further sources") || !strings.HasPrefix(said[2], home.String()) {
		t.Errorf("at the end of the minute: %q", said)
	}
	refuse(home, 2)
	r.agent.FlushStrangers()
	r.agent.FlushStrangers()
	if e := r.lastEvent(); len(r.events) != before+4 || !strings.HasPrefix(e.Detail, "2 more refusals") {
		t.Errorf("%d events, the last %+v", len(r.events)-before, e)
	}
}
