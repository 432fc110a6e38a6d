package admin

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/metric"
)

// watch opens a stream; headers are name, value pairs.
func watch(t *testing.T, addr string, headers ...string) *http.Response {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), "GET", "http://"+addr+"/api/v1/live", nil)
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Add(headers[i], headers[i+1])
	}
	resp, err := (&http.Client{Transport: &http.Transport{}}).Do(req)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { resp.Body.Close() })
	return resp
}

// event reads the next one.
func event(r *bufio.Reader) (name, data string, err error) {
	for {
		line, err := r.ReadString('\n')
		if err != nil {
			return "", "", err
		}
		switch line = strings.TrimSuffix(line, "\n"); {
		case line == "":
			return name, data, nil
		case strings.HasPrefix(line, "event: "):
			name = line[len("event: "):]
		case strings.HasPrefix(line, "data: "):
			data = line[len("data: "):]
		}
	}
}

func TestStream(t *testing.T) {
	f := newFixture(t, func(c *Config) { c.Expiry = func() time.Time { return time.Unix(2e9, 0) } })
	f.stub.status = KeyStatus{Loaded: true, ID: "0011", LoadedAt: time.Unix(1e9, 0)}
	resp := watch(t, serve(t, f, "127.0.0.1:0"))
	if resp.StatusCode != 200 || resp.Header.Get("Content-Type") != "text/event-stream" || resp.Header.Get("Cache-Control") != "no-store" {
		t.Fatalf("%s %v", resp.Status, resp.Header)
	}
	r := bufio.NewReader(resp.Body)
	if name, data, err := event(r); name != "hello" || !strings.Contains(data, `"version":"v1.2.3","names":false`) {
		t.Fatalf("%v: %s %s", err, name, data)
	}
	for range 20 {
		name, data, err := event(r)
		if err != nil || name != "sample" {
			t.Fatalf("%v: %s", err, name)
		}
		var s sample
		if err := json.Unmarshal([]byte(data), &s); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(data, "0011") {
			t.Error("the key's id is in the open")
		}
		if !s.Key.Loaded || !s.Key.Since.Equal(time.Unix(1e9, 0)) || !s.Expires.Equal(time.Unix(2e9, 0)) || s.RSS == 0 {
			t.Errorf("%s", data)
		}
		if len(s.Checks) == 2 {
			return
		}
	}
	t.Error("the dependencies were never told")
}

// TestSampleTellsWhatHappened between readings, of the last one and of the window.
func TestSampleTellsWhatHappened(t *testing.T) {
	h := metric.NewHistogram(time.Millisecond, 10)
	at := time.Unix(1e9, 0)
	begin := reading{at, Figures{Faults: []Fault{{"key", 5}}}}
	for range 10 {
		h.Observe(3 * time.Millisecond)
	}
	before := reading{at.Add(8 * time.Second), Figures{
		Sealed: 1000, Opened: 0, Faults: []Fault{{"key", 5}},
		Operations: []Operation{{Name: "GetObject", Status: [6]uint64{2: 10}, Latency: h.Counts()}, {Name: "PutObject", Latency: metric.NewHistogram(time.Millisecond, 10).Counts()}},
	}}
	for range 30 {
		h.Observe(30 * time.Millisecond)
	}
	now := reading{at.Add(10 * time.Second), Figures{
		Sealed: 5000, Opened: 600, Active: 3, Connections: 4, Faults: []Fault{{"key", 8}},
		Operations: []Operation{{Name: "GetObject", Status: [6]uint64{2: 30, 4: 7, 5: 3}, Latency: h.Counts()}, {Name: "PutObject", Latency: metric.NewHistogram(time.Millisecond, 10).Counts()}},
		Backend:    Backend{Requests: 20, Failures: 2, Retries: 1, ClockAhead: -time.Minute, Connections: 5},
	}}
	s := compare(now, before, begin)
	if s.In != 2000 || s.Out != 300 || s.Requests != 15 || s.Active != 3 || s.Connections != 4 {
		t.Errorf("%+v", s)
	}
	if len(s.Operations) != 1 {
		t.Fatalf("operations: %+v", s.Operations)
	}
	if o := s.Operations[0]; o.Name != "GetObject" || o.Rate != 4 || o.Total != 40 || o.Refused != 7 || o.Failed != 3 || o.P50 == nil || *o.P50 < 16 || *o.P50 > 32 {
		t.Errorf("%+v", o)
	}
	if f := s.Faults[0]; f.Recent != 3 || f.Total != 8 {
		t.Errorf("%+v", f)
	}
	if b := s.Backend; b.Rate != 2 || b.Failed != 2 || b.Again != 1 || b.ClockAhead != -60 || b.Connections != 5 || b.P50 != nil {
		t.Errorf("%+v", b)
	}
	// The first reading has nothing to be compared with.
	if s := compare(now, now, now); s.In != 0 || s.Requests != 0 || s.Latency.P50 != nil {
		t.Errorf("%+v", s)
	}
}

