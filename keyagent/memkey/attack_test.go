package memkey

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"
)

// Each attack here took the key, the server or the admin's access away in the earlier protocol.

// relay is a man in the middle: TLS of its own towards the admin, requests passed on to the server, answers changed.
func relay(t *testing.T, server string, change func(path string, request, answer []byte) []byte) string {
	t.Helper()
	cert, err := IdentityCertificate(testSigner(t, 0x66))
	if err != nil {
		t.Fatal(err)
	}
	upstream := &http.Client{Transport: &http.Transport{TLSClientConfig: clientTLS()}}
	t.Cleanup(upstream.CloseIdleConnections)
	s := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		request, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		response, err := upstream.Post(server+r.URL.Path, binaryType, bytes.NewReader(request))
		if err != nil {
			t.Errorf("relay: %v", err)
			return
		}
		defer response.Body.Close()
		answer, err := io.ReadAll(response.Body)
		if err != nil {
			t.Errorf("relay: %v", err)
		}
		w.WriteHeader(response.StatusCode)
		_, _ = w.Write(change(r.URL.Path, request, answer))
	}))
	s.TLS = ServerTLS(cert)
	s.StartTLS()
	t.Cleanup(s.Close)
	return s.URL
}

// TestAttackKeySwappingRelay: a relay that puts its own key into M2 gets no package, whoever it says it is.
func TestAttackKeySwappingRelay(t *testing.T) {
	r := newRig(t, patient)
	server := r.serve()
	own, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	const kemAt = m2Fixed - sigSize - 2 - kemKeySize
	swap := func(m2 []byte) []byte {
		copy(m2[kemAt:], own.PublicKey().Bytes())
		return m2
	}
	resign := func(m2, m1 []byte, by Signer) []byte {
		h1 := hashOf(m1)
		sig, err := sign(by, labelM2, h1[:], m2[:len(m2)-sigSize])
		if err != nil {
			t.Fatal(err)
		}
		return append(m2[:len(m2)-sigSize:len(m2)-sigSize], sig...)
	}
	for name, change := range map[string]func(m1, m2 []byte) []byte{
		"key swapped":                      func(_, m2 []byte) []byte { return swap(m2) },
		"key swapped, signed by the relay": func(m1, m2 []byte) []byte { return resign(swap(m2), m1, testSigner(t, 0x66)) },
		"key and identity those of the relay": func(m1, m2 []byte) []byte {
			relay := testSigner(t, 0x66)
			copy(m2[magicSize+3:], relay.Public())
			return resign(swap(m2), m1, relay)
		},
	} {
		t.Run(name, func(t *testing.T) {
			var sent atomic.Int32
			url := relay(t, server, func(path string, m1, answer []byte) []byte {
				if path != "/challenge" {
					sent.Add(1)
					return answer
				}
				return change(m1, answer)
			})
			_, err := r.dial(url).Send(context.Background(), testPackage(t, 1))
			if !errors.Is(err, ErrFingerprint) {
				t.Errorf("the admin gets %v", err)
			}
			if sent.Load() != 0 {
				t.Error("the admin sent an M3")
			}
		})
	}
	// A relay that changes nothing is harmless, and shows that this one works.
	url := relay(t, server, func(_ string, _, answer []byte) []byte { return answer })
	if _, err := r.dial(url).Send(context.Background(), testPackage(t, 1)); err != nil {
		t.Errorf("through an honest relay: %v", err)
	}
	if r.appliedCount() != 1 {
		t.Errorf("%d packages", r.appliedCount())
	}
}

// TestAttackLyingReply: nobody but who opened the package can say that it is loaded.
func TestAttackLyingReply(t *testing.T) {
	r := newRig(t, patient)
	url := relay(t, r.serve(), func(path string, m3, answer []byte) []byte {
		if path != "/key" {
			return answer
		}
		m4, err := appendM4(nil, [sessionSize]byte(m3[magicSize+1:]), Receipt{Generation: 7})
		if err != nil {
			t.Error(err)
		}
		return append(m4, make([]byte, macSize)...)
	})
	if _, err := r.dial(url).Send(context.Background(), testPackage(t, 1)); !errors.Is(err, ErrUnconfirmed) {
		t.Errorf("a receipt without the key: %v", err)
	}
}

