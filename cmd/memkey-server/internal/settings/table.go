package settings

import (
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// key is one setting.
type key struct {
	name     string // dotted
	about    string // what it is for, for the manual
	want     string // what its value may be, for errors and the manual
	list     bool
	private  bool // its value is in no error
	defaults []string
	set      func(*Settings, []string) error
}

// errUnfit says no more than that want was not met.
var errUnfit = errors.New("unfit")

// table is every setting, in the order of the manual.
func table() []key {
	return []key{
		single("server.listen_addr", "127.0.0.1:7070", "host:port", func(s *Settings) *string { return &s.ListenAddr }, address).says("where administrators connect (TCP)"),
		boolean("server.tls_enabled", "true", func(s *Settings) *bool { return &s.TLS }).says("TLS 1.3 around the key protocol, which does not rest on it"),
		single("server.tls_cert", "", "an absolute path, or empty", func(s *Settings) *string { return &s.TLSCert }, optionalPath).says("certificate; empty: made of the identity at every start"),
		single("server.tls_key", "", "an absolute path, or empty", func(s *Settings) *string { return &s.TLSKey }, optionalPath).says("its private key"),
		single("server.unix_socket_path", "/run/memkey/memkey.sock", "an absolute path, or empty for none", func(s *Settings) *string { return &s.Socket }, optionalPath).says("where the proxies of this host get the keys"),
		users("server.unix_socket_uids", func(s *Settings) *[]string { return &s.SocketUIDs }).says("users (numbers or names) that may; empty: the own user only"),
		users("server.unix_socket_agent_uids", func(s *Settings) *[]string { return &s.AgentUIDs }).says("those of them that get no master: their proxies run with memkey.mode agent"),
		single("identity.file", "", "an absolute path", func(s *Settings) *string { return &s.IdentityFile }, optionalPath).says("the identity's seed; default state_dir/identity"),
		seed("identity.private_key").says("the seed itself, as the earlier system had it; better not"),
		span("security.challenge_timeout", "30s", minTimeout, maxTimeout, func(s *Settings) *time.Duration { return &s.ChallengeTimeout }).says("how long an administrator has from challenge to package"),
		span("security.max_clock_skew", "120s", time.Second, maxSkew, func(s *Settings) *time.Duration { return &s.MaxClockSkew }).says("how far an administrator's clock may be off"),
		boolean("security.no_clock", "false", func(s *Settings) *bool { return &s.NoClock }).says("do not look at it: for hosts without a clock at boot"),
		number("security.max_failed_attempts", "5", 1, 1000, func(s *Settings) *int { return &s.MaxFailed }).says("refusals until a source address has to wait"),
		span("security.lockout_duration", "5m", time.Second, maxLockout, func(s *Settings) *time.Duration { return &s.Lockout }).says("for how long"),
		number("security.enroll_quorum", "1", 1, 2, func(s *Settings) *int { return &s.EnrollQuorum }).says("administrators that must send the same enrolment"),
		single("state_dir", "/var/lib/memkey", "an absolute path", func(s *Settings) *string { return &s.StateDir }, absolutePath).says("where identity, pins and audit log are; made if missing"),
		single("admins_file", "", "an absolute path", func(s *Settings) *string { return &s.AdminsFile }, optionalPath).says("the list of administrators; default memkey.admins beside this file"),
		single("pins_file", "", "an absolute path", func(s *Settings) *string { return &s.PinsFile }, optionalPath).says("which keys are right; default state_dir/pins"),
		single("audit_file", "", "an absolute path", func(s *Settings) *string { return &s.AuditFile }, optionalPath).says("the log of decisions; default state_dir/audit.log"),
		single("log_level", "info", "debug, info, warn or error", func(s *Settings) *string { return &s.LogLevel }, oneOf("debug", "info", "warn", "error")).says("of the log on stderr"),
		single("log_format", "json", "json or console", func(s *Settings) *string { return &s.LogFormat }, oneOf("json", "console")).says("json: one object a line; console: for people"),
	}
}

func (k key) says(about string) key {
	k.about = about
	return k
}

// Manual explains every key, as the comment of a YAML file.
func Manual() string {
	return "memkey.yaml has these keys; all may be left out. Values stand for themselves:\nnothing in them is expanded. Unknown keys are errors.\n" + Example(nil)
}

// Example is a configuration file that explains every key. Those in set (name to value, as in the file) have that value,
// the others their default.
func Example(set map[string]string) string {
	var b strings.Builder
	section := ""
	for _, k := range table() {
		in, own, nested := strings.Cut(k.name, ".")
		if !nested {
			in, own = "", k.name
		}
		indent := ""
		if nested {
			indent = "  "
		}
		if in != section && nested {
			b.WriteString("\n" + in + ":\n")
		} else if in != section {
			b.WriteString("\n")
		}
		section = in
		value := strings.Join(k.defaults, "")
		if k.list {
			value = "[]"
		} else if value == "" {
			value = `""`
		}
		if v, given := set[k.name]; given {
			value = v
		}
		fmt.Fprintf(&b, "%s# %s (%s)\n%s%s: %s\n", indent, k.about, k.want, indent, own, value)
	}
	return b.String()
}

// Keys returns the names of all settings.
func Keys() []string {
	var names []string
	for _, k := range table() {
		names = append(names, k.name)
	}
	return names
}

func single(name, def, want string, at func(*Settings) *string, fits func(string) bool) key {
	return key{name: name, want: want, defaults: []string{def}, set: func(s *Settings, v []string) error {
		if !fits(v[0]) {
			return errUnfit
		}
		*at(s) = v[0]
		return nil
	}}
}

func boolean(name, def string, at func(*Settings) *bool) key {
	return key{name: name, want: "true or false", defaults: []string{def}, set: func(s *Settings, v []string) error {
		switch v[0] {
		case "true":
			*at(s) = true
		case "false":
			*at(s) = false
		default:
			return errUnfit
		}
		return nil
	}}
}

func number(name, def string, least, most int, at func(*Settings) *int) key {
	want := fmt.Sprintf("%d to %d", least, most)
	return key{name: name, want: want, defaults: []string{def}, set: func(s *Settings, v []string) error {
		n, err := strconv.Atoi(v[0])
		if err != nil || n < least || n > most {
			return errUnfit
		}
		*at(s) = n
		return nil
	}}
}

func span(name, def string, least, most time.Duration, at func(*Settings) *time.Duration) key {
	want := fmt.Sprintf("a time from %v to %v, like %s", least, most, def)
	return key{name: name, want: want, defaults: []string{def}, set: func(s *Settings, v []string) error {
		d, err := time.ParseDuration(v[0])
		if err != nil || d < least || d > most {
			return errUnfit
		}
		*at(s) = d
		return nil
	}}
}

func seed(name string) key {
	return key{name: name, want: "64 hex digits (nothing like ${…} is expanded)", private: true, defaults: []string{""},
		set: func(s *Settings, v []string) error {
			if _, err := hex.DecodeString(v[0]); err != nil || len(v[0]) != seedHex && v[0] != "" {
				return errUnfit
			}
			s.PrivateKey = Seed(v[0])
			return nil
		}}
}

func users(name string, at func(*Settings) *[]string) key {
	return key{name: name, want: fmt.Sprintf("a list of up to %d user ids or names", maxUsers), list: true, set: func(s *Settings, v []string) error {
		if len(v) > maxUsers {
			return errUnfit
		}
		for _, u := range v {
			if u == "" || strings.ContainsFunc(u, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ':' }) {
				return errUnfit
			}
		}
		*at(s) = v
		return nil
	}}
}

func address(s string) bool {
	host, port, err := net.SplitHostPort(s)
	if err != nil || strings.ContainsAny(host, " \t/") {
		return false
	}
	n, err := strconv.ParseUint(port, 10, 16)
	return err == nil && strconv.FormatUint(n, 10) == port
}

func absolutePath(s string) bool {
	return filepath.IsAbs(s) && !strings.Contains(s, "\x00")
}

func optionalPath(s string) bool { return s == "" || absolutePath(s) }

func oneOf(words ...string) func(string) bool {
	return func(s string) bool {
		for _, w := range words {
			if s == w {
				return true
			}
		}
		return false
	}
}
