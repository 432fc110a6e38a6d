package main

import (
	"bytes"
	"crypto/ed25519"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const (
	// maxList bounds the file of administrators: memkey.MaxAdmins lines with room for comments.
	maxList = 64 << 10

	// sshType is how ssh names Ed25519 keys (RFC 8709 section 4).
	sshType = "ssh-ed25519"

	// maxName bounds the name of an administrator.
	maxName = 32
)

// adminList is the file of administrators: a line each,
//
//	<public key, 64 hex digits> <roles with commas> <name>
//
// and comments, lines that begin with "#". Empty lines are allowed. No key and no name is there twice.
type adminList struct {
	lines []listLine
}

// listLine is one line; admin.Public is nil for a comment.
type listLine struct {
	text  string
	admin memkey.Admin
}

func parseList(content []byte) (*adminList, error) {
	if len(content) > maxList {
		return nil, fmt.Errorf("it has more than %d bytes", maxList)
	}
	l := &adminList{}
	for text := range strings.Lines(string(content)) {
		at := len(l.lines) + 1
		text = strings.TrimSuffix(text, "\n")
		line := listLine{text: text}
		if trimmed := strings.TrimSpace(text); trimmed != "" && trimmed[0] != '#' {
			admin, err := parseAdmin(trimmed)
			if err == nil {
				err = l.free(admin)
			}
			if err != nil {
				return nil, fmt.Errorf("line %d: %w", at, err)
			}
			line.admin = admin
		}
		l.lines = append(l.lines, line)
	}
	if n := len(l.admins()); n > memkey.MaxAdmins {
		return nil, fmt.Errorf("%d administrators, at most %d", n, memkey.MaxAdmins)
	}
	return l, nil
}

func parseAdmin(text string) (memkey.Admin, error) {
	fields := strings.Fields(text)
	if len(fields) != 3 {
		return memkey.Admin{}, errors.New("want a public key, roles and a name")
	}
	public, err := parseHexKey(fields[0])
	if err != nil {
		return memkey.Admin{}, err
	}
	roles, err := memkey.ParseRoles(fields[1])
	if err != nil {
		return memkey.Admin{}, err
	}
	return memkey.Admin{Public: public, Roles: roles, Name: fields[2]}, checkName(fields[2])
}

// parsePublic reads the public key of a command line: 64 hex digits, or "ssh-ed25519 AAAA… [comment]", quoted or not.
func parsePublic(args []string) (ed25519.PublicKey, error) {
	text := strings.Join(args, " ")
	if !strings.HasPrefix(text, "ssh-") {
		return parseHexKey(text)
	}
	fields := strings.Fields(text)
	if fields[0] != sshType || len(fields) < 2 {
		return nil, fmt.Errorf("the key is of type %s, want %s", fields[0], sshType)
	}
	blob, err := base64.StdEncoding.DecodeString(fields[1])
	public, found := bytes.CutPrefix(blob, []byte("\x00\x00\x00\x0b"+sshType+"\x00\x00\x00\x20"))
	if err != nil || !found || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("it is not an ssh public key")
	}
	return public, checkPoint(public)
}

func parseHexKey(text string) (ed25519.PublicKey, error) {
	public, err := hex.DecodeString(text)
	if err != nil || len(public) != ed25519.PublicKeySize {
		return nil, errors.New("the public key is not 64 hex digits")
	}
	return public, checkPoint(public)
}

// smallOrder are the y coordinates of the points of small order of Ed25519 (RFC 8032), little endian, sign bit off, with
// their forms that are not reduced. A signature under such a key can be made by anyone.
var smallOrder = []string{
	"0000000000000000000000000000000000000000000000000000000000000000",
	"0100000000000000000000000000000000000000000000000000000000000000",
	"26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
	"c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
	"ecffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"edffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
	"eeffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff7f",
}