// TestRequestsAreToldOnce, and the last ones again to who joins.
func TestRequestsAreToldOnce(t *testing.T) {
	f := newFixture(t)
	w, _ := f.hub.join(false)
	<-w.events
	told := func() (ids []string) {
		f.hub.sample(time.Now())
		var s sample
		text := string(<-w.events)
		if err := json.Unmarshal([]byte(strings.TrimPrefix(text, "event: sample\ndata: ")), &s); err != nil {
			t.Fatal(err)
		}
		for _, r := range s.Recent {
			ids = append(ids, r.ID)
		}
		return ids
	}
	f.stub.figures.Recent = []Request{{Number: 0, ID: "a"}, {Number: 1, ID: "b"}}
	if got := fmt.Sprint(told(), told()); got != "[a b] []" {
		t.Error(got)
	}
	f.stub.figures.Recent = []Request{{Number: 1, ID: "b"}, {Number: 2, ID: "c"}}
	if got := fmt.Sprint(told(), told()); got != "[c] []" {
		t.Error(got)
	}
	late, _ := f.hub.join(false)
	if hello := string(<-late.events); !strings.Contains(hello, `"id":"b"`) || !strings.Contains(hello, `"id":"c"`) {
		t.Error(hello)
	}
}

// TestNamesNeedTheToken, and admin.show_names.
func TestNamesNeedTheToken(t *testing.T) {
	for _, c := range []struct {
		show    bool
		headers []string
		names   bool
	}{
		{true, []string{"Authorization", bearer}, true},
		{true, nil, false},
		{false, []string{"Authorization", bearer}, false},
	} {
		f := newFixture(t, func(cfg *Config) { cfg.ShowNames = c.show })
		f.stub.figures.Recent = []Request{{ID: "a", Bucket: "b-name", Key: "k-name", Client: "c-name"}}
		r := bufio.NewReader(watch(t, serve(t, f, "127.0.0.1:0"), c.headers...).Body)
		var text string
		for range 2 {
			_, data, err := event(r)
			if err != nil {
				t.Fatal(err)
			}
			text += data
		}
		for _, name := range []string{"b-name", "k-name", "c-name"} {
			if strings.Contains(text, name) != c.names {
				t.Errorf("show %v, headers %v: %s", c.show, c.headers, text)
			}
		}
		if strings.Contains(text, `"names":true`) != c.names {
			t.Errorf("%s", text)
		}
	}
	f := newFixture(t)
	for _, headers := range [][]string{{"Authorization", "Bearer wrong"}, {"Authorization", ""}, {"Authorization", bearer, "Authorization", bearer}} {
		if w := f.do("GET", "/api/v1/live", headers...); w.Code != http.StatusUnauthorized {
			t.Errorf("%v: %d", headers, w.Code)
		}
	}
}

func TestWatchersAreBounded(t *testing.T) {
	f := newFixture(t)
	addr := serve(t, f, "127.0.0.1:0")
	var open []*http.Response
	for range maxWatchers {
		open = append(open, watch(t, addr))
	}
	if w := f.do("GET", "/api/v1/live"); w.Code != http.StatusServiceUnavailable || w.Header().Get("Retry-After") == "" {
		t.Errorf("one more: %d %v", w.Code, w.Header())
	}
	if _, err := get(dial(t, addr)); err != nil {
		t.Errorf("watchers keep probes out: %v", err)
	}
	// A second passes for all of them together.
	r, before, began := bufio.NewReader(open[1].Body), f.stub.sampled.Load(), time.Now()
	for range 4 {
		if _, _, err := event(r); err != nil {
			t.Fatal(err)
		}
	}
	if n, most := f.stub.sampled.Load()-before, int32(time.Since(began)/sampleEvery)+2; n > most {
		t.Errorf("%d readings for %d watchers in a time for %d", n, maxWatchers, most)
	}
	open[0].Body.Close()
	for end := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		if w, ok := f.hub.join(false); ok {
			f.hub.leave(w)
			return
		}
		if time.Now().After(end) {
			t.Fatal("a place was never given away")
		}
	}
}

// TestSlowWatcherIsCut: it gets what waits for it and no more; others go on.
func TestSlowWatcherIsCut(t *testing.T) {
	f := newFixture(t)
	slow, _ := f.hub.join(false)
	quick, _ := f.hub.join(false)
	for range watcherBacklog + 2 {
		for len(quick.events) > 0 {
			<-quick.events
		}
		f.hub.sample(time.Now())
	}
	got := 0
	for range slow.events {
		got++
	}
	if got != watcherBacklog {
		t.Errorf("the slow one got %d events", got)
	}
	if _, ok := <-quick.events; !ok {
		t.Error("the quick one was cut")
	}
	f.hub.leave(slow) // what a handler does in the end
	f.hub.leave(quick)
}

