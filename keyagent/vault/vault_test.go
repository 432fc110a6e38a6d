package vault

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const allRoles = memkey.Roles(memkey.RoleDeliver | memkey.RoleEnroll | memkey.RoleClear | memkey.RoleShare | memkey.RoleStatus)

// rig is a vault on a new directory with a real log.
type rig struct {
	*Vault
	t      testing.TB
	holder *keyagent.Holder
	log    *audit.Log
	dir    string
	now    time.Time
	mu     sync.Mutex
	said   []string
}

func newRig(t testing.TB, quorum int) *rig {
	t.Helper()
	r := &rig{t: t, dir: t.TempDir(), now: time.Unix(1e9, 0)}
	r.open(quorum)
	t.Cleanup(r.close)
	return r
}

func (r *rig) open(quorum int) {
	r.t.Helper()
	var err error
	if r.log, err = audit.Open(filepath.Join(r.dir, "audit")); err != nil {
		r.t.Fatal(err)
	}
	r.holder = keyagent.NewHolder()
	r.Vault, err = Open(Config{Holder: r.holder, PinsPath: r.pinsPath(), EnrollQuorum: quorum, Audit: r.log, Now: func() time.Time { return r.now },
		Logf: func(format string, args ...any) {
			r.mu.Lock()
			defer r.mu.Unlock()
			r.said = append(r.said, fmt.Sprintf(format, args...))
		}})
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) close() {
	if err := r.Vault.Close(); err != nil {
		r.t.Error(err)
	}
	r.log.Close()
}

func (r *rig) pinsPath() string { return filepath.Join(r.dir, "pins") }

// master is the key of a name; the same name is the same key.
func master(t testing.TB, name byte) *keyagent.Secret {
	t.Helper()
	s, err := keyagent.NewSecret(bytes.Repeat([]byte{name}, keyagent.KeySize))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// keys makes package keys: one for each letter, the upper case one active.
func keys(t testing.TB, names string) []memkey.PackageKey {
	t.Helper()
	var all []memkey.PackageKey
	for i := range len(names) {
		k := memkey.PackageKey{Master: master(t, names[i]|0x20), Active: names[i]&0x20 == 0, Label: "key " + names[i:i+1]}
		var err error
		if k.ID, k.KVT, err = derive(k.Master); err != nil {
			t.Fatal(err)
		}
		all = append(all, k)
	}
	return all
}

func buckets(names ...string) []memkey.BucketPin {
	var all []memkey.BucketPin
	for _, n := range names {
		name, id, _ := strings.Cut(n, "=")
		all = append(all, memkey.BucketPin{Name: name, ID: format.BucketID{1, byte(len(id)), 2}})
	}
	return all
}

func request(admin byte, p *memkey.Package) memkey.Request {
	public := ed25519.PublicKey(bytes.Repeat([]byte{admin}, ed25519.PublicKeySize))
	return memkey.Request{Admin: memkey.Admin{Public: public, Roles: allRoles, Name: "admin"}, Fingerprint: memkey.AdminFingerprint(public),
		Source: netip.MustParseAddr("192.0.2.1"), Package: p}
}

// send applies a package of an admin and wipes it as the protocol does.
func (r *rig) send(admin byte, p *memkey.Package) (memkey.Receipt, memkey.Status, string) {
	r.t.Helper()
	receipt, err := r.Apply(context.Background(), request(admin, p))
	var refusal *memkey.Refusal
	switch {
	case err == nil:
		return receipt, memkey.StatusOK, ""
	case !errors.As(err, &refusal):
		r.t.Fatalf("the error is no refusal: %v", err)
	}
	p.Wipe()
	return receipt, refusal.Status, refusal.Detail
}

func pack(op memkey.Op, generation uint64, k []memkey.PackageKey, b ...memkey.BucketPin) *memkey.Package {
	return &memkey.Package{Op: op, Generation: generation, Keys: k, Pins: b}
}

func (r *rig) must(op memkey.Op, generation uint64, names string, b ...memkey.BucketPin) memkey.Receipt {
	r.t.Helper()
	receipt, status, detail := r.send(1, pack(op, generation, keys(r.t, names), b...))
	if status != memkey.StatusOK {
		r.t.Fatalf("%v %d %s: %v, %s", op, generation, names, status, detail)
	}
	return receipt
}

// loaded tells the ring's keys by letter, the active one in upper case; "" for none.
func (r *rig) loaded() string {
	r.t.Helper()
	ring := r.holder.Snapshot()
	defer ring.Wipe()
	var names []byte
	for _, k := range ring.Keys {
		if err := k.Master.Use(func(b []byte) {
			name := b[0]
			if k.Active {
				name &^= 0x20
			}
			names = append(names, name)
		}); err != nil {
			r.t.Fatal(err)
		}
	}
	return string(names)
}

// snapshot is everything that a refusal must not change, but the log.
func (r *rig) snapshot() string {
	r.t.Helper()
	file, err := os.ReadFile(r.pinsPath())
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		r.t.Fatal(err)
	}
	ring := r.holder.Snapshot()
	ring.Wipe()
	return fmt.Sprintf("%s|%d|%+v|%s", r.loaded(), ring.Generation, r.State(), file)
}

