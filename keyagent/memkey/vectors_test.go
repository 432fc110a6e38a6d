package memkey

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"flag"
	"io"
	"net/netip"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

var update = flag.Bool("update", false, "write testdata/exchange.json anew")

// A vector is one whole exchange: what goes in, and every byte that comes out of it (PROTOCOL.md section 11).
type vector struct {
	ServerSeed   hexBytes `json:"server_seed"`
	AdminSeed    hexBytes `json:"admin_seed"`
	ServerPublic hexBytes `json:"server_public"`
	AdminPublic  hexBytes `json:"admin_public"`
	ServerFP     hexBytes `json:"fp_server"`
	AdminFP      hexBytes `json:"fp_admin"`
	Unix         int64    `json:"unix"`
	Life         int64    `json:"session_life"`
	NonceA       hexBytes `json:"nonce_a"`
	Session      hexBytes `json:"session"`
	NonceS       hexBytes `json:"nonce_s"`
	BootID       hexBytes `json:"boot_id"`
	KEMSeed      hexBytes `json:"kem_seed"`
	EncapSeed    hexBytes `json:"encap_seed"` // ML-KEM's m (32), X25519's ephemeral private key (32)
	State        hexBytes `json:"state"`
	Package      hexBytes `json:"package"`
	M1           hexBytes `json:"m1"`
	M2           hexBytes `json:"m2"`
	TH2          hexBytes `json:"th2"`
	Enc          hexBytes `json:"enc"`
	M3           hexBytes `json:"m3"`
	TH3          hexBytes `json:"th3"`
	Confirm      hexBytes `json:"ck"`
	M4           hexBytes `json:"m4"`
	M4e          hexBytes `json:"m4e"` // of the same M3 a second time: status 2
}

type hexBytes []byte

func (h hexBytes) MarshalText() ([]byte, error) { return []byte(hex.EncodeToString(h)), nil }
func (h *hexBytes) UnmarshalText(b []byte) (err error) {
	*h, err = hex.DecodeString(string(b))
	return err
}

// counting is n bytes, each one more than the last.
func counting(first byte, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = first + byte(i)
	}
	return b
}

const vectorFile = "testdata/exchange.json"

// vectorPackage is the package of the vector: two keys, two pins.
func vectorPackage(t testing.TB) *Package {
	p := &Package{Op: OpDeliver, Generation: 8}
	for i, label := range []string{"2026", "2025 – Köln"} {
		names, err := format.DeriveKeys(counting(byte(i*0x20), masterSize))
		if err != nil {
			t.Fatal(err)
		}
		master, err := keyagent.NewSecret(counting(byte(i*0x20), masterSize))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(master.Wipe)
		p.Keys = append(p.Keys, PackageKey{ID: names.ID(), KVT: names.KVT(), Master: master, Active: i == 0, Label: label})
	}
	for i, name := range []string{"pbs-weekly", "pbs-daily"} { // the wire has them the other way round
		p.Pins = append(p.Pins, BucketPin{Name: name, ID: format.BucketID(counting(byte(0xd0+i), bucketIDSize))})
	}
	return p
}

