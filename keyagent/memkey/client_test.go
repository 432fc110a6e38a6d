package memkey

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"
)

// TestOperationsOverTLS: each op, with its package and its receipt, through the whole stack.
func TestOperationsOverTLS(t *testing.T) {
	r := newRig(t)
	c := r.dial(r.serve())
	ctx := context.Background()
	enroll := testPackage(t, 3)
	enroll.Op = OpEnroll
	share := []byte("an opaque share")
	full := testPackage(t, MaxKeys)
	for i := range MaxPins - 1 {
		full.Pins = append(full.Pins, BucketPin{Name: fmt.Sprintf("bucket-%04d-%s", i, strings.Repeat("x", MaxPinName-12))})
	}
	for i := range full.Keys {
		full.Keys[i].Label = strings.Repeat("ä", MaxLabel/2)
	}
	for i, p := range []*Package{testPackage(t, 1), enroll, {Op: OpClear, Generation: 9}, {Op: OpShare, Share: share}, full} {
		receipt, err := c.Send(ctx, p)
		if err != nil {
			t.Fatalf("%s: %v", p.Op, err)
		}
		if receipt.Generation != p.Generation || len(receipt.Keys) != len(p.Keys) || receipt.AuditSeq != uint64(i+1) || receipt.AuditHead[0] != 0xaa {
			t.Errorf("%s: receipt %+v", p.Op, receipt)
		}
		got := r.applied[i]
		if got.Package.Op != p.Op || len(got.Package.Pins) != len(p.Pins) || got.Admin.Name != "alice" ||
			got.Fingerprint != AdminFingerprint(r.admin.Public()) || !got.Source.IsLoopback() {
			t.Errorf("%s: applied %v from %s", p.Op, got.Package, got.Source)
		}
		for n, master := range got.masters {
			if !bytes.Equal(master, testMaster(n)) {
				t.Errorf("%s: key %d arrived changed", p.Op, n)
			}
		}
	}
	for _, k := range full.Keys {
		if k.Master.Use(func([]byte) {}) != nil {
			t.Error("Send wiped the caller's master")
		}
	}
	names := full.Keys[1]
	r.mu.Lock()
	r.state = State{Generation: 12, Active: names.ID, Keys: []KeyState{{ID: names.ID, KVT: names.KVT, Active: true}}, PinsDigest: [32]byte{3}, Loaded: true}
	r.mu.Unlock()
	state, err := c.Status(ctx)
	if err != nil || state.Generation != 12 || state.Active != names.ID || len(state.Keys) != 1 || state.PinsDigest != [32]byte{3} {
		t.Errorf("state %+v, %v", state, err)
	}
	if n := r.agent.sessions.len(); n != 0 {
		t.Errorf("%d sessions are left, status has none", n)
	}
}

// TestRefusalsOfApply: every status arrives signed, with its text and without its detail; other errors as failed.
func TestRefusalsOfApply(t *testing.T) {
	r := newRig(t)
	c := r.dial(r.serve())
	for s := StatusDenied; s <= StatusFailed; s++ {
		r.refuse = fmt.Errorf("wrapped: %w", &Refusal{Status: s, Detail: "only for the log", RetryAfter: 3 * time.Second})
		_, err := c.Send(context.Background(), testPackage(t, 1))
		var refusal *Refusal
		if !errors.As(err, &refusal) || refusal.Status != s || !refusal.Signed || refusal.RetryAfter != 3*time.Second {
			t.Errorf("%s: %v", s, err)
			continue
		}
		if strings.Contains(err.Error(), "log") && s != StatusFailed || err.Error() != s.Text() || s.Next() == "" || strings.Contains(s.Text(), "\n") {
			t.Errorf("%s: text %q, next %q", s, err, s.Next())
		}
		if errors.Is(err, ErrExpired) != (s == StatusSession) {
			t.Errorf("%s matches ErrExpired wrongly", s)
		}
		if e := r.lastEvent(); e.Status != s || e.Detail != "only for the log" || e.Admin == nil || e.Generation != 7 || len(e.Keys) != 1 {
			t.Errorf("%s: event %+v", s, e)
		}
	}
	r.refuse = errors.New("no space left on device")
	if _, err := c.Send(context.Background(), testPackage(t, 1)); statusOf(t, err) != StatusFailed {
		t.Errorf("another error: %v", err)
	}
	if e := r.lastEvent(); !strings.Contains(e.Detail, "no space left") {
		t.Errorf("event %+v", e)
	}
}

