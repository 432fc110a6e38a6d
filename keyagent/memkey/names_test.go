package memkey

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"
	"testing"
)

func TestRolesReadBackAsTheyPrint(t *testing.T) {
	for s := Roles(1); s < 1<<len(roleNames); s++ {
		got, err := ParseRoles(s.String())
		if err != nil || got != s {
			t.Errorf("%s: %s, %v", s, got, err)
		}
	}
	if s, err := ParseRoles(" deliver , status"); err != nil || s != Roles(RoleDeliver|RoleStatus) {
		t.Errorf("with spaces: %s, %v", s, err)
	}
	for _, wrong := range []string{"", ",", "deliver,", "deliver,deliver", "Deliver", "admin", "deliver;clear"} {
		if s, err := ParseRoles(wrong); err == nil {
			t.Errorf("%q is read as %s", wrong, s)
		}
	}
}

func TestEachOpNeedsItsOwnRole(t *testing.T) {
	ops := map[Op]Role{OpDeliver: RoleDeliver, OpEnroll: RoleEnroll, OpClear: RoleClear, OpShare: RoleShare, OpStatus: RoleStatus}
	for op, role := range ops {
		if op.Role() != role || op.String() != role.String() {
			t.Errorf("%s needs %s", op, op.Role())
		}
		for other, otherRole := range ops {
			if Roles(otherRole).Has(op.Role()) != (op == other) {
				t.Errorf("role %s for op %s", otherRole, op)
			}
		}
	}
	for _, op := range []Op{0, 6, 255} {
		if (Roles(255)).Has(op.Role()) || !strings.HasPrefix(op.String(), "op ") {
			t.Errorf("%s is allowed to somebody", op)
		}
	}
}

func TestFingerprintsTellTheRolesApart(t *testing.T) {
	public := testSigner(t, 1).Public()
	server, admin := ServerFingerprint(public), AdminFingerprint(public)
	if server == admin {
		t.Error("one fingerprint for both roles")
	}
	want := sha256.Sum256(append([]byte("memkey/2 identity\x00S"), public...))
	if server != want {
		t.Errorf("server %s, want %x", server, want)
	}
	for _, text := range []string{server.String(), strings.ToUpper(server.String())} {
		if got, err := ParseFingerprint(text); err != nil || got != server {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, wrong := range []string{"", server.String()[1:], server.String() + "00", strings.Repeat("g", 64), " " + server.String()[1:]} {
		if _, err := ParseFingerprint(wrong); err == nil {
			t.Errorf("%q is read", wrong)
		}
	}
}

func TestNewSignerWantsASeed(t *testing.T) {
	if _, err := NewSigner(make([]byte, 31)); err == nil {
		t.Error("31 bytes will do")
	}
	seed := hashOf([]byte("seed"))
	s, err := NewSigner(seed[:])
	if err != nil {
		t.Fatal(err)
	}
	sig, err := sign(s, labelM1, []byte("a"), []byte("b"))
	if err != nil || !verify(s.Public(), sig, labelM1, []byte("ab")) {
		t.Errorf("a good signature fails: %v", err)
	}
	if verify(s.Public(), sig, labelM2, []byte("ab")) || verify(s.Public()[:31], sig, labelM1, []byte("ab")) || verify(nil, sig, labelM1, []byte("ab")) {
		t.Error("a signature for one purpose serves another, or a key that is none")
	}
}

func TestUnknownStatusHasATextToo(t *testing.T) {
	s := Status(999)
	if s.String() != "status 999" || s.Text() == "" || s.Next() == "" {
		t.Errorf("%s: %q, %q", s, s.Text(), s.Next())
	}
	seen := make(map[string]bool)
	for s := range Status(len(statusTable)) {
		if seen[s.String()] || seen[s.Text()] || strings.ContainsAny(s.Text()+s.Next(), "\n") {
			t.Errorf("%s: its texts are another's", s)
		}
		seen[s.String()], seen[s.Text()] = true, true
	}
}

func TestLabelsArePrefixFree(t *testing.T) {
	labels := []string{labelIdentity, labelM1, labelM2, labelM3, labelM4, labelM4e, labelTH2, labelTH3, labelHPKE, labelConfirm}
	for i, a := range labels {
		for j, b := range labels {
			if i != j && strings.HasPrefix(a+"\x00", b+"\x00") {
				t.Errorf("%q begins %q", b, a)
			}
		}
	}
	if got := hex.EncodeToString([]byte(magic)); got != "4d454d4b45593200" {
		t.Errorf("magic %s", got)
	}
}
