package main

import (
	"context"
	"crypto/ed25519"
	"encoding/hex"
	"encoding/json"
	"errors"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/vault"
)

// keyServer is a memkey agent with a vault in this process. Its identity, address, list, pins and log outlive restarts.
type keyServer struct {
	dir      string
	identity *keyfile.Identity
	address  string
	release  func() // gives the address back

	mu     sync.Mutex
	admins []memkey.Admin
	lose   int // so many answers to /key get lost

	server *http.Server
	vault  *vault.Vault
	log    *audit.Log
	holder *keyagent.Holder
}

func newKeyServer(dir string) (*keyServer, error) {
	id, err := keyfile.NewIdentity("server", time.Now())
	if err != nil {
		return nil, err
	}
	address, release, err := rig.HoldPort()
	if err != nil {
		return nil, err
	}
	return &keyServer{dir: dir, identity: id, address: address, release: release}, os.MkdirAll(dir, 0o700)
}

// end stops it for good.
func (s *keyServer) end() {
	_ = s.stop() // what it was told is told to the test where it matters
	s.identity.Wipe()
	s.release()
}

// start runs it with a clock that is off, and sessions that live so long.
func (s *keyServer) start(off, sessions time.Duration) error {
	err := unlocked(func() (err error) {
		s.log, err = audit.Open(filepath.Join(s.dir, "audit"))
		return err
	})
	if err != nil {
		return err
	}
	s.holder = keyagent.NewHolder()
	boot := [16]byte{1}
	err = unlocked(func() (err error) {
		s.vault, err = vault.Open(vault.Config{Holder: s.holder, PinsPath: filepath.Join(s.dir, "pins"), Audit: s.log, BootID: boot})
		return err
	})
	if err != nil {
		return err
	}
	agent, err := memkey.NewAgent(memkey.AgentConfig{
		Identity: s.identity, BootID: boot, State: s.vault.State, Apply: s.vault.Apply, Audit: func(memkey.Event) {},
		Admins: func() []memkey.Admin {
			s.mu.Lock()
			defer s.mu.Unlock()
			return append([]memkey.Admin(nil), s.admins...)
		},
		SessionLife: sessions, Now: func() time.Time { return time.Now().Add(off) }, MaxFailed: 1000,
	})
	if err != nil {
		return err
	}
	cert, err := memkey.IdentityCertificate(s.identity)
	if err != nil {
		return err
	}
	l, err := net.Listen("tcp", s.address)
	if err != nil {
		return err
	}
	s.server = memkey.NewServer(agent, cert, func() bool { return s.vault.State().Loaded })
	inner := s.server.Handler
	s.server.Handler = http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/key" && s.loses() {
			inner.ServeHTTP(lost{w, http.Header{}}, r)
			panic(http.ErrAbortHandler)
		}
		inner.ServeHTTP(w, r)
	})
	go func() { _ = s.server.ServeTLS(l, "", "") }() // ends with stop
	return nil
}

// unlocked tries until a lock of the last start is free: a child that another script is just starting holds it as well,
// between its fork and its exec.
func unlocked(open func() error) (err error) {
	for range 4000 {
		if err = open(); err == nil {
			return nil
		}
		time.Sleep(5 * time.Millisecond)
	}
	return err
}

func (s *keyServer) loses() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.lose--
	return s.lose >= 0
}

// lost is where an answer goes that never arrives.
type lost struct {
	http.ResponseWriter
	header http.Header
}

func (l lost) Header() http.Header         { return l.header }
func (l lost) Write(b []byte) (int, error) { return len(b), nil }
func (l lost) WriteHeader(int)             {}

func (s *keyServer) stop() error {
	if s.server == nil {
		return nil
	}
	err := s.server.Close()
	s.server = nil
	s.holder.Clear()
	return errors.Join(err, s.vault.Close(), s.log.Close())
}

func (s *keyServer) admit(public ed25519.PublicKey, roles memkey.Roles, name string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.admins = append(s.admins, memkey.Admin{Public: public, Roles: roles, Name: name})
}

type serverKey struct{}

// theServer makes the script's server when it is first asked for.
func theServer(ts *testscript.TestScript) *keyServer {
	box := ts.Value(serverKey{}).(**keyServer)
	if *box == nil {
		s, err := newKeyServer(filepath.Join(ts.Getenv("WORK"), "server"))
		ts.Check(err)
		*box = s
		ts.Defer(s.end)
	}
	return *box
}

// serverCommand: server start [CLOCK-OFF [SESSION-LIFE]] | stop | lose-answer
func serverCommand(ts *testscript.TestScript, _ bool, args []string) {
	s := theServer(ts)
	switch args[0] {
	case "start":
		var durations [2]time.Duration
		for i, arg := range args[1:] {
			d, err := time.ParseDuration(arg)
			ts.Check(err)
			durations[i] = d
		}
		ts.Check(s.start(durations[0], durations[1]))
		ts.Setenv("SERVER", "https://"+s.address)
		ts.Setenv("FINGERPRINT", memkey.ServerFingerprint(s.identity.Public()).String())
	case "stop":
		ts.Check(s.stop())
	case "lose-answer":
		s.mu.Lock()
		s.lose = 1
		s.mu.Unlock()
	default:
		ts.Fatalf("no such thing: %s", args[0])
	}
}

// admit ROLES: what memkey-server admin add does with the last init --json on stdout
func admit(ts *testscript.TestScript, _ bool, args []string) {
	var reply struct {
		Result struct {
			Public string `json:"public_key"`
		}
	}
	ts.Check(json.Unmarshal([]byte(ts.ReadFile("stdout")), &reply))
	public, err := hex.DecodeString(reply.Result.Public)
	ts.Check(err)
	roles, err := memkey.ParseRoles(args[0])
	ts.Check(err)
	theServer(ts).admit(public, roles, "anna")
}

// awaitServer is for tests that have no script.
func awaitServer(ctx context.Context, address string) error {
	for {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err == nil {
			return conn.Close()
		}
		if ctx.Err() != nil {
			return err
		}
		time.Sleep(5 * time.Millisecond)
	}
}