// lines gives "op result detail" of every line of the log.
func (r *rig) lines() []string {
	r.t.Helper()
	content, err := os.ReadFile(filepath.Join(r.dir, "audit"))
	if err != nil {
		r.t.Fatal(err)
	}
	if _, _, err := audit.Verify(bytes.NewReader(content)); err != nil {
		r.t.Fatal(err)
	}
	return strings.Split(strings.TrimSpace(string(content)), "\n")
}

// TestDeliver and TestEnroll go through the table of decide, with real packages against pins of generation 5 with the
// keys a (old) and B (active) and two buckets.
func newEnrolled(t testing.TB, loaded bool) *rig {
	r := newRig(t, 1)
	r.must(memkey.OpEnroll, 5, "aB", buckets("one", "two")...)
	if !loaded {
		r.close()
		r.open(1)
	}
	return r
}

type ruleCase struct {
	name       string
	op         memkey.Op
	generation uint64
	keys       string
	buckets    []memkey.BucketPin
	want       memkey.Status
}

func runRules(t *testing.T, cases []ruleCase) {
	for _, loaded := range []bool{false, true} {
		for _, c := range cases {
			t.Run(fmt.Sprintf("%s, loaded %t", c.name, loaded), func(t *testing.T) {
				r := newEnrolled(t, loaded)
				before, head := r.snapshot(), len(r.lines())
				p := pack(c.op, c.generation, keys(t, c.keys), c.buckets...)
				receipt, status, detail := r.send(1, p)
				if status != c.want {
					t.Fatalf("%v (%s), want %v", status, detail, c.want)
				}
				if status != memkey.StatusOK {
					if after := r.snapshot(); after != before {
						t.Errorf("a refusal changed\n%s\nto\n%s", before, after)
					}
					if detail == "" || len(r.lines()) != head {
						t.Errorf("detail %q, %d new lines", detail, len(r.lines())-head)
					}
					if _, err := p.Keys[0].Master.Clone(); !errors.Is(err, keyagent.ErrWiped) {
						t.Error("the package of a refusal is not the caller's to wipe")
					}
					return
				}
				if inOrder(r.loaded()) != inOrder(c.keys) || receipt.Generation != c.generation || len(receipt.Keys) != len(c.keys) || !r.State().Loaded {
					t.Errorf("loaded %s, %+v", r.loaded(), receipt)
				}
				seq, sum := r.log.Head()
				if receipt.AuditSeq != seq || receipt.AuditHead != sum || !strings.Contains(r.lines()[seq-1], `"op":"`+c.op.String()+`"`) {
					t.Errorf("the receipt has line %d, the log %d: %s", receipt.AuditSeq, seq, r.lines()[seq-1])
				}
			})
		}
	}
}

func inOrder(names string) string {
	b := []byte(names)
	slices.Sort(b)
	return string(b)
}