// makeVector runs the exchange of the vector. Only M3 does not come from this package: its encapsulation has to be
// deterministic, so it comes from the reference sender.
func makeVector(t *testing.T) vector {
	v := vector{
		ServerSeed: counting(0x10, 32), AdminSeed: counting(0x30, 32), Unix: 1_800_000_000, Life: 60,
		NonceA: counting(0x50, nonceSize), Session: counting(0x70, sessionSize), NonceS: counting(0x80, nonceSize),
		BootID: counting(0xa0, bootSize), KEMSeed: counting(0xb0, kemSeedSize), EncapSeed: counting(0x01, 64),
	}
	server, err := NewSigner(v.ServerSeed)
	if err != nil {
		t.Fatal(err)
	}
	admin, err := NewSigner(v.AdminSeed)
	if err != nil {
		t.Fatal(err)
	}
	v.ServerPublic, v.AdminPublic = hexBytes(server.Public()), hexBytes(admin.Public())
	serverFP, adminFP := ServerFingerprint(server.Public()), AdminFingerprint(admin.Public())
	v.ServerFP, v.AdminFP = serverFP[:], adminFP[:]
	p := vectorPackage(t)
	state := State{Generation: 7, Loaded: true, Active: p.Keys[1].ID, PinsDigest: [32]byte(counting(0xe0, 32))}
	state.Keys = []KeyState{{ID: p.Keys[1].ID, KVT: p.Keys[1].KVT, Active: true}}
	if v.State, err = appendState(nil, state); err != nil {
		t.Fatal(err)
	}
	if v.Package, err = appendPackage(p); err != nil {
		t.Fatal(err)
	}

	r := newRig(t, func(c *AgentConfig) {
		c.Identity, c.BootID, c.SessionLife = server, [16]byte(v.BootID), time.Duration(v.Life)*time.Second
		c.Now = func() time.Time { return time.Unix(v.Unix, 0) }
		c.Rand = io.MultiReader(bytes.NewReader(v.Session), bytes.NewReader(v.NonceS), bytes.NewReader(v.KEMSeed))
	})
	r.setAdmins(Admin{Public: admin.Public(), Roles: Roles(RoleDeliver), Name: "vector"})
	r.state = state
	client, err := NewClient(ClientConfig{
		URL: "https://agent.invalid", Server: serverFP, Identity: admin, Rand: bytes.NewReader(v.NonceA),
		Now: func() time.Time { return time.Unix(v.Unix, 0) },
	})
	if err != nil {
		t.Fatal(err)
	}

	ctx, from := context.Background(), netip.MustParseAddr("2001:db8::1")
	x, m1, err := client.Begin(OpDeliver)
	if err != nil {
		t.Fatal(err)
	}
	v.M1 = m1
	m2, err := r.agent.Challenge(ctx, from, m1)
	if err != nil {
		t.Fatal(err)
	}
	v.M2 = m2
	if _, err := x.Challenge(m2); err != nil {
		t.Fatal(err)
	}
	ref := referenceSender(t, v)
	v.TH2, v.Enc, v.M3, v.TH3, v.Confirm = ref.th2, ref.enc, ref.m3, ref.th3, ref.ck
	if !bytes.Equal(x.th2[:], ref.th2) {
		t.Fatalf("th2 is %x, want %x", x.th2, ref.th2)
	}
	m4, err := r.agent.Key(ctx, from, v.M3)
	if err != nil {
		t.Fatalf("the agent refuses the reference's M3: %v (%s)", err, r.lastEvent().Detail)
	}
	v.M4 = m4
	v.M4e, err = r.agent.Key(ctx, from, v.M3)
	if statusOf(t, err) != StatusSession {
		t.Fatalf("the same M3 again: %v", err)
	}

	got := r.applied[0].Package
	if got.Op != p.Op || got.Generation != p.Generation || len(got.Keys) != 2 || len(got.Pins) != 2 || got.Pins[0].Name != "pbs-daily" {
		t.Fatalf("applied %v", got)
	}
	for i, k := range got.Keys {
		if k.ID != p.Keys[i].ID || k.KVT != p.Keys[i].KVT || k.Active != p.Keys[i].Active || k.Label != p.Keys[i].Label ||
			!bytes.Equal(r.applied[0].masters[i], counting(byte(i*0x20), masterSize)) {
			t.Errorf("key %d arrived changed", i)
		}
	}

	x.step, x.ck, x.h3 = 3, bytes.Clone(ref.ck), hashOf(v.M3) // as if Seal had made this M3
	y := *x
	receipt, err := x.Finish(v.M4)
	if err != nil || receipt.Generation != 8 || receipt.Active != p.Keys[0].ID || len(receipt.Keys) != 2 {
		t.Fatalf("receipt %+v, %v", receipt, err)
	}
	if _, err := y.Finish(v.M4e); statusOf(t, err) != StatusSession {
		t.Fatalf("M4e: %v", err)
	}
	return v
}