// TestAttackForeignAdmin: who is not listed, or not for this, delivers nothing; also not in the name of who is.
func TestAttackForeignAdmin(t *testing.T) {
	r := newRig(t, patient)
	url := r.serve()
	foreign := testSigner(t, 0x77)
	ctx := context.Background()
	if _, err := r.dial(url, func(c *ClientConfig) { c.Identity = foreign }).Send(ctx, testPackage(t, 1)); statusOf(t, err) != StatusDenied {
		t.Errorf("a foreign admin: %v", err)
	}
	impostor := liar{Signer: foreign, public: r.admin.Public()}
	if _, err := r.dial(url, func(c *ClientConfig) { c.Identity = impostor }).Send(ctx, testPackage(t, 1)); statusOf(t, err) != StatusDenied {
		t.Errorf("a foreign admin in another's name: %v", err)
	}
	// A listed admin's session, and an M3 signed by someone else, also if that one is listed.
	r.setAdmins(append(r.list(), Admin{Public: foreign.Public(), Roles: Roles(RoleStatus), Name: "bob"})...)
	x, _, m2 := r.begin(OpDeliver)
	x.client.cfg.Identity = foreign
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	m3, err := x.Seal(testPackage(t, 1))
	if err != nil {
		t.Fatal(err)
	}
	m4e, err := r.agent.Key(ctx, home, m3)
	if statusOf(t, err) != StatusDenied || m4e == nil {
		t.Errorf("a package by another admin in this one's session: %v", err)
	}
	if _, err := r.dial(url, func(c *ClientConfig) { c.Identity = foreign }).Send(ctx, testPackage(t, 1)); statusOf(t, err) != StatusDenied {
		t.Errorf("an admin without the role: %v", err)
	}
	if _, err := r.dial(url, func(c *ClientConfig) { c.Identity = foreign }).Status(ctx); err != nil {
		t.Errorf("an admin with the role: %v", err)
	}
	if r.appliedCount() != 0 {
		t.Error("a foreign package was carried out")
	}
}

// A liar says that it is somebody else.
type liar struct {
	Signer
	public ed25519.PublicKey
}

func (l liar) Public() ed25519.PublicKey { return l.public }

// TestAttackRecordedSessionAndStolenIdentity: all messages of a session and both identities' seeds do not open it.
func TestAttackRecordedSessionAndStolenIdentity(t *testing.T) {
	r := newRig(t)
	x, m3 := r.seal()
	th2 := x.th2
	if _, err := r.agent.Key(context.Background(), home, m3); err != nil {
		t.Fatal(err)
	}
	// Nothing of the session is left in the agent.
	if n := r.agent.sessions.len(); n != 0 {
		t.Errorf("%d sessions are left", n)
	}
	// Every key that follows from what was stolen: the seeds as KEM seeds, as in the earlier protocol, and their kin.
	m, _, _, err := parseM3(m3)
	if err != nil {
		t.Fatal(err)
	}
	stolen := [][]byte{bytes.Repeat([]byte{1}, 32), bytes.Repeat([]byte{2}, 32)}
	for _, seed := range stolen[:2] {
		hash := hashOf(seed)
		stolen = append(stolen, hash[:], ed25519.NewKeyFromSeed(seed)[32:])
	}
	for i, seed := range stolen {
		derived, err := hpke.MLKEM768X25519().DeriveKeyPair(seed)
		if err != nil {
			t.Fatal(err)
		}
		direct, err := hpke.MLKEM768X25519().NewPrivateKey(seed)
		if err != nil {
			t.Fatal(err)
		}
		for _, key := range []hpke.PrivateKey{direct, derived} {
			s := session{key: key, th2: th2, op: OpDeliver}
			if _, _, refusal := s.unseal(m, m3[:m3Head]); refusal == nil || refusal.Status != StatusDecrypt {
				t.Errorf("stolen key %d opens the recorded package: %v", i, refusal)
			}
		}
	}
	// The thief runs a server with the stolen identity and plays the recorded M3 to it: no session, no key.
	thief := newRig(t)
	if thief.agent.Fingerprint() != r.agent.Fingerprint() {
		t.Fatal("not the same identity")
	}
	if _, err := thief.agent.Key(context.Background(), home, m3); statusOf(t, err) != StatusSession {
		t.Errorf("the thief's server: %v", err)
	}
	// Two sessions never share an ephemeral key.
	_, _, one := r.begin(OpDeliver)
	_, _, two := r.begin(OpDeliver)
	const kemAt = m2Fixed - sigSize - 2 - kemKeySize
	if bytes.Equal(one[kemAt:kemAt+kemKeySize], two[kemAt:kemAt+kemKeySize]) {
		t.Error("two sessions with one key")
	}
}

