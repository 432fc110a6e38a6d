package memkey

import (
	"fmt"
	"net/netip"
	"slices"
	"sync"
	"time"
)

// strangers thins out the events that need no key to cause. In each minute a source has its first refusal written at
// once, and one event at the minute's end with how many there were after it; sources beyond the first maxStrangers share
// one event. So the log grows by at most 2 × maxStrangers + 1 lines a minute, whoever sends what, and says who it was.
type strangers struct {
	now func() time.Time

	mu      sync.Mutex
	began   time.Time // of this minute
	sources map[netip.Prefix]*stranger
	others  int // refusals of sources beyond maxStrangers
}

// stranger is one source in one minute.
type stranger struct {
	last Event
	more int // refusals after the first
}

// note takes a refusal and returns what is to be written.
func (s *strangers) note(e Event) []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	var out []Event
	if now := s.now(); now.Sub(s.began) >= strangersTime || now.Before(s.began) {
		out = s.take(now)
	}
	source := sourcePrefix(e.Source)
	known := s.sources[source]
	switch {
	case known != nil:
		known.last = e
		known.more++
	case len(s.sources) >= maxStrangers:
		s.others++
	default:
		s.sources[source] = &stranger{last: e}
		out = append(out, e)
	}
	return out
}

// flush ends the minute and returns what is to be written.
func (s *strangers) flush() []Event {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.take(s.now())
}

// take ends the minute. mu is held.
func (s *strangers) take(now time.Time) []Event {
	var out []Event
	for _, known := range s.sources {
		if known.more > 0 {
			e := known.last
			e.Detail = fmt.Sprintf("%d more refusals within a minute, the last: %s", known.more, e.Detail)
			out = append(out, e)
		}
	}
	slices.SortFunc(out, func(a, b Event) int { return a.Source.Compare(b.Source) })
	if s.others > 0 {
		out = append(out, Event{Status: StatusDenied, Detail: fmt.Sprintf("%d refusals of further sources within a minute", s.others)})
	}
	s.began, s.sources, s.others = now, make(map[netip.Prefix]*stranger), 0
	return out
}