func TestDeliver(t *testing.T) {
	other := buckets("one=changed")
	runRules(t, []ruleCase{
		{"the pinned keys", memkey.OpDeliver, 5, "aB", buckets("one", "two"), memkey.StatusOK},
		{"without buckets", memkey.OpDeliver, 5, "aB", nil, memkey.StatusOK},
		{"with one bucket", memkey.OpDeliver, 5, "aB", buckets("two"), memkey.StatusOK},
		{"in another order", memkey.OpDeliver, 5, "Ba", nil, memkey.StatusOK},
		{"one key missing", memkey.OpDeliver, 5, "B", nil, memkey.StatusPins},
		{"active key missing", memkey.OpDeliver, 5, "A", nil, memkey.StatusPins},
		{"another active", memkey.OpDeliver, 5, "Ab", nil, memkey.StatusPins},
		{"foreign keys", memkey.OpDeliver, 5, "xY", nil, memkey.StatusPins},
		{"a key more", memkey.OpDeliver, 5, "aBc", nil, memkey.StatusPins},
		{"a key more, active", memkey.OpDeliver, 5, "abC", nil, memkey.StatusPins},
		{"a foreign bucket", memkey.OpDeliver, 5, "aB", buckets("three"), memkey.StatusPins},
		{"another bucket id", memkey.OpDeliver, 5, "aB", other, memkey.StatusPins},
		{"an older generation", memkey.OpDeliver, 4, "aB", nil, memkey.StatusGeneration},
		{"generation 0", memkey.OpDeliver, 0, "aB", nil, memkey.StatusMalformed},
		{"a rotation that is not enrolled", memkey.OpDeliver, 6, "abC", nil, memkey.StatusPins},
		{"the next generation of the same", memkey.OpDeliver, 6, "aB", nil, memkey.StatusPins},
		{"the last generation", memkey.OpDeliver, 1<<64 - 1, "aB", nil, memkey.StatusPins},
	})
}

func TestEnroll(t *testing.T) {
	runRules(t, []ruleCase{
		{"a rotation", memkey.OpEnroll, 6, "abC", buckets("one", "two"), memkey.StatusOK},
		{"another active key", memkey.OpEnroll, 6, "Ab", nil, memkey.StatusOK},
		{"another bucket id", memkey.OpEnroll, 6, "aB", buckets("one=changed"), memkey.StatusOK},
		{"a repetition", memkey.OpEnroll, 5, "aB", nil, memkey.StatusOK},
		{"a change without a new generation", memkey.OpEnroll, 5, "abC", nil, memkey.StatusPins},
		{"an older generation", memkey.OpEnroll, 4, "abC", nil, memkey.StatusGeneration},
		{"two generations at once", memkey.OpEnroll, 7, "abC", nil, memkey.StatusGeneration},
		{"an old key dropped", memkey.OpEnroll, 6, "bC", nil, memkey.StatusPins},
		{"the active key dropped", memkey.OpEnroll, 6, "aC", nil, memkey.StatusPins},
		{"all replaced", memkey.OpEnroll, 6, "xY", nil, memkey.StatusPins},
		{"a bucket without an id", memkey.OpEnroll, 6, "abC", []memkey.BucketPin{{Name: "zero"}}, memkey.StatusMalformed},
		{"a bucket without a name", memkey.OpEnroll, 6, "abC", []memkey.BucketPin{{ID: format.BucketID{1}}}, memkey.StatusMalformed},
		{"a bucket twice", memkey.OpEnroll, 6, "abC", buckets("one", "one"), memkey.StatusMalformed},
	})
}

func TestFirstEnrolment(t *testing.T) {
	r := newRig(t, 1)
	if s := r.State(); s.Loaded || s.Generation != 0 || s.PinsDigest != [32]byte{} {
		t.Errorf("a new vault has the state %+v", s)
	}
	for _, op := range []memkey.Op{memkey.OpDeliver, memkey.OpShare} {
		p := pack(op, 1, keys(t, "A"))
		p.Share = []byte("x")
		if _, status, _ := r.send(1, p); status != memkey.StatusPins {
			t.Errorf("%v on a new vault: %v", op, status)
		}
	}
	r.must(memkey.OpEnroll, 7, "Ab", buckets("z", "a")...)
	want := r.State()
	content, err := os.ReadFile(r.pinsPath())
	if err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(r.pinsPath()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the pins have the mode %v (%v)", info.Mode(), err)
	}
	for _, secret := range []string{strings.Repeat("61", 16), strings.Repeat("a", 16), strings.Repeat("62", 16)} {
		if bytes.Contains(content, []byte(secret)) {
			t.Errorf("key bytes in the pins: %s", content)
		}
	}
	r.close()
	r.open(1)
	s := r.State()
	if s.Loaded || len(s.Keys) != 0 || s.Generation != 7 || s.PinsDigest != want.PinsDigest {
		t.Errorf("after a restart the state is %+v", s)
	}
	if pins := r.Pins(); pins.Active() != want.Active || len(pins.Buckets) != 2 || pins.Buckets[0].Name != "a" {
		t.Errorf("after a restart the pins are %+v", pins)
	}
	r.must(memkey.OpDeliver, 7, "Ab")
}