// TestStalledWatcherCostsNothing: over real sockets, one who stops reading is dropped with
// its connection, holds no more than the backlog, and delays nobody.
func TestStalledWatcherCostsNothing(t *testing.T) {
	f := newFixture(t)
	f.hub.patience = time.Second
	const size = 256 << 10 // of an event: more than the sockets take of a few
	f.stub.checks = []Check{{Name: "backend", Detail: strings.Repeat("x", size)}}
	addr := serve(t, f, "127.0.0.1:0")

	quick := bufio.NewReader(watch(t, addr).Body)
	got := make(chan int, 1<<16) // never full: the reader always reads
	go func() {
		defer close(got)
		for {
			_, data, err := event(quick)
			if err != nil {
				return
			}
			got <- len(data)
		}
	}()
	next := func() int {
		t.Helper()
		select {
		case n, ok := <-got:
			if !ok {
				t.Fatal("the one who reads was cut")
			}
			return n
		case <-time.After(20 * time.Second):
			t.Fatal("the one who reads waits for the other")
		}
		return 0
	}
	// Each event is waited for, so that the quick one keeps up on every machine.
	sample := func() int {
		t.Helper()
		for len(got) > 0 { // the listener's own samples, one a second
			next()
		}
		f.hub.sample(time.Now())
		return next()
	}
	for end := time.Now().Add(20 * time.Second); sample() < size; time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("no event with the checks")
		}
	}

	stalled := dial(t, addr)
	if err := stalled.(*net.TCPConn).SetReadBuffer(4 << 10); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(stalled, "GET /api/v1/live HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	watchers := func() int {
		f.hub.mu.Lock()
		defer f.hub.mu.Unlock()
		return len(f.hub.watchers)
	}
	until := func(what string, done func() bool) {
		t.Helper()
		for end := time.Now().Add(20 * time.Second); !done(); time.Sleep(time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("never: %s", what)
			}
		}
	}
	until("it watches", func() bool { return watchers() == 2 })
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.HeapAlloc
	}
	before := heap()
	sent := 0
	for ; watchers() == 2 && sent < 1000; sent++ {
		sample()
	}
	if watchers() != 1 {
		t.Fatalf("it still watches after %d events of %d bytes", sent, size)
	}
	for range 40 {
		sample()
	}
	// The window of readings and the backlog are what may be held: far below what was sent.
	if after := heap(); after > before+(watcherBacklog+8)*size {
		t.Errorf("%d KiB are held for it after %d MiB were sent", (after-before)>>10, (sent+40)*size>>20)
	}
	until("its connection is closed", func() bool { return f.conns.Load() == 1 })
	sample()
}

func TestStreamsEndWithTheListener(t *testing.T) {
	f := newFixture(t)
	addr := serve(t, f, "127.0.0.1:0")
	resp := watch(t, addr)
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := f.Shutdown(ctx); err != nil {
		t.Fatalf("a stream holds the listener up: %v", err)
	}
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		t.Errorf("the stream did not end cleanly: %v", err)
	}
	if _, ok := f.hub.join(false); ok {
		t.Error("a watcher joined after the end")
	}
}

// TestStreamOutlivesReadTimeout: that is for requests, not for answers.
func TestStreamOutlivesReadTimeout(t *testing.T) {
	f := newFixture(t)
	f.http.ReadTimeout, f.http.ReadHeaderTimeout = 900*time.Millisecond, 900*time.Millisecond
	r := bufio.NewReader(watch(t, serve(t, f, "127.0.0.1:0")).Body)
	for i := range 3 { // one a second
		if _, _, err := event(r); err != nil {
			t.Fatalf("event %d: %v", i, err)
		}
	}
}

// TestChecksDoNotGrowOld: an answer from when somebody watched last is not shown to who
// comes later.
func TestChecksDoNotGrowOld(t *testing.T) {
	f := newFixture(t)
	f.stub.wait = make(chan struct{}) // no new answer comes
	defer close(f.stub.wait)
	w, _ := f.hub.join(false)
	<-w.events
	for age, shown := range map[time.Duration]bool{0: true, checksLast - time.Second: true, checksLast + time.Second: false, time.Hour: false} {
		now := time.Now()
		f.hub.mu.Lock()
		f.hub.checks, f.hub.told = []Check{{Name: "key", OK: true}}, now.Add(-age)
		f.hub.mu.Unlock()
		f.hub.sample(now)
		if text := string(<-w.events); strings.Contains(text, `"checks":[{"name":"key","ok":true}]`) != shown {
			t.Errorf("after %v: %s", age, text)
		}
	}
}