// TestPackageIsWipedUnlessApplied: when Apply refuses or panics, the agent wipes what it opened.
func TestPackageIsWipedUnlessApplied(t *testing.T) {
	for name, end := range map[string]func() error{
		"refused": func() error { return &Refusal{Status: StatusPins} },
		"panic":   func() error { panic("at the disco") },
	} {
		var got *Package
		r := newRig(t, func(c *AgentConfig) {
			c.Apply = func(_ context.Context, q Request) (Receipt, error) {
				got = q.Package
				return Receipt{}, end()
			}
		})
		_, m3 := r.seal()
		if _, err := r.agent.Key(context.Background(), home, m3); err == nil {
			t.Errorf("%s: no error", name)
		}
		if err := got.Keys[0].Master.Use(func([]byte) {}); err == nil {
			t.Errorf("%s: the master is still there", name)
		}
	}
}

// TestApplyOutlivesTheConnection: a package is carried out to the end also when its sender hangs up.
func TestApplyOutlivesTheConnection(t *testing.T) {
	var seen error
	r := newRig(t)
	ctx, cancel := context.WithCancel(context.Background())
	inner := r.agent.cfg.Apply
	r.agent.cfg.Apply = func(ctx context.Context, q Request) (Receipt, error) {
		cancel()
		seen = ctx.Err()
		return inner(ctx, q)
	}
	_, m3 := r.seal()
	if _, err := r.agent.Key(ctx, home, m3); err != nil || seen != nil {
		t.Errorf("%v; Apply's context: %v", err, seen)
	}
}

// TestClockOffByADay: refused like everything else, and the client can tell why all the same.
func TestClockOffByADay(t *testing.T) {
	for _, off := range []time.Duration{24 * time.Hour, -24 * time.Hour, DefaultMaxClockSkew + 2*time.Second} {
		r := newRig(t)
		r.advance(off)
		c := r.dial(r.serve())
		_, err := c.Send(context.Background(), testPackage(t, 1))
		if !errors.Is(err, ErrClock) {
			t.Errorf("off by %s: %v", off, err)
		}
		if e := r.lastEvent(); e.Status != StatusDenied || !strings.Contains(e.Detail, "clock") {
			t.Errorf("event %+v", e)
		}
	}
	r := newRig(t, func(c *AgentConfig) { c.NoClock = true })
	r.advance(-50 * 365 * 24 * time.Hour) // 1970, as after a boot without a battery
	if _, err := r.dial(r.serve()).Send(context.Background(), testPackage(t, 1)); err != nil {
		t.Errorf("a server that goes without a clock: %v", err)
	}
	r = newRig(t)
	r.advance(DefaultMaxClockSkew - 5*time.Second)
	if _, err := r.dial(r.serve()).Send(context.Background(), testPackage(t, 1)); err != nil {
		t.Errorf("off by less than the window: %v", err)
	}
}

// TestWrongFingerprint: the admin hears which one the server presents; nothing secret leaves.
func TestWrongFingerprint(t *testing.T) {
	r := newRig(t)
	c := r.dial(r.serve(), func(c *ClientConfig) { c.Server[0] ^= 1 })
	_, err := c.Send(context.Background(), testPackage(t, 1))
	if !errors.Is(err, ErrFingerprint) || !strings.Contains(err.Error(), r.agent.Fingerprint().String()) {
		t.Errorf("got %v", err)
	}
}

// TestExpiredSession: an M3 that comes too late is refused, signed, and its key is gone without anybody asking.
func TestExpiredSession(t *testing.T) {
	r := newRig(t)
	x, m3 := r.seal()
	r.advance(DefaultSessionLife)
	m4e, err := r.agent.Key(context.Background(), home, m3)
	if !errors.Is(err, ErrExpired) {
		t.Errorf("the agent: %v", err)
	}
	_, err = x.Finish(m4e)
	if !errors.Is(err, ErrExpired) {
		t.Errorf("the client: %v", err)
	}

	quick := newRig(t, func(c *AgentConfig) { c.SessionLife = 20 * time.Millisecond })
	quick.seal()
	deadline := time.Now().Add(20 * time.Second)
	for quick.agent.sessions.len() != 0 {
		if time.Now().After(deadline) {
			t.Fatal("the ephemeral key of a session that nobody uses stays")
		}
		time.Sleep(time.Millisecond)
	}
}