func TestEnrolmentKeepsBucketsThatItDoesNotName(t *testing.T) {
	r := newEnrolled(t, true)
	r.must(memkey.OpEnroll, 6, "abC", buckets("three", "one=changed")...)
	var have []string
	for _, b := range r.Pins().Buckets {
		have = append(have, fmt.Sprintf("%s=%d", b.Name, b.ID[1]))
	}
	if got := strings.Join(have, " "); got != "one=7 three=0 two=0" {
		t.Errorf("buckets %s", got)
	}
}

func TestRepetitionChangesNothing(t *testing.T) {
	r := newEnrolled(t, true)
	before := r.snapshot()
	p := pack(memkey.OpDeliver, 5, keys(t, "aB"))
	receipt, status, _ := r.send(1, p)
	if status != memkey.StatusOK || r.snapshot() != before {
		t.Errorf("%v, the state went from\n%s\nto\n%s", status, before, r.snapshot())
	}
	if receipt.AuditSeq != 2 || len(receipt.Keys) != 2 {
		t.Errorf("%+v", receipt)
	}
	if _, err := p.Keys[0].Master.Clone(); !errors.Is(err, keyagent.ErrWiped) {
		t.Error("the masters of a repeated package are not wiped")
	}
}

func TestRingRules(t *testing.T) {
	for name, c := range map[string]struct {
		change func(k []memkey.PackageKey) []memkey.PackageKey
		want   memkey.Status
	}{
		"no keys":    {func([]memkey.PackageKey) []memkey.PackageKey { return nil }, memkey.StatusMalformed},
		"two active": {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].Active = true; return k }, memkey.StatusDuplicate},
		"none active": {func(k []memkey.PackageKey) []memkey.PackageKey {
			k[1].Active = false
			return k
		}, memkey.StatusDuplicate},
		"a key twice": {func(k []memkey.PackageKey) []memkey.PackageKey { return append(k, k[0]) }, memkey.StatusDuplicate},
		"an id twice": {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].ID = k[1].ID; return k }, memkey.StatusDuplicate},
		"17 keys": {func(k []memkey.PackageKey) []memkey.PackageKey {
			return append(append(k, keys(t, "cdefghijkl")...), keys(t, "mnopq")...)
		}, memkey.StatusMalformed},
		"a label with a control character": {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].Label = "\x1b[2J"; return k }, memkey.StatusMalformed},
		"a long label":                     {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].Label = strings.Repeat("x", 65); return k }, memkey.StatusMalformed},
		"no master":                        {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].Master = nil; return k }, memkey.StatusMalformed},
		"a wiped master":                   {func(k []memkey.PackageKey) []memkey.PackageKey { k[0].Master.Wipe(); return k }, memkey.StatusMalformed},
	} {
		for _, op := range []memkey.Op{memkey.OpDeliver, memkey.OpEnroll} {
			r := newEnrolled(t, true)
			before := r.snapshot()
			_, status, detail := r.send(1, pack(op, 6, c.change(keys(t, "aB"))))
			if status != c.want || r.snapshot() != before {
				t.Errorf("%s by %v: %v (%s), want %v", name, op, status, detail, c.want)
			}
		}
	}
}

func TestNamesAreDerivedAgain(t *testing.T) {
	for name, change := range map[string]func(k []memkey.PackageKey){
		"another id":            func(k []memkey.PackageKey) { k[0].ID[7] ^= 1 },
		"another tag":           func(k []memkey.PackageKey) { k[1].KVT[31] ^= 0x80 },
		"another master":        func(k []memkey.PackageKey) { k[1].Master = master(t, 'x') },
		"two masters exchanged": func(k []memkey.PackageKey) { k[0].Master, k[1].Master = k[1].Master, k[0].Master },
	} {
		for _, op := range []memkey.Op{memkey.OpDeliver, memkey.OpEnroll} {
			r := newEnrolled(t, false)
			k := keys(t, "aB")
			change(k)
			if _, status, _ := r.send(1, pack(op, 5, k)); status != memkey.StatusKeyMismatch || r.loaded() != "" {
				t.Errorf("%s by %v: %v, loaded %q", name, op, status, r.loaded())
			}
		}
	}
}

