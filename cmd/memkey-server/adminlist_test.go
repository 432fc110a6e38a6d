package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func keyText(b byte) string { return strings.Repeat(fmt.Sprintf("%02x", b), 32) }

func testAdmin(b byte, name string) memkey.Admin {
	return memkey.Admin{Public: bytes.Repeat([]byte{b}, 32), Roles: memkey.Roles(memkey.RoleDeliver), Name: name}
}

func TestAdminListKeepsComments(t *testing.T) {
	text := "# the people\n\n" + keyText(1) + " deliver,status anna\n  " + keyText(2) + "   clear  bert@host\n# end"
	l, err := parseList([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	admins := l.admins()
	if len(admins) != 2 || admins[0].Name != "anna" || admins[1].Roles.String() != "clear" || admins[1].Public[0] != 2 {
		t.Errorf("%+v", admins)
	}
	if err := l.put(testAdmin(3, "carl")); err != nil {
		t.Fatal(err)
	}
	if err := l.put(testAdmin(1, "anna")); err != nil { // other roles, in place
		t.Fatal(err)
	}
	if removed, err := l.remove([]string{"bert@host"}); err != nil || removed.Name != "bert@host" {
		t.Fatal(removed, err)
	}
	want := "# the people\n\n" + keyText(1) + " deliver anna\n# end\n" + keyText(3) + " deliver carl\n"
	if got := string(l.encode()); got != want {
		t.Errorf("got\n%s, want\n%s", got, want)
	}
	for _, who := range [][]string{{memkey.AdminFingerprint(testAdmin(1, "").Public).String()}, {strings.ToUpper(keyText(3))}} {
		if _, err := l.remove(who); err != nil {
			t.Errorf("%v: %v", who, err)
		}
	}
	if len(l.admins()) != 0 {
		t.Errorf("left: %v", l.admins())
	}
	for _, nobody := range [][]string{{""}, {"anna"}, {keyText(9)}, nil} {
		if _, err := l.remove(nobody); err == nil {
			t.Errorf("%q is removed", nobody)
		}
	}
}

func TestAdminListRefusals(t *testing.T) {
	good := keyText(1) + " deliver anna\n"
	var many strings.Builder
	for i := range memkey.MaxAdmins + 1 {
		fmt.Fprintf(&many, "%s deliver a%d\n", keyText(byte(i+1)), i)
	}
	for text, want := range map[string]string{
		good + keyText(1) + " deliver bert":                "line 2: the key of anna is there twice",
		good + keyText(2) + " deliver anna":                "line 2: the name anna is there twice",
		keyText(0) + " deliver anna":                       "signatures anyone can make",
		"01" + strings.Repeat("0", 60) + "80 deliver anna": "signatures anyone can make",
		keyText(1) + " deliver":                            "want a public key, roles and a name",
		keyText(1) + " deliver, enroll anna":               "want a public key, roles and a name",
		keyText(1)[:62] + " deliver anna":                  "not 64 hex digits",
		keyText(1) + "00 deliver anna":                     "not 64 hex digits",
		"z" + keyText(1)[1:] + " deliver anna":             "not 64 hex digits",
		keyText(1) + " all anna":                           `"all" is none of`,
		keyText(1) + " deliver,deliver anna":               "twice",
		keyText(1) + " deliver \x1b[2J":                    "the name is not",
		keyText(1) + " deliver " + keyText(1)[:33]:         "the name is not",
		keyText(1) + " deliver ännä":                       "the name is not",
		many.String():                                      "65 administrators, at most 64",
		strings.Repeat("#\n", maxList):                     "more than 65536 bytes",
		"\xff\xfe" + keyText(1) + " deliver anna\n":        "not 64 hex digits",
	} {
		if l, err := parseList([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80q: %v, %v, want %s", text, l, err, want)
		}
	}
	l := &adminList{}
	for i := range memkey.MaxAdmins {
		if err := l.put(testAdmin(byte(i+1), fmt.Sprint("a", i))); err != nil {
			t.Fatal(err)
		}
	}
	if err := l.put(testAdmin(200, "one-more")); err == nil || !strings.Contains(err.Error(), "the most") {
		t.Errorf("one more: %v", err)
	}
}

func TestAdminListFileOfOthersIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admins")
	if admins, err := readAdmins(path); err != nil || len(admins) != 0 {
		t.Errorf("no file: %v, %v", admins, err)
	}
	if err := os.WriteFile(path, []byte(keyText(1)+" deliver anna\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if admins, err := readAdmins(path); err != nil || len(admins) != 1 {
		t.Errorf("%v, %v", admins, err)
	}
	for _, mode := range []os.FileMode{0o664, 0o646} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := readAdmins(path); err == nil || !strings.Contains(err.Error(), "others can write") {
			t.Errorf("mode %o: %v", mode, err)
		}
	}
	if _, err := readAdmins(t.TempDir()); err == nil || !strings.Contains(err.Error(), "not a regular file") {
		t.Errorf("a directory: %v", err)
	}
	if os.Geteuid() != 0 {
		t.Skip("giving a file to another user needs root")
	}
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Chown(path, nobody, nobody); err != nil {
		t.Fatal(err)
	}
	if _, err := readAdmins(path); err == nil || !strings.Contains(err.Error(), "belongs to uid 65534, want root") {
		t.Errorf("a file of nobody: %v", err)
	}
}

func TestAdminListConcurrentEditsLoseNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "admins")
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			if err := editList(path, func(l *adminList) error { return l.put(testAdmin(byte(i+1), fmt.Sprint("a", i))) }); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if admins, err := readAdmins(path); err != nil || len(admins) != 20 {
		t.Errorf("%d administrators, %v", len(admins), err)
	}
}