// TestAdminRemovedMidway: the list counts when the package arrives.
func TestAdminRemovedMidway(t *testing.T) {
	for name, list := range map[string][]Admin{
		"removed":  nil,
		"less may": {{Public: testSigner(t, 2).Public(), Roles: Roles(RoleStatus), Name: "alice"}},
	} {
		r := newRig(t)
		x, m3 := r.seal()
		r.setAdmins(list...)
		m4e, err := r.agent.Key(context.Background(), home, m3)
		if statusOf(t, err) != StatusDenied || r.appliedCount() != 0 {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := x.Finish(m4e); statusOf(t, err) != StatusDenied {
			t.Errorf("%s: the client: %v", name, err)
		}
	}
}

// TestServersThatAreNone: each wrong answer is the right error, and never a hang or a panic.
func TestServersThatAreNone(t *testing.T) {
	r := newRig(t)
	for name, c := range map[string]struct {
		handler http.HandlerFunc
		want    error
	}{
		"HTML":      {func(w http.ResponseWriter, _ *http.Request) { io.WriteString(w, "<html>") }, ErrUnreachable},
		"not found": {http.NotFound, ErrUnreachable},
		"redirect": {func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://elsewhere.invalid/", http.StatusTemporaryRedirect)
		}, ErrUnreachable},
		"endless": {func(w http.ResponseWriter, _ *http.Request) {
			for range 1000 {
				if _, err := w.Write(make([]byte, 1<<10)); err != nil {
					return
				}
			}
		}, ErrUnreachable},
		"hangs up": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, ErrUnreachable},
	} {
		s := httptest.NewServer(c.handler)
		client := r.dial(s.URL)
		_, err := client.Send(context.Background(), testPackage(t, 1))
		if !errors.Is(err, c.want) {
			t.Errorf("%s: %v", name, err)
		}
		s.Close()
		if _, err := client.Status(context.Background()); !errors.Is(err, ErrUnreachable) {
			t.Errorf("%s, closed: %v", name, err)
		}
	}
}

// TestLostAnswerIsUnconfirmed: after M3 left, the client never says "failed" on the word of a connection.
func TestLostAnswerIsUnconfirmed(t *testing.T) {
	for name, end := range map[string]func(w http.ResponseWriter){
		"cut":      func(http.ResponseWriter) { panic(http.ErrAbortHandler) },
		"denied":   func(w http.ResponseWriter) { http.Error(w, "denied", http.StatusForbidden) },
		"empty":    func(http.ResponseWriter) {},
		"busy":     func(w http.ResponseWriter) { http.Error(w, "busy", http.StatusTooManyRequests) },
		"a page":   func(w http.ResponseWriter) { io.WriteString(w, "<html>") },
		"too much": func(w http.ResponseWriter) { w.Write(make([]byte, 2*maxReply)) },
	} {
		r := newRig(t)
		h := r.agent.Handler(func() bool { return true })
		s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
			if q.URL.Path != "/key" {
				h.ServeHTTP(w, q)
				return
			}
			h.ServeHTTP(httptest.NewRecorder(), q)
			end(w)
		}))
		_, err := r.dial(s.URL).Send(context.Background(), testPackage(t, 1))
		if !errors.Is(err, ErrUnconfirmed) || errors.Is(err, ErrUnreachable) || errors.As(err, new(*Refusal)) || r.appliedCount() != 1 {
			t.Errorf("%s: %v, carried out %d times", name, err, r.appliedCount())
		}
		s.Close()
	}
}

// TestBusyIsAskedAgain: a short "busy" is waited for, a long one is the caller's to know.
func TestBusyIsAskedAgain(t *testing.T) {
	r := newRig(t)
	h := r.agent.Handler(func() bool { return true })
	var left atomic.Int32
	retry := "1"
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if left.Add(-1) >= 0 {
			w.Header().Set("Retry-After", retry)
			w.WriteHeader(http.StatusTooManyRequests)
			return
		}
		h.ServeHTTP(w, q)
	}))
	defer s.Close()
	c := r.dial(s.URL)
	left.Store(1)
	if _, err := c.Status(context.Background()); err != nil {
		t.Errorf("busy once: %v", err)
	}
	left.Store(1)
	retry = "300"
	_, err := c.Status(context.Background())
	var refusal *Refusal
	if !errors.As(err, &refusal) || refusal.Status != StatusBusy || refusal.RetryAfter != 300*time.Second || refusal.Signed {
		t.Errorf("busy for five minutes: %v", err)
	}
	left.Store(100)
	retry = "1"
	ctx, cancel := context.WithTimeout(context.Background(), 50*time.Millisecond)
	defer cancel()
	if _, err := c.Status(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("waiting beyond the context: %v", err)
	}
}