// TestAttackJunkPostLockout: junk from the admin's own address locks out that junk, not the admin.
func TestAttackJunkPostLockout(t *testing.T) {
	r := newRig(t)
	url := r.serve()
	httpClient := r.dial(url).cfg.HTTP
	_, genuine, err := r.client(r.admin).Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	genuine[len(genuine)-1] ^= 1 // knows both fingerprints, not the key
	junkM3 := append([]byte(magic+"\x03"), make([]byte, m3Fixed+packageUnit+aeadTag-magicSize-1)...)
	texts := make(map[string]int)
	for i := range 60 {
		for path, body := range map[string][]byte{"/key": junkM3, "/challenge": genuine} {
			if i%3 == 0 {
				body = []byte(`{"challenge":"AAAA"}`)
			}
			response, err := httpClient.Post(url+path, binaryType, bytes.NewReader(body))
			if err != nil {
				t.Fatal(err)
			}
			answer, _ := io.ReadAll(response.Body)
			response.Body.Close()
			if response.Header.Get("Content-Type") != binaryType {
				texts[fmt.Sprint(response.StatusCode, " ", string(answer))]++
			}
		}
	}
	if len(texts) != 2 || texts["403 denied\n"] == 0 || texts["429 busy\n"] < 100 {
		t.Errorf("junk gets %v", texts)
	}
	if r.agent.throttle.locked(source(&http.Request{RemoteAddr: "127.0.0.1:1"})) == 0 {
		t.Error("the address is not locked out: the test proves nothing")
	}
	receipt, err := r.dial(url).Send(context.Background(), testPackage(t, 1))
	if err != nil || receipt.Generation != 7 {
		t.Errorf("the admin at the same address: %+v, %v", receipt, err)
	}
}

// TestAttack300MiBBody: the agent reads next to nothing of it, and its memory does not grow.
func TestAttack300MiBBody(t *testing.T) {
	r := newRig(t)
	url := r.serve()
	r.mustDeliver(other) // warm
	runtime.GC()
	before := residentKB(t)
	for _, path := range []string{"/key", "/challenge"} {
		for _, chunked := range []bool{false, true} {
			var read atomic.Int64
			body := io.LimitReader(countingZeros{&read}, 300<<20)
			request, err := http.NewRequest(http.MethodPost, url+path, body)
			if err != nil {
				t.Fatal(err)
			}
			if !chunked {
				request.ContentLength = 300 << 20
			}
			response, err := r.dial(url).cfg.HTTP.Do(request)
			if err == nil { // else the server closed the connection while we were sending: as good
				response.Body.Close()
				if response.StatusCode == http.StatusOK {
					t.Errorf("%s takes 300 MiB", path)
				}
			}
			if n := read.Load(); n > 8<<20 {
				t.Errorf("%s (chunked %t) takes %d MiB of the body off the client", path, chunked, n>>20)
			}
		}
	}
	if grown := residentKB(t) - before; grown > 32<<10 {
		t.Errorf("memory grew by %d KiB", grown)
	}
	r.mustDeliver(other)
}

// TestAnnouncedLengthIsNotBelieved: not even in a live session a length that no M3 has takes memory, or the session.
func TestAnnouncedLengthIsNotBelieved(t *testing.T) {
	r := newRig(t, patient)
	x, m3 := r.seal()
	for _, n := range []int64{-1, 0, m3Fixed, int64(len(m3)) - 1, int64(len(m3)) + 1, MaxBody, 300 << 20, 1 << 62} {
		if _, err := r.agent.receive(context.Background(), home, n, bytes.NewReader(m3)); statusOf(t, err) != StatusDenied {
			t.Errorf("%d bytes: %v", n, err)
		}
	}
	m4, err := r.agent.Key(context.Background(), home, m3)
	if err != nil {
		t.Fatalf("the session is gone: %v", err)
	}
	if _, err := x.Finish(m4); err != nil {
		t.Error(err)
	}
}

type countingZeros struct{ n *atomic.Int64 }

func (z countingZeros) Read(b []byte) (int, error) {
	clear(b)
	z.n.Add(int64(len(b)))
	return len(b), nil
}

// residentKB is the process's peak resident memory where the system tells, else what Go got from it.
func residentKB(t *testing.T) int {
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		return int(m.Sys >> 10)
	}
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				t.Fatal(err)
			}
			return kb
		}
	}
	t.Fatal("no VmHWM")
	return 0
}

