package memkey

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"
)

func do(t *testing.T, h http.Handler, method, target string, body io.Reader) *http.Response {
	t.Helper()
	w := httptest.NewRecorder()
	r := httptest.NewRequest(method, target, body)
	h.ServeHTTP(w, r)
	return w.Result()
}

// TestRefusalsBeforeTheAdminIsKnownReadAlike: same code, same bytes, same headers, whatever the reason.
func TestRefusalsBeforeTheAdminIsKnownReadAlike(t *testing.T) {
	r := newRig(t, patient)
	fixed := time.Now()
	r.agent.cfg.Now = func() time.Time { return fixed } // the Date header, too
	h := r.agent.Handler(func() bool { return true })
	nonce := byte(0)
	m1 := func(change func(*message1), by Signer) []byte {
		nonce++ // else one check could stand in for another
		m := message1{admin: AdminFingerprint(r.admin.Public()), server: r.agent.Fingerprint(), unix: uint64(fixed.Unix()), op: OpDeliver, nonce: [nonceSize]byte{nonce}}
		change(&m)
		b := m.append(nil)
		sig, err := sign(by, labelM1, b)
		if err != nil {
			t.Fatal(err)
		}
		return append(b, sig...)
	}
	good := m1(func(*message1) {}, r.admin)
	if _, err := r.agent.Challenge(context.Background(), home, good); err != nil {
		t.Fatal(err)
	}
	bodies := map[string][]byte{
		"empty": nil, "short": good[:100], "long": append(m1(func(*message1) {}, r.admin), 0), "zeros": make([]byte, m1Size), "replayed": good,
		"another server":  m1(func(m *message1) { m.server[0]++ }, r.admin),
		"unlisted":        m1(func(m *message1) { m.admin[0]++ }, r.admin),
		"an unknown op":   m1(func(m *message1) { m.op = 9 }, r.admin),
		"a wrong clock":   m1(func(m *message1) { m.unix += 1000 }, r.admin),
		"a far clock":     m1(func(m *message1) { m.unix = 1<<64 - 1 }, r.admin),
		"time zero":       m1(func(m *message1) { m.unix = 0 }, r.admin),
		"a wrong signer":  m1(func(*message1) {}, testSigner(t, 0x44)),
		"oversized":       make([]byte, MaxBody+1),
		"JSON":            []byte(`{"challenge":"AAAA"}`),
		"another version": append([]byte("MEMKEY3\x00"), good[8:]...),
	}
	r.setAdmins(append(r.list(), Admin{Public: testSigner(t, 0x45).Public(), Roles: Roles(RoleStatus)}, Admin{Public: []byte{1, 2}})...)
	bodies["without the role"] = m1(func(m *message1) { m.admin = AdminFingerprint(testSigner(t, 0x45).Public()) }, testSigner(t, 0x45))
	seen := make(map[string]string)
	note := func(name string, response *http.Response) {
		body, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		seen[fmt.Sprint(response.StatusCode, response.Header, string(body))] = name
	}
	for name, body := range bodies {
		note(name, do(t, h, "POST", "/challenge", bytes.NewReader(body)))
		note(name+" as a query", do(t, h, "GET", "/challenge?m1="+base64.RawURLEncoding.EncodeToString(body), nil))
		note(name+" at /key", do(t, h, "POST", "/key", bytes.NewReader(body)))
	}
	note("no query", do(t, h, "GET", "/challenge", nil))
	note("bad base64", do(t, h, "GET", "/challenge?m1=%%", nil))
	note("a body of unknown length", do(t, h, "POST", "/key", io.MultiReader(bytes.NewReader(make([]byte, 3000)))))
	if len(seen) != 1 {
		t.Errorf("%d different refusals:", len(seen))
		for text, name := range seen {
			t.Errorf("%s: %.300s", name, text)
		}
	}
	for text := range seen {
		if !strings.HasPrefix(text, "403") || !strings.HasSuffix(text, "denied\n") {
			t.Errorf("the refusal is %s", text)
		}
	}
}

func TestChallengeByQuery(t *testing.T) {
	r := newRig(t)
	h := r.agent.Handler(func() bool { return true })
	x, m1, err := r.client(r.admin).Begin(OpStatus)
	if err != nil {
		t.Fatal(err)
	}
	response := do(t, h, "GET", "/challenge?m1="+base64.RawURLEncoding.EncodeToString(m1), nil)
	m2, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != http.StatusOK || response.Header.Get("Content-Type") != binaryType {
		t.Fatalf("%d, %v", response.StatusCode, err)
	}
	if _, err := x.Challenge(m2); err != nil {
		t.Error(err)
	}
}

func TestStatusAndHealthTellOneBit(t *testing.T) {
	r := newRig(t)
	ready := false
	h := r.agent.Handler(func() bool { return ready })
	for _, want := range []struct {
		ready  bool
		status string
		health int
	}{{false, "{\"ready\":false}\n", 503}, {true, "{\"ready\":true}\n", 200}} {
		ready = want.ready
		status := do(t, h, "GET", "/status", nil)
		body, _ := io.ReadAll(status.Body)
		if string(body) != want.status || status.StatusCode != 200 {
			t.Errorf("status %d %q", status.StatusCode, body)
		}
		health := do(t, h, "GET", "/health", nil)
		body, _ = io.ReadAll(health.Body)
		if health.StatusCode != want.health || len(body) != 0 {
			t.Errorf("health %d %q", health.StatusCode, body)
		}
	}
	for _, c := range []struct{ method, target string }{{"PUT", "/key"}, {"GET", "/key"}, {"GET", "/key/raw"}, {"DELETE", "/challenge"}, {"GET", "/"}, {"POST", "/status"}} {
		if response := do(t, h, c.method, c.target, nil); response.StatusCode < 400 {
			t.Errorf("%s %s: %d", c.method, c.target, response.StatusCode)
		}
	}
}

