package memkey

import (
	"context"
	"crypto/ed25519"
	"errors"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

// A rig is an agent with its clock, its admin, and everything it was told and said.
type rig struct {
	t      testing.TB
	agent  *Agent
	server Signer
	admin  Signer // has all roles

	mu      sync.Mutex
	offset  time.Duration
	admins  []Admin
	events  []Event
	applied []*appliedPackage
	state   State
	refuse  error // of Apply
}

// An appliedPackage is a copy of what Apply got, with the masters in clear.
type appliedPackage struct {
	Request
	masters [][]byte
}

var (
	home  = netip.MustParseAddr("192.0.2.10")
	other = netip.MustParseAddr("198.51.100.7")
)

func newRig(t testing.TB, change ...func(*AgentConfig)) *rig {
	t.Helper()
	r := &rig{t: t, server: testSigner(t, 1), admin: testSigner(t, 2)}
	r.admins = []Admin{{Public: r.admin.Public(), Roles: 1<<len(roleNames) - 1, Name: "alice"}}
	c := AgentConfig{
		Identity: r.server, BootID: [16]byte{0xb0, 0x07}, Admins: r.list, State: r.currentState, Apply: r.apply,
		Audit: r.audit, Now: r.now,
	}
	for _, f := range change {
		f(&c)
	}
	agent, err := NewAgent(c)
	if err != nil {
		t.Fatal(err)
	}
	r.agent = agent
	return r
}

func patient(c *AgentConfig) { c.MaxFailed = 1 << 30 } // no lockout: tests that look at each refusal

func (r *rig) now() time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	return time.Now().Add(r.offset)
}

func (r *rig) advance(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.offset += d
}

func (r *rig) list() []Admin {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.admins
}

func (r *rig) setAdmins(admins ...Admin) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.admins = admins
}

func (r *rig) currentState() State {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.state
}

func (r *rig) audit(e Event) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.events = append(r.events, e)
}

func (r *rig) lastEvent() Event {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.events) == 0 {
		r.t.Fatal("no event")
	}
	return r.events[len(r.events)-1]
}

func (r *rig) apply(_ context.Context, q Request) (Receipt, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.refuse != nil {
		return Receipt{}, r.refuse
	}
	got := &appliedPackage{Request: q}
	receipt := Receipt{Generation: q.Package.Generation, AuditSeq: uint64(len(r.applied) + 1), AuditHead: [32]byte{0xaa}}
	for _, k := range q.Package.Keys {
		var master []byte
		if err := k.Master.Use(func(key []byte) { master = append(master, key...) }); err != nil {
			r.t.Errorf("Apply got a wiped master: %v", err)
		}
		got.masters = append(got.masters, master)
		receipt.Keys = append(receipt.Keys, KeyState{ID: k.ID, KVT: k.KVT, Active: k.Active})
		if k.Active {
			receipt.Active = k.ID
		}
	}
	q.Package.Wipe()
	r.applied = append(r.applied, got)
	return receipt, nil
}

func (r *rig) appliedCount() int {
	r.mu.Lock()
	defer r.mu.Unlock()
	return len(r.applied)
}

// client is an admin without transport.
func (r *rig) client(identity Signer) *Client {
	c, err := NewClient(ClientConfig{URL: "https://agent.invalid", Server: r.agent.Fingerprint(), Identity: identity})
	if err != nil {
		r.t.Fatal(err)
	}
	return c
}

// begin does M1 and M2.
func (r *rig) begin(op Op) (x *Exchange, m1, m2 []byte) {
	r.t.Helper()
	x, m1, err := r.client(r.admin).Begin(op)
	if err != nil {
		r.t.Fatal(err)
	}
	m2, err = r.agent.Challenge(context.Background(), home, m1)
	if err != nil {
		r.t.Fatal(err)
	}
	return x, m1, m2
}