// TestAttackChallengeFlood: strangers, impostors and one listed admin gone wild, from many addresses, leave a bounded
// state, and the other admin is served all the time.
func TestAttackChallengeFlood(t *testing.T) {
	r := newRig(t)
	wild := testSigner(t, 0x88)
	r.setAdmins(append(r.list(), Admin{Public: wild.Public(), Roles: Roles(RoleStatus | RoleDeliver), Name: "wild"})...)
	ctx := context.Background()
	n := 20_000
	if testing.Short() {
		n = 3_000
	}
	var wg sync.WaitGroup
	stop := make(chan struct{})
	flood := func(message func(i int) []byte) {
		wg.Go(func() {
			for i := 0; i < n; i++ {
				select {
				case <-stop:
					return
				default:
				}
				_, _ = r.agent.Challenge(ctx, floodSource(i), message(i)) // what it answers is not the point
			}
		})
	}
	_, base, err := r.client(testSigner(t, 0x99)).Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	flood(func(i int) []byte { return base })
	_, forged, err := r.client(liar{testSigner(t, 0x99), r.admin.Public()}).Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	flood(func(i int) []byte { return forged })
	flood(func(i int) []byte {
		_, m1, err := r.client(wild).Begin(OpDeliver)
		if err != nil {
			t.Error(err)
		}
		return m1
	})
	for range 20 {
		r.mustDeliver(home)
	}
	close(stop)
	wg.Wait()
	for i := range 3 * maxSources { // and a table's worth of addresses
		_, _ = r.agent.Challenge(ctx, floodSource(i), base)
	}
	for range 3 * seenNonces / 2 { // and a ring's worth of good M1s
		_, m1, err := r.client(wild).Begin(OpDeliver)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := r.agent.Challenge(ctx, other, m1); err != nil {
			t.Fatal(err)
		}
	}
	a := r.agent
	if got := a.sessions.len(); got > maxAdminSessions*2 {
		t.Errorf("%d sessions", got)
	}
	if len(a.sessions.nonces) != seenNonces || len(a.sessions.ring) != seenNonces {
		t.Errorf("%d nonces in a ring of %d", len(a.sessions.nonces), len(a.sessions.ring))
	}
	if len(a.throttle.records) != maxSources || a.throttle.recent.Len() != maxSources {
		t.Errorf("%d sources, %d in order", len(a.throttle.records), a.throttle.recent.Len())
	}
	if n := len(r.events); n > 2*maxStrangers+1+60+20*2 {
		t.Errorf("%d audit events: strangers fill the log", n)
	}
	r.mustDeliver(home)
}

// TestAttackSilentConnections: connections that say nothing do not keep the admin out.
func TestAttackSilentConnections(t *testing.T) {
	r := newRig(t)
	url := r.serve()
	address := strings.TrimPrefix(url, "https://")
	for range maxSourceConns * 2 {
		conn, err := net.Dial("tcp", address)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
	}
	start := time.Now()
	if _, err := r.dial(url).Send(context.Background(), testPackage(t, 1)); err != nil {
		t.Errorf("behind silent connections: %v", err)
	}
	if took := time.Since(start); took > headerTime/2 {
		t.Errorf("it took %s: the silent ones had to time out first", took)
	}
}

// TestAttackDowngrade: neither an older TLS nor another key exchange.
func TestAttackDowngrade(t *testing.T) {
	r := newRig(t)
	address := strings.TrimPrefix(r.serve(), "https://")
	for name, c := range map[string]*tls.Config{
		"TLS 1.2":                   {MaxVersion: tls.VersionTLS12, InsecureSkipVerify: true},
		"TLS 1.3 with plain X25519": {MinVersion: tls.VersionTLS13, CurvePreferences: []tls.CurveID{tls.X25519}, InsecureSkipVerify: true},
	} {
		if conn, err := tls.Dial("tcp", address, c); err == nil {
			conn.Close()
			t.Errorf("%s is accepted", name)
		}
	}
	for name, c := range map[string]*tls.Config{"server": ServerTLS(tls.Certificate{}), "client": clientTLS()} {
		if c.MinVersion != tls.VersionTLS13 { // the key exchange alone would do; one bound does not lean on the other
			t.Errorf("the %s takes version %x", name, c.MinVersion)
		}
	}
	conn, err := tls.Dial("tcp", address, clientTLS())
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	if s := conn.ConnectionState(); s.Version != tls.VersionTLS13 || s.CurveID != tls.X25519MLKEM768 {
		t.Errorf("version %x, curve %s", s.Version, s.CurveID)
	}
}

func floodSource(i int) netip.Addr {
	return netip.AddrFrom4([4]byte{10, byte(i >> 16), byte(i >> 8), byte(i)})
}