// TestVectors: every byte of one exchange is what the file says, by this package and by a second implementation.
func TestVectors(t *testing.T) {
	got, err := json.MarshalIndent(makeVector(t), "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	got = append(got, '\n')
	if *update {
		if err := os.WriteFile(vectorFile, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	gotLines, wantLines := strings.Split(string(got), "\n"), strings.Split(string(want), "\n")
	for i := range min(len(gotLines), len(wantLines)) {
		if gotLines[i] != wantLines[i] {
			t.Errorf("line %d:\n got %.200s\nwant %.200s", i+1, gotLines[i], wantLines[i])
		}
	}
	if len(gotLines) != len(wantLines) {
		t.Errorf("%d lines, want %d", len(gotLines), len(wantLines))
	}
}

func readVector(t testing.TB) vector {
	t.Helper()
	b, err := os.ReadFile(vectorFile)
	if err != nil {
		t.Fatal(err)
	}
	var v vector
	if err := json.Unmarshal(b, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// TestSizesInTheText: what PROTOCOL.md says about sizes and limits is what the code does and the vectors have.
func TestSizesInTheText(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "PROTOCOL.md"))
	if err != nil {
		t.Fatal(err)
	}
	v := readVector(t)
	want := map[string]int{
		"size of M1": m1Size, "size of M2 without state": m2Fixed, "size of a state without keys": stateFixed,
		"size of a key in a state or receipt": keyInfoSize, "size of an M3 with a package of 1,024": m3Fixed + packageUnit + aeadTag,
		"size of M4 without keys": m4Fixed, "size of M4e": m4eSize, "largest body of a request": MaxBody,
		"largest M2": m2Fixed + stateFixed + MaxKeys*keyInfoSize, "largest M4": m4Fixed + MaxKeys*keyInfoSize,
		"largest package": MaxPackage, "largest M3": m3Fixed + MaxPackage + aeadTag, "keys": MaxKeys, "pins": MaxPins,
		"largest share": MaxShare, "label": MaxLabel, "bucket name": MaxPinName, "admins": MaxAdmins,
		"sessions": maxSessions, "sessions of one admin": maxAdminSessions, "nonces remembered": seenNonces,
		"sources remembered": maxSources, "failed signature checks per second": checksPerSecond,
		"connections": maxConns, "connections of one source": maxSourceConns,
	}
	got := make(map[string]int)
	for _, m := range regexp.MustCompile(`(?m)^\| ([^|]+?) \| ([0-9,]+)[^|]*\|`).FindAllStringSubmatch(string(text), -1) {
		n, err := strconv.Atoi(strings.ReplaceAll(m[2], ",", ""))
		if err != nil {
			t.Fatal(err)
		}
		got[m[1]] = n
	}
	for name, n := range want {
		if g, ok := got[name]; !ok || g != n {
			t.Errorf("PROTOCOL.md says %q is %d (there: %t), the code says %d", name, g, ok, n)
		}
	}
	for name, pair := range map[string][2]int{
		"M1": {len(v.M1), m1Size}, "M2": {len(v.M2), m2Fixed + stateFixed + keyInfoSize}, "state": {len(v.State), stateFixed + keyInfoSize},
		"package": {len(v.Package), packageUnit}, "M3": {len(v.M3), m3Fixed + packageUnit + aeadTag},
		"M4": {len(v.M4), m4Fixed + 2*keyInfoSize}, "M4e": {len(v.M4e), m4eSize}, "enc": {len(v.Enc), kemEncSize},
	} {
		if pair[0] != pair[1] {
			t.Errorf("the vector's %s has %d bytes, want %d", name, pair[0], pair[1])
		}
	}
	if m3Fixed+MaxPackage+aeadTag > MaxBody || m2Fixed+stateFixed+MaxKeys*keyInfoSize > maxReply {
		t.Error("the largest messages do not fit their limits")
	}
	for s := range statusTable { // the text's table of outcomes is the code's
		row := "| " + strconv.Itoa(s) + " | " + Status(s).String() + " |"
		if !bytes.Contains(text, []byte(row)) {
			t.Errorf("PROTOCOL.md has no row %q", row)
		}
	}
}

// TestVectorFieldByField reads the messages of the vector by the offsets of PROTOCOL.md, without the package's parsers.
func TestVectorFieldByField(t *testing.T) {
	v := readVector(t)
	at := func(name string, message []byte, from int, want []byte) int {
		t.Helper()
		if got := message[from : from+len(want)]; !bytes.Equal(got, want) {
			t.Errorf("%s has %x at %d, want %x", name, got, from, want)
		}
		return from + len(want)
	}
	unhex := func(s string) []byte {
		b, err := hex.DecodeString(strings.ReplaceAll(s, " ", ""))
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	u64 := func(n int64) []byte { return binary.BigEndian.AppendUint64(nil, uint64(n)) }
	sha := func(parts ...[]byte) []byte { h := sha256.Sum256(bytes.Join(parts, nil)); return h[:] }
	signed := func(name string, key, message []byte, label string, before ...[]byte) {
		t.Helper()
		body := append([]byte(label+"\x00"), bytes.Join(before, nil)...)
		if !ed25519.Verify(key, body, message[len(message)-64:]) {
			t.Errorf("%s is not signed as the text says", name)
		}
	}
	cut := func(b []byte, n int) []byte { return b[:len(b)-n] }

	at("fp_server", v.ServerFP, 0, sha([]byte("memkey/2 identity\x00S"), v.ServerPublic))
	at("fp_admin", v.AdminFP, 0, sha([]byte("memkey/2 identity\x00A"), v.AdminPublic))

	n := at("M1", v.M1, 0, unhex("4d454d4b45593200 01 01 0001"))
	n = at("M1", v.M1, n, v.NonceA)
	n = at("M1", v.M1, n, v.AdminFP)
	n = at("M1", v.M1, n, v.ServerFP)
	n = at("M1", v.M1, n, append(u64(v.Unix), 1))
	if n+64 != len(v.M1) {
		t.Errorf("M1 has %d bytes", len(v.M1))
	}
	signed("M1", v.AdminPublic, v.M1, "memkey/2 M1", cut(v.M1, 64))

	n = at("M2", v.M2, 0, unhex("4d454d4b45593200 02 0001"))
	for _, field := range [][]byte{v.ServerPublic, v.Session, v.NonceS, v.BootID, u64(v.Unix + v.Life), unhex("04c0")} {
		n = at("M2", v.M2, n, field)
	}
	n = at("M2", v.M2, n+1216, unhex("005b"))
	n = at("M2", v.M2, n, v.State)
	if n+64 != len(v.M2) {
		t.Errorf("M2 has %d bytes", len(v.M2))
	}
	signed("M2", v.ServerPublic, v.M2, "memkey/2 M2", sha(v.M1), cut(v.M2, 64))
	at("th2", v.TH2, 0, sha([]byte("memkey/2 th2\x00"), sha(v.M1), sha(v.M2)))

	n = at("M3", v.M3, 0, unhex("4d454d4b45593200 03"))
	n = at("M3", v.M3, n, v.Session)
	n = at("M3", v.M3, n, unhex("0460"))
	n = at("M3", v.M3, n, v.Enc)
	n = at("M3", v.M3, n, unhex("00000410"))
	if n+1040+64 != len(v.M3) {
		t.Errorf("M3 has %d bytes", len(v.M3))
	}
	signed("M3", v.AdminPublic, v.M3, "memkey/2 M3", v.TH2, sha(cut(v.M3, 64)))
	at("th3", v.TH3, 0, sha([]byte("memkey/2 th3\x00"), v.TH2, sha(v.M3)))

	keys := v.Package[15:] // behind op and generation, which have 4 and 11 bytes
	at("package", v.Package, 0, unhex("01 0001 01 02 0008 0000000000000008 03 004d"))
	kid, kvt := keys[3:11], keys[11:43]
	at("package", keys, 43, append(counting(0, 32), append([]byte{1}, "2026"...)...))

	n = at("M4", v.M4, 0, unhex("4d454d4b45593200 04"))
	n = at("M4", v.M4, n, v.Session)
	n = at("M4", v.M4, n, unhex("0000 0000000000000008"))
	n = at("M4", v.M4, n, kid)
	n = at("M4", v.M4, n, []byte{2})
	n = at("M4", v.M4, n, bytes.Join([][]byte{kid, kvt, {1}}, nil))
	n = at("M4", v.M4, n+41, unhex("0000000000000001 aa"))
	if n+31+32 != len(v.M4) {
		t.Errorf("M4 has %d bytes", len(v.M4))
	}
	mac := hmac.New(sha256.New, v.Confirm)
	mac.Write(bytes.Join([][]byte{[]byte("memkey/2 M4\x00"), v.TH3, cut(v.M4, 32)}, nil))
	at("M4", v.M4, len(v.M4)-32, mac.Sum(nil))

	n = at("M4e", v.M4e, 0, unhex("4d454d4b45593200 05"))
	n = at("M4e", v.M4e, n, v.Session)
	at("M4e", v.M4e, n, unhex("0002 0000"))
	signed("M4e", v.ServerPublic, v.M4e, "memkey/2 M4e", sha(v.M3), cut(v.M4e, 64))
}