// seal does M1 to M3 with a package of one key.
func (r *rig) seal() (x *Exchange, m3 []byte) {
	r.t.Helper()
	x, _, m2 := r.begin(OpDeliver)
	if _, err := x.Challenge(m2); err != nil {
		r.t.Fatal(err)
	}
	m3, err := x.Seal(testPackage(r.t, 1))
	if err != nil {
		r.t.Fatal(err)
	}
	return x, m3
}

// mustDeliver proves that the real admin is served, from the given source.
func (r *rig) mustDeliver(source netip.Addr) {
	r.t.Helper()
	ctx := context.Background()
	x, m1, err := r.client(r.admin).Begin(OpDeliver)
	if err != nil {
		r.t.Fatal(err)
	}
	m2, err := r.agent.Challenge(ctx, source, m1)
	if err != nil {
		r.t.Fatalf("the admin is refused: %v", err)
	}
	if _, err := x.Challenge(m2); err != nil {
		r.t.Fatal(err)
	}
	m3, err := x.Seal(testPackage(r.t, 1))
	if err != nil {
		r.t.Fatal(err)
	}
	m4, err := r.agent.Key(ctx, source, m3)
	if err != nil {
		r.t.Fatalf("the admin's package is refused: %v", err)
	}
	if _, err := x.Finish(m4); err != nil {
		r.t.Fatal(err)
	}
}

// serve runs the agent over TLS and returns its URL.
func (r *rig) serve() string {
	r.t.Helper()
	cert, err := IdentityCertificate(r.server)
	if err != nil {
		r.t.Fatal(err)
	}
	server := NewServer(r.agent, cert, func() bool { return r.appliedCount() > 0 })
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		r.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.ServeTLS(NewListener(l), "", "") }()
	r.t.Cleanup(func() {
		server.Close()
		if err := <-done; !errors.Is(err, http.ErrServerClosed) {
			r.t.Errorf("the server ended: %v", err)
		}
	})
	return "https://" + l.Addr().String()
}

// dial is an admin over TLS.
func (r *rig) dial(url string, change ...func(*ClientConfig)) *Client {
	r.t.Helper()
	config := ClientConfig{URL: url, Server: r.agent.Fingerprint(), Identity: r.admin}
	for _, f := range change {
		f(&config)
	}
	c, err := NewClient(config)
	if err != nil {
		r.t.Fatal(err)
	}
	r.t.Cleanup(c.cfg.HTTP.CloseIdleConnections)
	return c
}

func testSigner(t testing.TB, n byte) Signer {
	t.Helper()
	seed := make([]byte, ed25519.SeedSize)
	for i := range seed {
		seed[i] = n
	}
	s, err := NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// testMaster is key number n.
func testMaster(n int) []byte {
	master := make([]byte, masterSize)
	for i := range master {
		master[i] = byte(0x40 + 7*n + i)
	}
	return master
}

func testKey(t testing.TB, n int) PackageKey {
	t.Helper()
	names, err := format.DeriveKeys(testMaster(n))
	if err != nil {
		t.Fatal(err)
	}
	secret, err := keyagent.NewSecret(testMaster(n))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(secret.Wipe)
	return PackageKey{ID: names.ID(), KVT: names.KVT(), Master: secret, Active: n == 0, Label: "key"}
}

// testPackage delivers the keys 0 to n-1 with a pin.
func testPackage(t testing.TB, n int) *Package {
	t.Helper()
	p := &Package{Op: OpDeliver, Generation: 7, Pins: []BucketPin{{Name: "backups", ID: format.BucketID{0xbb}}}}
	for i := range n {
		p.Keys = append(p.Keys, testKey(t, i))
	}
	return p
}

// statusOf is the status of a refusal, StatusOK for nil.
func statusOf(t testing.TB, err error) Status {
	t.Helper()
	if err == nil {
		return StatusOK
	}
	var r *Refusal
	if !errors.As(err, &r) {
		t.Fatalf("not a refusal: %v", err)
	}
	return r.Status
}