func TestPublicKeys(t *testing.T) {
	want := ed25519.PublicKey{}
	for i := range 32 {
		want = append(want, byte(i))
	}
	const line = "AAAAC3NzaC1lZDI1NTE5AAAAIAABAgMEBQYHCAkKCwwNDg8QERITFBUWFxgZGhscHR4f"
	for _, args := range [][]string{{fmt.Sprintf("%x", []byte(want))}, {"ssh-ed25519 " + line}, {"ssh-ed25519", line}, {"ssh-ed25519", line, "a", "comment"}} {
		if got, err := parsePublic(args); err != nil || !got.Equal(want) {
			t.Errorf("%q: %x, %v", args, got, err)
		}
	}
	for _, args := range [][]string{nil, {""}, {"ssh-ed25519"}, {"ssh-ed25519 !!!"}, {"ssh-ed25519 " + line[:60]}, {"ssh-ed25519 " + line + "AAAA"},
		{"ssh-dss " + line}, {"ssh- " + line}, {"0x" + keyText(1)[2:]}, {keyText(1), "x"}} {
		if got, err := parsePublic(args); err == nil {
			t.Errorf("%q is accepted: %x", args, got)
		}
	}
}

// FuzzParseList: nothing makes the parser panic, and what it accepts is written and read again as the same list.
func FuzzParseList(f *testing.F) {
	f.Add([]byte("# c\n" + keyText(1) + " deliver,enroll anna\n\n" + keyText(2) + " status b"))
	f.Add([]byte("\r\n"))
	f.Add([]byte(keyText(1) + " deliver x\r\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		l, err := parseList(content)
		if err != nil {
			return
		}
		again, err := parseList(l.encode())
		if err != nil || len(again.admins()) != len(l.admins()) || !bytes.Equal(again.encode(), l.encode()) {
			t.Fatalf("%q becomes %q: %v", content, l.encode(), err)
		}
		for i, a := range again.admins() {
			if !sameAdmin(a, l.admins()[i]) || len(a.Public) != 32 || a.Roles == 0 || checkName(a.Name) != nil {
				t.Fatalf("unfit: %+v", a)
			}
		}
	})
}
