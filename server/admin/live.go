package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"sync"
	"time"
)

// hub samples the figures once a second and hands each sample to everybody who
// watches. There is one sampler, however many watch; who does not keep up is cut.
type hub struct {
	server   *Server
	began    time.Time
	patience time.Duration // for the writing of one event

	mu       sync.Mutex
	watchers map[*watcher]struct{}
	ended    bool
	readings []reading // of the window, oldest first
	history  []point   // of the plot
	recent   []Request // of the last reading
	next     uint64    // the number of the first request that was in no sample
	checks   []Check   // the last answer
	told     time.Time // when it came
	askedAt  time.Time
	asking   bool
}

// watcher is one open stream.
type watcher struct {
	names  bool
	events chan []byte // closed when the watcher is cut
}

func newHub(s *Server) *hub {
	return &hub{server: s, began: time.Now(), patience: eventTimeout, watchers: map[*watcher]struct{}{}}
}

// run samples until ctx ends; then all streams end.
func (h *hub) run(ctx context.Context) {
	tick := time.NewTicker(sampleEvery)
	defer tick.Stop()
	h.sample(time.Now())
	for {
		select {
		case now := <-tick.C:
			h.sample(now)
		case <-ctx.Done():
			h.end()
			return
		}
	}
}

// end cuts every watcher, and lets none join.
func (h *hub) end() {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.ended = true
	for w := range h.watchers {
		h.cut(w)
	}
}

// cut takes a watcher out. The lock is held.
func (h *hub) cut(w *watcher) {
	if _, ok := h.watchers[w]; ok {
		delete(h.watchers, w)
		close(w.events)
	}
}

// sample takes a reading and hands it out.
func (h *hub) sample(at time.Time) {
	now := reading{at, h.server.live.Figures()}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.recent, now.Figures.Recent = now.Figures.Recent, nil
	h.readings = append(h.readings, now)
	if len(h.readings) > windowSamples+1 {
		h.readings = h.readings[1:]
	}
	before := h.readings[max(len(h.readings)-2, 0)]
	s := compare(now, before, h.readings[0])
	h.history = append(h.history, point{s.Time, s.In, s.Out})
	if len(h.history) > historyPoints {
		h.history = h.history[1:]
	}
	fresh := []Request{}
	for _, r := range h.recent {
		if r.Number >= h.next {
			fresh = append(fresh, r)
			h.next = r.Number + 1
		}
	}
	if len(h.watchers) == 0 {
		return
	}
	h.ask(at)
	s.UpSeconds = at.Sub(h.began).Seconds()
	s.RSS = residentBytes()
	if at.Sub(h.told) < checksLast {
		s.Checks = h.checks
	}
	if key := h.server.keys.KeyStatus(); key.Loaded {
		since := key.LoadedAt.UTC()
		s.Key = keyLight{true, &since}
	}
	if expiry := h.server.expiry(); !expiry.IsZero() {
		expiry = expiry.UTC()
		s.Expires = &expiry
	}
	var with, without []byte // made when the first watcher wants it
	for w := range h.watchers {
		event := &without
		if w.names {
			event = &with
		}
		if *event == nil {
			s.Recent = visible(fresh, w.names)
			*event = encode("sample", s)
		}
		select {
		case w.events <- *event:
		default:
			h.cut(w)
		}
	}
}

// ask asks the dependencies every now and then, while somebody watches, and not while
// they are being asked. The lock is held.
func (h *hub) ask(at time.Time) {
	if h.asking || at.Sub(h.askedAt) < readyEvery {
		return
	}
	h.asking, h.askedAt = true, at
	go func() {
		ctx, cancel := context.WithTimeout(context.Background(), readyTimeout)
		defer cancel()
		checks := h.server.checks(ctx)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.checks, h.told, h.asking = checks, time.Now(), false
	}()
}

// join adds a watcher and gives its first event; ok = there was room.
func (h *hub) join(names bool) (w *watcher, ok bool) {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.ended || len(h.watchers) >= maxWatchers {
		return nil, false
	}
	w = &watcher{names: names, events: make(chan []byte, watcherBacklog)}
	history := h.history
	if history == nil {
		history = []point{}
	}
	w.events <- encode("hello", struct {
		Version string    `json:"version"`
		Names   bool      `json:"names"`
		History []point   `json:"history"`
		Recent  []Request `json:"recent"`
	}{h.server.version, names, history, visible(h.recent, names)})
	h.watchers[w] = struct{}{}
	h.ask(time.Now()) // so that the next sample has an answer
	return w, true
}

// leave ends a watcher that may have been cut already.
func (h *hub) leave(w *watcher) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.cut(w)
}

// visible is what a watcher may see of requests.
func visible(all []Request, names bool) []Request {
	out := make([]Request, len(all))
	for i, r := range all {
		if !names {
			r = r.withoutNames()
		}
		out[i] = r
	}
	return out
}

// encode makes a server-sent event (WHATWG HTML, 9.2). JSON has no line breaks.
func encode(name string, v any) []byte {
	data, err := json.Marshal(v)
	if err != nil {
		panic("BUG: admin: cannot encode an event: " + err.Error())
	}
	var b bytes.Buffer
	b.WriteString("event: " + name + "\ndata: ")
	b.Write(data)
	b.WriteString("\n\n")
	return b.Bytes()
}

// stream sends events until the client leaves, is too slow, or the listener ends.
func (s *Server) stream(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "text/event-stream")
	if r.Method == http.MethodHead {
		return
	}
	// A wrong token was refused before.
	watcher, ok := s.hub.join(s.showNames && r.Header.Get("Authorization") != "")
	if !ok {
		w.Header().Set("Retry-After", "5")
		writeText(w, http.StatusServiceUnavailable, "too many watch already, or the proxy is ending\n")
		return
	}
	defer s.hub.leave(watcher)
	control := http.NewResponseController(w)
	for {
		select {
		case event, ok := <-watcher.events:
			if !ok {
				return
			}
			// A writer without deadlines is a test's recorder.
			_ = control.SetWriteDeadline(time.Now().Add(s.hub.patience))
			if _, err := w.Write(event); err != nil {
				return
			}
			if err := control.Flush(); err != nil {
				return
			}
		case <-r.Context().Done():
			return
		}
	}
}
