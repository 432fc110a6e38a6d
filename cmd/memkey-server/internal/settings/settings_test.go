package settings

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"
)

func parseText(t testing.TB, text string) (*Settings, error) {
	t.Helper()
	return parse("/etc/s3-crypt-proxy/memkey.yaml", []byte(text))
}

func mustParse(t testing.TB, text string) *Settings {
	t.Helper()
	s, err := parseText(t, text)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func defaults() Settings {
	return Settings{
		ListenAddr: "127.0.0.1:7070", TLS: true, Socket: "/run/memkey/memkey.sock", IdentityFile: "/var/lib/memkey/identity",
		ChallengeTimeout: 30 * time.Second, MaxClockSkew: 2 * time.Minute, MaxFailed: 5, Lockout: 5 * time.Minute, EnrollQuorum: 1,
		StateDir: "/var/lib/memkey", AdminsFile: "/etc/s3-crypt-proxy/memkey.admins", PinsFile: "/var/lib/memkey/pins",
		AuditFile: "/var/lib/memkey/audit.log", LogLevel: "info", LogFormat: "json",
	}
}

func TestDefaults(t *testing.T) {
	for _, text := range []string{"", "# nothing\n", "---\n", "server:\n", "server:\n  # nothing\nsecurity:\n"} {
		if s := mustParse(t, text); !reflect.DeepEqual(*s, defaults()) {
			t.Errorf("%q gives\n%+v, want\n%+v", text, *s, defaults())
		}
	}
}

const testSeed = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff"

// TestEarlierFileIsAccepted: every key of the earlier memkey.yaml means what it meant.
func TestEarlierFileIsAccepted(t *testing.T) {
	s := mustParse(t, `
server:
  listen_addr: "0.0.0.0:7070"
  tls_enabled: true
  tls_cert: "/etc/s3-crypt-proxy/tls/memkey.crt"
  tls_key: "/etc/s3-crypt-proxy/tls/memkey.key"
  unix_socket_path: "/run/memkey/memkey.sock"
identity:
  private_key: "`+testSeed+`"
security:
  challenge_timeout: 30s
  max_failed_attempts: 7
  lockout_duration: 10m
`)
	want := defaults()
	want.ListenAddr, want.TLSCert, want.TLSKey = "0.0.0.0:7070", "/etc/s3-crypt-proxy/tls/memkey.crt", "/etc/s3-crypt-proxy/tls/memkey.key"
	want.PrivateKey, want.MaxFailed, want.Lockout = testSeed, 7, 10*time.Minute
	want.Warnings = s.Warnings
	if !reflect.DeepEqual(*s, want) {
		t.Errorf("got\n%#v, want\n%#v", *s, want)
	}
	if len(s.Warnings) != 1 || !strings.Contains(s.Warnings[0], "identity.private_key") {
		t.Errorf("warnings %q", s.Warnings)
	}
}

// TestEveryKey changes each key of the table, alone, and wants the settings to change.
func TestEveryKey(t *testing.T) {
	for _, k := range table() {
		value := map[string]string{
			"server.listen_addr": "'[::1]:0'", "server.tls_enabled": "false", "server.unix_socket_path": `""`, "server.unix_socket_uids": "[0, s3crypt]", "server.unix_socket_agent_uids": "[s3crypt]",
			"identity.private_key": testSeed, "security.challenge_timeout": "1m30s", "security.max_clock_skew": "24h", "security.no_clock": "true",
			"security.max_failed_attempts": "1000", "security.lockout_duration": "1s", "security.enroll_quorum": "2", "log_level": "debug", "log_format": "console",
		}[k.name]
		if value == "" {
			value = "/some/where"
		}
		section, own, nested := strings.Cut(k.name, ".")
		text := fmt.Sprintf("%s:\n  %s: %s\n", section, own, value)
		if !nested {
			text = fmt.Sprintf("%s: %s\n", k.name, value)
		}
		if section == "server" && strings.HasPrefix(own, "tls_c") {
			text += "  tls_key: /some/where\n"
		} else if own == "tls_key" {
			text += "  tls_cert: /some/where\n"
		}
		if s := mustParse(t, text); reflect.DeepEqual(*s, defaults()) {
			t.Errorf("%s changes nothing", text)
		}
		if k.about == "" || k.want == "" || !strings.Contains(Manual(), own+":") {
			t.Errorf("%s is not explained", k.name)
		}
	}
	if n := len(Keys()); n != len(table()) {
		t.Errorf("%d keys", n)
	}
}

// TestManualIsAFile: what help config prints below its first lines is a configuration.
func TestManualIsAFile(t *testing.T) {
	_, text, found := strings.Cut(Manual(), "\n\n")
	if !found {
		t.Fatal("no text")
	}
	if s := mustParse(t, text); !reflect.DeepEqual(*s, defaults()) {
		t.Errorf("the manual's values are not the defaults:\n%+v", s)
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"server:\n  listen_adr: x":             ":2: server.listen_adr: unknown key; did you mean server.listen_addr?",
		"listen_addr: x":                       ":1: listen_addr: unknown key; did you mean server.listen_addr?",
		"proxy:\n  tls_cert: /x":               ":2: proxy.tls_cert: unknown key; did you mean server.tls_cert?",
		"server.listen_addr: 'a:1'":            ":1: server.listen_addr: unknown key; write listen_addr: on an indented line below server:",
		"security:\n  enrol_quorum: 2":         "did you mean security.enroll_quorum?",
		"security:\n  zzzzzzzz: 2":             ":2: security.zzzzzzzz: unknown key",
		"nothing: {}":                          ":1: nothing: unknown key",
		"server:\n  tls_enabled: yes":          `:2: server.tls_enabled is "yes": want true or false`,
		"server:\n  listen_addr: 7070":         `server.listen_addr is "7070": want host:port`,
		"server:\n  listen_addr: 'x:99999'":    "want host:port",
		"server:\n  listen_addr: 'x:http'":     "want host:port",
		"server:\n  listen_addr: 'x:01'":       "want host:port",
		"server:\n  listen_addr: 'http://x:1'": "want host:port",
		"server:\n  tls_cert: /x":              ":2: server.tls_cert: give server.tls_cert and server.tls_key",
		"server:\n  tls_cert: x\n  tls_key: y": "want an absolute path",
		"server:\n  unix_socket_uids: 5":       "server.unix_socket_uids: it is not a list",
		"server:\n  unix_socket_uids: [a b]":   "want a list of up to 16",
		"server:\n  unix_socket_uids: ['']":    "want a list of up to 16",
		"server:\n  unix_socket_uids: [[1]]":   "an item of the list is no single value",
		"server:\n  unix_socket_uids: [1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17]": "want a list of up to 16",
		"server: 5":                                         "server: it is a section",
		"server:\n  listen_addr:":                           "it has no value",
		"server:\n  listen_addr: [a]":                       "it is not a single value",
		"server:\n  listen_addr: a:1\n  listen_addr: b:1":   ":3: server.listen_addr: it is given twice, first on line 2",
		"identity:\n  private_key: ${MEMKEY_PRIVATE_KEY}":   ":2: identity.private_key: want 64 hex digits (nothing like",
		"identity:\n  private_key: abc":                     "want 64 hex digits",
		"identity:\n  file: /x\n  private_key: " + testSeed: "two identities",
		"security:\n  challenge_timeout: 30":                `security.challenge_timeout is "30": want a time from 1s`,
		"security:\n  challenge_timeout: 1h":                "want a time from 1s",
		"security:\n  lockout_duration: -1s":                "want a time from 1s",
		"security:\n  max_failed_attempts: 0":               "want 1 to 1000",
		"security:\n  max_failed_attempts: 1e3":             "want 1 to 1000",
		"security:\n  enroll_quorum: 3":                     "want 1 to 2",
		"state_dir: ''":                                     "want an absolute path",
		"state_dir: var":                                    "want an absolute path",
		"pins_file: /a\naudit_file: /a":                     "audit_file: it is the same file as pins_file",
		"log_level: loud":                                   "want debug, info, warn or error",
		"log_format: xml":                                   "want json or console",
		"log_level: &a info":                                "anchors and aliases are not supported",
		"log_level: !!str info":                             "tags are not supported",
		"a: &a [*a]":                                        "anchors",
		"? [a]\n: b":                                        "a key is no plain word",
		"- a":                                               "the file is no set of",
		"log_level: info\n---\nlog_level: warn":             "a second YAML document",
		"log_level: 'info":                                  "it is no valid YAML",
		"\tx: y":                                            "it is no valid YAML",
		strings.Repeat("x", 200) + ": 1":                    `xxx"…: unknown key`,
		"\"a\\x1b[2J\": 1":                                  `"a\x1b[2J": unknown key`,
	} {
		s, err := parseText(t, text)
		if err == nil || !strings.Contains(err.Error(), want) || s != nil {
			t.Errorf("%q:\n%v, want\n%s", text, err, want)
		}
	}
}

func TestAllProblemsAtOnce(t *testing.T) {
	_, err := parseText(t, "log_level: loud\nserver:\n  nope: 1\nsecurity:\n  enroll_quorum: 9\n")
	if err == nil || strings.Count(err.Error(), "\n") != 2 {
		t.Errorf("%v", err)
	}
	_, err = parseText(t, strings.Repeat("a", 1)+": 1\n"+func() string {
		var b strings.Builder
		for i := range 100 {
			fmt.Fprintf(&b, "key%d: 1\n", i)
		}
		return b.String()
	}())
	if err == nil || strings.Count(err.Error(), "\n") != maxProblems || !strings.Contains(err.Error(), "… and 81 more") {
		t.Errorf("%v", err)
	}
}

func TestSeedIsShownNowhere(t *testing.T) {
	s := mustParse(t, "identity:\n  private_key: "+testSeed+"\n")
	encoded, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	shownAll := fmt.Sprintf("%v %+v %#v %s %q %x %s %v", *s, s, s, s.PrivateKey, s.PrivateKey, s.PrivateKey, encoded, s.Warnings)
	if strings.Contains(shownAll, testSeed[:16]) {
		t.Errorf("the seed is in %s", shownAll)
	}
	for _, text := range []string{
		"identity:\n  private_key: " + testSeed + "0\n", "identity:\n  private_key: [" + testSeed + "]\n",
		"identity:\n  private_key: " + testSeed + ": x\n", "identity:\n  private_key: \"" + testSeed + "\n",
		"identity:\n  private_key: *" + testSeed + "\n", "identity:\n  private_key: !" + testSeed + " x\n",
		"identity:\n  private_key: {" + testSeed + ": " + testSeed + "}\n",
	} {
		if _, err := parseText(t, text); err == nil || strings.Contains(err.Error(), testSeed[:16]) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestWarnings(t *testing.T) {
	s := mustParse(t, "server:\n  tls_enabled: false\nsecurity:\n  no_clock: true\n")
	if all := strings.Join(s.Warnings, "\n"); len(s.Warnings) != 2 || !strings.Contains(all, "tls_enabled") || !strings.Contains(all, "no_clock") {
		t.Errorf("%q", s.Warnings)
	}
}

func TestLoad(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "memkey.yaml")
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), path+": cannot read the configuration: no such file") {
		t.Errorf("no file: %v", err)
	}
	if err := os.WriteFile(path, []byte("log_level: warn\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err := Load(path); err != nil || s.LogLevel != "warn" || s.AdminsFile != filepath.Join(dir, "memkey.admins") {
		t.Errorf("%+v, %v", s, err)
	}
	if err := os.WriteFile(path, make([]byte, maxFile+1), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(path); err == nil || !strings.Contains(err.Error(), "more than 65536 bytes") {
		t.Errorf("a long file: %v", err)
	}
	if _, err := os.Stat(DefaultPath); err == nil {
		t.Skip("this machine has a " + DefaultPath)
	}
	if s, err := Load(""); err != nil || !reflect.DeepEqual(*s, defaults()) {
		t.Errorf("without a file: %+v, %v", s, err)
	}
}

// FuzzParse: no file makes the parser panic; what it refuses is refused with problems and without the seed.
func FuzzParse(f *testing.F) {
	f.Add([]byte("server:\n  listen_addr: 127.0.0.1:1\n  unix_socket_uids: [1, a]\nidentity:\n  private_key: " + testSeed + "\n"))
	f.Add([]byte(Manual()))
	f.Add([]byte("a: &a [*a]\n"))
	f.Add([]byte("<<: {log_level: x}\n"))
	f.Add([]byte("identity: {private_key: !!binary " + testSeed + "}\n"))
	f.Add([]byte("\xef\xbb\xbflog_level: info\n...\n---\n"))
	f.Fuzz(func(t *testing.T, content []byte) {
		s, err := parse("/f", content)
		if err != nil {
			if s != nil || len(err.(Problems)) == 0 {
				t.Fatal("refused without a problem, or with settings")
			}
			// As a key's name the digits are no secret; as a value they are.
			if strings.Contains(err.Error(), testSeed) && !strings.Contains(string(content), testSeed+":") {
				t.Fatalf("the seed is shown: %v", err)
			}
			return
		}
		if s.ListenAddr == "" || !filepath.IsAbs(s.PinsFile) || !filepath.IsAbs(s.AdminsFile) || s.EnrollQuorum < 1 || s.ChallengeTimeout < minTimeout {
			t.Fatalf("unfit settings: %+v", s)
		}
	})
}

// TestFileThatOthersWriteIsRefused: whoever writes the file chooses who gets the keys.
func TestFileThatOthersWriteIsRefused(t *testing.T) {
	path := filepath.Join(t.TempDir(), "memkey.yaml")
	if err := os.WriteFile(path, []byte("log_level: debug\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for mode, good := range map[os.FileMode]bool{0o600: true, 0o640: true, 0o644: true, 0o660: false, 0o602: false, 0o666: false} {
		if err := os.Chmod(path, mode); err != nil {
			t.Fatal(err)
		}
		if _, err := Load(path); (err == nil) != good {
			t.Errorf("mode %04o: %v", mode, err)
		}
	}
}

// TestExample: the explained file says the defaults, and what it was told to.
func TestExample(t *testing.T) {
	if s := mustParse(t, Example(nil)); !reflect.DeepEqual(*s, defaults()) {
		t.Errorf("got\n%+v, want\n%+v", *s, defaults())
	}
	want := defaults()
	want.SocketUIDs = []string{"proxy", "0"}
	if s := mustParse(t, Example(map[string]string{"server.unix_socket_uids": "[proxy, 0]"})); !reflect.DeepEqual(*s, want) {
		t.Errorf("got\n%+v, want\n%+v", *s, want)
	}
}