func TestRolesAndOps(t *testing.T) {
	r := newEnrolled(t, true)
	for op := memkey.OpDeliver; op <= memkey.OpStatus+1; op++ {
		req := request(1, pack(op, 5, keys(t, "aB")))
		req.Admin.Roles = allRoles &^ memkey.Roles(op.Role())
		_, err := r.Apply(context.Background(), req)
		var refusal *memkey.Refusal
		if !errors.As(err, &refusal) || refusal.Status != memkey.StatusRoles || r.loaded() != "aB" {
			t.Errorf("%v without its role: %v", op, err)
		}
	}
	if _, status, _ := r.send(1, pack(memkey.OpStatus, 5, keys(t, "aB"))); status != memkey.StatusMalformed {
		t.Errorf("a package for status: %v", status)
	}
	if _, err := r.Apply(context.Background(), request(1, nil)); err == nil {
		t.Error("no package is accepted")
	}
}

func TestEnrollQuorum(t *testing.T) {
	r := newRig(t, 2)
	enroll := func(admin byte, generation uint64, names string, b ...memkey.BucketPin) memkey.Status {
		t.Helper()
		_, status, _ := r.send(admin, pack(memkey.OpEnroll, generation, keys(t, names), b...))
		return status
	}
	steps := []struct {
		name       string
		after      time.Duration
		admin      byte
		generation uint64
		keys       string
		want       memkey.Status
	}{
		{"the first alone", 0, 1, 1, "A", memkey.StatusRoles},
		{"the same again", time.Second, 1, 1, "A", memkey.StatusRoles},
		{"a second with another key", time.Second, 2, 1, "B", memkey.StatusRoles},
		{"a second with another generation", time.Second, 2, 2, "A", memkey.StatusRoles},
		{"a second with a key more", time.Second, 2, 1, "Ab", memkey.StatusRoles},
		{"a second, too late", confirmTime, 2, 1, "A", memkey.StatusRoles},
		{"the first, after that", confirmTime - 1, 1, 1, "A", memkey.StatusOK},
		{"a rotation alone", 0, 1, 2, "aB", memkey.StatusRoles},
		{"the clock set back", -time.Hour, 2, 2, "aB", memkey.StatusRoles},
		{"a third", 0, 3, 2, "aB", memkey.StatusOK},
		{"a repetition needs nobody", 0, 1, 2, "aB", memkey.StatusOK},
		{"what was confirmed does not confirm the next", 0, 2, 3, "abC", memkey.StatusRoles},
	}
	for _, s := range steps {
		r.now = r.now.Add(s.after)
		if status := enroll(s.admin, s.generation, s.keys); status != s.want {
			t.Fatalf("%s: %v, want %v", s.name, status, s.want)
		}
	}
	r.Forget()
	if status := enroll(1, 3, "abC"); status != memkey.StatusRoles {
		t.Errorf("after Forget one admin is enough: %v", status)
	}
	r.Clear("test")
	if status := enroll(2, 3, "abC"); status != memkey.StatusRoles {
		t.Errorf("after a clear one admin is enough: %v", status)
	}
	if status := enroll(3, 3, "abC"); status != memkey.StatusOK || r.loaded() != "abC" {
		t.Errorf("the second of two: %v", status)
	}
	if last := r.lines()[len(r.lines())-1]; !strings.Contains(last, "confirmed by "+request(2, nil).Fingerprint.String()) {
		t.Errorf("the log does not say who confirmed: %s", last)
	}
}

func TestQuorumIsBounded(t *testing.T) {
	var q quorum
	now := time.Unix(1e9, 0)
	for i := range 10 * maxPending {
		q.confirm(memkey.Fingerprint{byte(i), byte(i >> 8)}, enrolment{byte(i), byte(i >> 8)}, now)
	}
	if len(q.asked) != maxPending {
		t.Errorf("%d wait", len(q.asked))
	}
}

func TestOpenRefuses(t *testing.T) {
	r := newEnrolled(t, true)
	good := Config{Holder: keyagent.NewHolder(), PinsPath: filepath.Join(t.TempDir(), "pins"), Audit: r.log}
	for want, change := range map[string]func(*Config){
		"Holder":        func(c *Config) { c.Holder = nil },
		"PinsPath":      func(c *Config) { c.PinsPath = "pins" },
		"EnrollQuorum":  func(c *Config) { c.EnrollQuorum = 3 },
		"Audit":         func(c *Config) { c.Audit = nil },
		"another agent": func(c *Config) { c.PinsPath = r.pinsPath() },
		"no such file":  func(c *Config) { c.PinsPath = filepath.Join(t.TempDir(), "none", "pins") },
	} {
		c := good
		change(&c)
		if _, err := Open(c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", want, err)
		}
	}
}
