package settings

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// DefaultPath is where the configuration is looked for if no flag names it.
const DefaultPath = "/etc/s3-crypt-proxy/memkey.yaml"

// Settings are all values of a configuration, complete and in range. Paths are absolute.
type Settings struct {
	ListenAddr string
	TLS        bool
	TLSCert    string // "" = self-made
	TLSKey     string
	Socket     string   // "" = none
	SocketUIDs []string // numbers or names; none = the own user
	AgentUIDs  []string // those that get no master, only derivations

	IdentityFile string
	PrivateKey   Seed // "" = not given

	ChallengeTimeout time.Duration
	MaxClockSkew     time.Duration
	NoClock          bool
	MaxFailed        int
	Lockout          time.Duration
	EnrollQuorum     int

	StateDir   string
	AdminsFile string
	PinsFile   string
	AuditFile  string

	LogLevel  string
	LogFormat string

	// Warnings are things that work and should be changed.
	Warnings []string
}

// Seed is the private key of the earlier memkey.yaml: 64 hex digits. It prints as "redacted".
type Seed string

// Format writes "redacted" for every verb.
func (Seed) Format(f fmt.State, _ rune) { _, _ = io.WriteString(f, "redacted") }

// MarshalText returns "redacted".
func (Seed) MarshalText() ([]byte, error) { return []byte("redacted"), nil }

// Load reads the configuration at path. If path is "", that is DefaultPath, which may be missing: then all is default.
// The error is of type Problems.
func Load(path string) (*Settings, error) {
	optional := path == ""
	if optional {
		path = DefaultPath
	}
	content, err := read(path)
	if optional && errors.Is(err, os.ErrNotExist) {
		content, err = nil, nil
	}
	if err != nil {
		return nil, Problems{{File: path, Why: fmt.Sprintf("cannot read the configuration: %v", err)}}
	}
	return parse(path, content)
}

func read(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, pathless(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, pathless(err)
	}
	if info.Mode().Perm()&0o022 != 0 {
		// Whoever writes it chooses who may bring keys and who gets them.
		return nil, fmt.Errorf("others may write it (mode %04o): chmod go-w", info.Mode().Perm())
	}
	b, err := io.ReadAll(io.LimitReader(f, maxFile+1))
	if err != nil {
		return nil, pathless(err)
	}
	if len(b) > maxFile {
		return nil, fmt.Errorf("it has more than %d bytes", maxFile)
	}
	return b, nil
}

// pathless drops the path from the errors of os: ours have it already.
func pathless(err error) error {
	var p *os.PathError
	if errors.As(err, &p) {
		return p.Err
	}
	return err
}

// parse applies what a file says to the defaults; path is for errors, and its directory for admins_file.
func parse(path string, content []byte) (*Settings, error) {
	keys := table()
	w := &walker{path: path, keys: keys, given: map[string]given{}, lines: map[string]int{}}
	w.document(content)
	s := &Settings{}
	for _, k := range keys {
		if err := k.set(s, k.defaults); err != nil {
			panic("BUG: settings: bad default of " + k.name + ": " + err.Error())
		}
		g, ok := w.given[k.name]
		if !ok {
			continue
		}
		if err := k.set(s, g.values); err != nil {
			w.refuse(k, g, err)
		}
	}
	if len(w.problems) == 0 {
		s.complete(w, path)
	}
	if len(w.problems) > 0 {
		return nil, w.problems
	}
	return s, nil
}

// complete derives the paths that were not given, and judges keys together.
func (s *Settings) complete(w *walker, path string) {
	derived := func(p *string, dir, name string) {
		if *p == "" {
			*p = filepath.Join(dir, name)
		}
	}
	derived(&s.IdentityFile, s.StateDir, "identity")
	derived(&s.PinsFile, s.StateDir, "pins")
	derived(&s.AuditFile, s.StateDir, "audit.log")
	if s.AdminsFile == "" {
		dir, err := filepath.Abs(filepath.Dir(path))
		if err != nil {
			w.fail("admins_file", "cannot tell the directory of the configuration; give an absolute path")
			return
		}
		s.AdminsFile = filepath.Join(dir, "memkey.admins")
	}
	if (s.TLSCert == "") != (s.TLSKey == "") {
		w.fail("server.tls_cert", "give server.tls_cert and server.tls_key, or none of them")
	}
	if _, both := w.given["identity.file"]; both && s.PrivateKey != "" {
		w.fail("identity.private_key", "give this or identity.file: two identities would have two fingerprints")
	}
	seen := map[string]string{}
	for _, f := range []struct{ key, path string }{{"identity.file", s.IdentityFile}, {"pins_file", s.PinsFile},
		{"audit_file", s.AuditFile}, {"admins_file", s.AdminsFile}} {
		if other, twice := seen[f.path]; twice {
			w.fail(f.key, "it is the same file as "+other)
		}
		seen[f.path] = f.key
	}
	s.warn()
}

func (s *Settings) warn() {
	if s.PrivateKey != "" {
		s.Warnings = append(s.Warnings, "identity.private_key: the identity lies in the configuration, which backups copy; move it into identity.file or a systemd credential")
	}
	if !s.TLS {
		s.Warnings = append(s.Warnings, "server.tls_enabled is false: keys stay sealed, but who sends them and when can be seen on the network")
	}
	if s.NoClock {
		s.Warnings = append(s.Warnings, "security.no_clock: the time of requests is not checked")
	}
}