func TestClientConfigNamesTheBadField(t *testing.T) {
	good := ClientConfig{URL: "https://keys.example:7070", Server: Fingerprint{1}, Identity: testSigner(t, 2)}
	for want, change := range map[string]func(*ClientConfig){
		"URL is not":   func(c *ClientConfig) { c.URL = "keys.example:7070" },
		"URL is http ": func(c *ClientConfig) { c.URL = "http://keys.example:7070" },
		"scheme":       func(c *ClientConfig) { c.URL = "ftp://keys.example" },
		"https://host": func(c *ClientConfig) { c.URL = "https://a:b@keys.example" },
		"Server":       func(c *ClientConfig) { c.Server = Fingerprint{} },
		"Identity":     func(c *ClientConfig) { c.Identity = nil },
	} {
		c := good
		change(&c)
		if _, err := NewClient(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("want %q, got %v", want, err)
		}
	}
	for _, url := range []string{"https://keys.example:7070/", "http://127.0.0.1:7070", "http://[::1]:7070", "http://localhost:7070"} {
		c := good
		c.URL = url
		if _, err := NewClient(c); err != nil {
			t.Errorf("%s: %v", url, err)
		}
	}
}

// TestPackageForAnotherOpIsRefused: a role for one op opens no session for another.
func TestPackageForAnotherOpIsRefused(t *testing.T) {
	r := newRig(t)
	r.setAdmins(Admin{Public: r.admin.Public(), Roles: Roles(RoleShare), Name: "holder"})
	x, _, m2 := r.begin(OpShare)
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	x.op = OpDeliver // an admin's tool that plays false
	m3, err := x.Seal(testPackage(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.agent.Key(context.Background(), home, m3); statusOf(t, err) != StatusMalformed || r.appliedCount() != 0 {
		t.Errorf("a delivery in a session for a share: %v", err)
	}
	x, _, m2 = r.begin(OpShare)
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	if _, err := x.Seal(testPackage(t, 1)); !errors.Is(err, ErrPackage) {
		t.Errorf("the client itself: %v", err)
	}
}

// TestReplayedM1EndsNoLockout: a recorded M1 is not worth a signature check, and buys its sender nothing.
func TestReplayedM1EndsNoLockout(t *testing.T) {
	r := newRig(t)
	_, m1, _ := r.begin(OpDeliver)
	ctx := context.Background()
	for range DefaultMaxFailed {
		if _, err := r.agent.Challenge(ctx, other, m1); statusOf(t, err) != StatusDenied {
			t.Fatal(err)
		}
	}
	for range 3 {
		if _, err := r.agent.Challenge(ctx, other, m1); statusOf(t, err) != StatusBusy {
			t.Errorf("a replay from a source that is locked out: %v", err)
		}
	}
	r.mustDeliver(other)
}

// TestServerGoneBeforeM3IsUnreachable: where no connection came about, nothing was sent, and the client says so.
func TestServerGoneBeforeM3IsUnreachable(t *testing.T) {
	r := newRig(t)
	h := r.agent.Handler(func() bool { return true })
	var s *httptest.Server
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		w.Header().Set("Connection", "close")
		s.Listener.Close()
		h.ServeHTTP(w, q)
	}))
	defer s.Close()
	_, err := r.dial(s.URL).Send(context.Background(), testPackage(t, 1))
	if !errors.Is(err, ErrUnreachable) || errors.Is(err, ErrUnconfirmed) {
		t.Errorf("got %v", err)
	}
}

// TestAllowListIsBounded: what strangers can make the agent search has an end.
func TestAllowListIsBounded(t *testing.T) {
	r := newRig(t, patient)
	var list []Admin
	for i := range MaxAdmins {
		list = append(list, Admin{Public: testSigner(t, byte(100+i)).Public(), Roles: Roles(RoleDeliver)})
	}
	r.setAdmins(append(list[:MaxAdmins-1:MaxAdmins-1], r.list()...)...)
	r.mustDeliver(home) // the last one
	r.setAdmins(append(list, Admin{Public: r.admin.Public(), Roles: Roles(RoleDeliver)})...)
	_, m1, err := r.client(r.admin).Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := r.agent.Challenge(context.Background(), home, m1); statusOf(t, err) != StatusDenied {
		t.Errorf("one too many: %v", err)
	}
}