// checkPoint refuses keys that are nobody's.
func checkPoint(public ed25519.PublicKey) error {
	y := bytes.Clone(public)
	y[len(y)-1] &= 0x7f
	if slices.Contains(smallOrder, hex.EncodeToString(y)) {
		return errors.New("it is a key whose signatures anyone can make")
	}
	return nil
}

func checkName(name string) error {
	if name == "" || len(name) > maxName || strings.ContainsFunc(name, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("._@-", r)
	}) {
		return fmt.Errorf("the name is not 1 to %d letters, digits and . _ @ -", maxName)
	}
	return nil
}

// admins returns all administrators in the order of the file.
func (l *adminList) admins() []memkey.Admin {
	var all []memkey.Admin
	for _, line := range l.lines {
		if line.admin.Public != nil {
			all = append(all, line.admin)
		}
	}
	return all
}

// free wants key and name not to be on the list.
func (l *adminList) free(admin memkey.Admin) error {
	for _, a := range l.admins() {
		if a.Public.Equal(admin.Public) {
			return fmt.Errorf("the key of %s is there twice", a.Name)
		}
		if a.Name == admin.Name {
			return fmt.Errorf("the name %s is there twice", a.Name)
		}
	}
	return nil
}

// put adds an administrator; one with this key and this name gets the new roles.
func (l *adminList) put(admin memkey.Admin) error {
	line := listLine{fmt.Sprintf("%x %v %s", []byte(admin.Public), admin.Roles, admin.Name), admin}
	for i, have := range l.lines {
		if have.admin.Public.Equal(admin.Public) && have.admin.Name == admin.Name {
			l.lines[i] = line
			return nil
		}
	}
	if err := l.free(admin); err != nil {
		return err
	}
	if len(l.admins()) >= memkey.MaxAdmins {
		return fmt.Errorf("there are %d administrators already, which is the most", memkey.MaxAdmins)
	}
	l.lines = append(l.lines, line)
	return nil
}

// remove takes off who has this name, fingerprint or public key.
func (l *adminList) remove(who []string) (memkey.Admin, error) {
	text := strings.Join(who, " ")
	public, _ := parsePublic(who) // nil fits nobody
	for i, line := range l.lines {
		a := line.admin
		if a.Public == nil {
			continue
		}
		if a.Name == text || strings.EqualFold(memkey.AdminFingerprint(a.Public).String(), text) || public != nil && a.Public.Equal(public) {
			l.lines = append(l.lines[:i:i], l.lines[i+1:]...)
			return a, nil
		}
	}
	return memkey.Admin{}, errors.New("no administrator has this name, fingerprint or key")
}

func (l *adminList) encode() []byte {
	var b bytes.Buffer
	for _, line := range l.lines {
		b.WriteString(line.text + "\n")
	}
	return b.Bytes()
}

// readAdmins reads the list; no file is an empty list. A file that somebody other than root or the own user could have
// written is refused: whoever writes it decides who brings keys.
func readAdmins(path string) ([]memkey.Admin, error) {
	l, err := readList(path)
	if err != nil {
		return nil, err
	}
	return l.admins(), nil
}

func readList(path string) (*adminList, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return &adminList{}, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, errors.New("it is not a regular file")
	}
	if info.Mode().Perm()&0o022 != 0 {
		return nil, fmt.Errorf("others can write to it (mode %#o)", info.Mode().Perm())
	}
	if uid, ok := ownerOf(info); !ok || uid != 0 && uid != os.Geteuid() {
		return nil, fmt.Errorf("it belongs to uid %d, want root", uid)
	}
	content, err := io.ReadAll(io.LimitReader(f, maxList+1))
	if err != nil {
		return nil, err
	}
	return parseList(content)
}

// editList changes the list under a lock, so that two commands at once do not lose each other's line.
func editList(path string, change func(*adminList) error) error {
	lock, err := lockFile(path + ".lock")
	if err != nil {
		return err
	}
	defer lock.Close()
	l, err := readList(path)
	if err != nil {
		return err
	}
	if err := change(l); err != nil {
		return err
	}
	return replaceFile(path, l.encode(), 0o644)
}