// TestSlowBodyIsCut: a peer that trickles its body loses the connection, and cannot hold memory meanwhile.
func TestSlowBodyIsCut(t *testing.T) {
	r := newRig(t)
	if r.agent.readTime != readTime {
		t.Errorf("the deadline is %s", r.agent.readTime)
	}
	r.agent.readTime = 100 * time.Millisecond
	s := httptest.NewServer(r.agent.Handler(func() bool { return true }))
	defer s.Close()
	conn, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	fmt.Fprintf(conn, "POST /key HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%s\x03", m3Fixed+packageUnit+aeadTag, magic)
	start := time.Now()
	if err := conn.SetReadDeadline(start.Add(readTime + 20*time.Second)); err != nil {
		t.Fatal(err)
	}
	answer, err := io.ReadAll(conn)
	if err != nil {
		t.Fatalf("after %s: %v", time.Since(start), err)
	}
	if !bytes.HasPrefix(answer, []byte("HTTP/1.1 403")) {
		t.Errorf("answer %q", answer)
	}
}

// TestAgentThatCannotAnswer: an identity or a state that fails is no crash, no detail outside, and one line in the log.
func TestAgentThatCannotAnswer(t *testing.T) {
	broken := brokenSigner{testSigner(t, 1)}
	for name, change := range map[string]func(*AgentConfig){
		"identity":   func(c *AgentConfig) { c.Identity = broken },
		"state":      func(c *AgentConfig) { c.State = func() State { return State{Loaded: true} } },
		"randomness": func(c *AgentConfig) { c.Rand = strings.NewReader("short") },
	} {
		r := newRig(t, change)
		h := r.agent.Handler(func() bool { return true })
		_, m1, err := r.client(r.admin).Begin(OpDeliver)
		if err != nil {
			t.Fatal(err)
		}
		response := do(t, h, "POST", "/challenge", bytes.NewReader(m1))
		body, _ := io.ReadAll(response.Body)
		if response.StatusCode != 503 || string(body) != "failed\n" {
			t.Errorf("%s: %d %q", name, response.StatusCode, body)
		}
		if e := r.lastEvent(); e.Status != StatusFailed || e.Detail == "" {
			t.Errorf("%s: event %+v", name, e)
		}
		if n := r.agent.sessions.len(); n != 0 {
			t.Errorf("%s: %d sessions", name, n)
		}
	}
	r := newRig(t)
	x, m3 := r.seal()
	_ = x
	r.agent.cfg.Identity, r.refuse = broken, &Refusal{Status: StatusPins}
	response := do(t, r.agent.Handler(func() bool { return true }), "POST", "/key", bytes.NewReader(m3))
	if body, _ := io.ReadAll(response.Body); response.StatusCode != 503 || string(body) != "failed\n" {
		t.Errorf("no signature for an M4e: %d %q", response.StatusCode, body)
	}
}

type brokenSigner struct{ Signer }

func (brokenSigner) Sign([]byte) ([]byte, error) { return []byte("short"), nil }

func TestAgentConfigNamesTheBadField(t *testing.T) {
	r := newRig(t)
	for want, change := range map[string]func(*AgentConfig){
		"Identity": func(c *AgentConfig) { c.Identity = nil }, "BootID": func(c *AgentConfig) { c.BootID = [16]byte{} },
		"Admins": func(c *AgentConfig) { c.Admins = nil }, "State": func(c *AgentConfig) { c.State = nil },
		"Apply": func(c *AgentConfig) { c.Apply = nil }, "Audit": func(c *AgentConfig) { c.Audit = nil },
		"SessionLife":  func(c *AgentConfig) { c.SessionLife = time.Hour },
		"MaxClockSkew": func(c *AgentConfig) { c.MaxClockSkew = -1 },
		"MaxFailed":    func(c *AgentConfig) { c.MaxFailed = -1 }, "Lockout": func(c *AgentConfig) { c.Lockout = -1 },
	} {
		c := r.agent.cfg
		change(&c)
		if _, err := NewAgent(c); err == nil || !strings.Contains(err.Error(), want+" is") {
			t.Errorf("want %s, got %v", want, err)
		}
	}
	c := r.agent.cfg
	c.SessionLife, c.MaxClockSkew, c.MaxFailed, c.Lockout, c.Now = 0, 0, 0, 0, nil
	a, err := NewAgent(c)
	if err != nil || a.cfg.SessionLife != DefaultSessionLife || a.cfg.MaxFailed != DefaultMaxFailed || a.cfg.Lockout != DefaultLockout ||
		a.cfg.MaxClockSkew != DefaultMaxClockSkew || a.cfg.Now == nil {
		t.Errorf("defaults: %v", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("Handler without ready does not panic")
		}
	}()
	a.Handler(nil)
}

// TestIdentityCertificate: it says nothing but the key, and is the same at every start.
func TestIdentityCertificate(t *testing.T) {
	one, err := IdentityCertificate(testSigner(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	two, err := IdentityCertificate(testSigner(t, 1))
	if err != nil || !bytes.Equal(one.Certificate[0], two.Certificate[0]) {
		t.Errorf("not the same at every start, %v", err)
	}
	if _, err := IdentityCertificate(brokenSigner{testSigner(t, 1)}); err == nil {
		t.Error("a broken identity gets a certificate")
	}
}
