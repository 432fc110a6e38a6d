package main

import (
	"crypto/ed25519"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

type initResult struct {
	Config      string `json:"config"`
	Server      string `json:"server"`
	Fingerprint string `json:"fingerprint"`
	Public      string `json:"public_key"`  // 64 hex digits, as memkey-server admin add takes it
	Admin       string `json:"admin"`       // the fingerprint that the server's log shows
	AddCommand  string `json:"add_command"` // to be run on the server
	NewIdentity bool   `json:"new_identity"`
}

func (r initResult) text(w io.Writer) {
	fmt.Fprintf(w, "configuration  %s\n", r.Config)
	fmt.Fprintf(w, "server         %s\n", r.Server)
	fmt.Fprintf(w, "fingerprint    %s\n", r.Fingerprint)
	fmt.Fprintf(w, "you are        %s\n", r.Admin)
	fmt.Fprintf(w, "\non the server, as root:\n  %s\n", r.AddCommand)
}

func newInit(a *app) *cobra.Command {
	var server, fingerprint, name, sshKey string
	var skipVerify bool
	c := &cobra.Command{
		Use:   "init --server URL --fingerprint HEX64",
		Short: "say which server to trust, and make the identity that signs",
		Long: `init writes the configuration, and makes the administrator's identity unless it
is there already: an Ed25519 key, sealed under a passphrase that is asked for
twice. With --ssh-agent the identity is a key of the ssh-agent instead, named by
its .pub file, its SHA256:… or its comment; it must be of the type ssh-ed25519.

The fingerprint is what memkey-server printed on its console, 64 hex digits. There
is no trust on first use: init asks the server nothing.

--skip-tls-verify of the earlier system is accepted and means nothing: trust rests
on the fingerprint, never on the certificate.

Exit status: 0 done, 2 usage, 3 files, 4 passphrase or ssh-agent.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			fp, err := memkey.ParseFingerprint(fingerprint)
			if err != nil {
				return fail(exitUsage, "memkey-server -print-fingerprint, on the server's console", err)
			}
			if skipVerify {
				a.hint("note: --skip-tls-verify means nothing here: trust rests on the fingerprint, never on the certificate")
			}
			return a.initialise(server, fp, name, sshKey)
		},
	}
	c.Flags().StringVar(&server, "server", "", "the key server's `URL`, https://HOST:7070")
	c.Flags().StringVar(&fingerprint, "fingerprint", "", "the server's fingerprint, `HEX64`")
	c.Flags().StringVar(&name, "name", "", "your `NAME` in the server's list")
	c.Flags().StringVar(&sshKey, "ssh-agent", "", "sign with this `KEY` of the ssh-agent")
	c.Flags().BoolVar(&skipVerify, "skip-tls-verify", false, "accepted for the earlier system's scripts; means nothing")
	for _, required := range []string{"server", "fingerprint"} {
		if err := c.MarkFlagRequired(required); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	return c
}

func (a *app) initialise(server string, fp memkey.Fingerprint, name, sshKey string) error {
	path, err := a.configFile()
	if err != nil {
		return err
	}
	c, err := a.loadConfig(true)
	if err != nil {
		return err
	}
	if name == "" {
		name = a.userName()
	} else if !validName(name) {
		return fail(exitUsage, "memkey-admin init --name NAME …", fmt.Errorf("cannot take the name: it has to have 1 to %d letters, digits and -_.@", maxName))
	}
	c.ServerURL, c.ExpectedFingerprint, c.SkipTLSVerify = server, fp.String(), false
	// Before anything is made: does the URL do?
	if _, err := memkey.NewClient(memkey.ClientConfig{URL: server, Server: fp, Identity: nobody{}}); err != nil {
		return fail(exitUsage, "memkey-admin init --server https://HOST:7070 …", err)
	}
	unlock, err := a.lock(path)
	if err != nil {
		return err
	}
	defer unlock()

	var public ed25519.PublicKey
	fresh := false
	if sshKey != "" {
		if public, err = a.agentKey(sshKey); err != nil {
			return err
		}
		if c.SSHAgentKey, err = keyfile.AuthorizedKey(public); err != nil {
			return fail(exitInternal, "", err)
		}
		c.IdentityFile = ""
	} else {
		c.SSHAgentKey = ""
		if c.IdentityFile == "" {
			c.IdentityFile = defaultIdentity
		}
		if public, fresh, err = a.makeIdentity(c.path(c.IdentityFile), name); err != nil {
			return err
		}
	}
	if err := c.save(path); err != nil {
		return err
	}
	if err := a.report(initResult{
		Config: path, Server: server, Fingerprint: fp.String(), Public: hex.EncodeToString(public), Admin: memkey.AdminFingerprint(public).String(),
		AddCommand: fmt.Sprintf("memkey-server admin add %x --roles deliver,enroll,clear,status --name %s", []byte(public), name), NewIdentity: fresh,
	}); err != nil {
		return err
	}
	if exists(c.path(earlierKey)) && !exists(c.keyring()) {
		a.hint("next: memkey-admin key import --file %s", c.path(earlierKey))
	} else if !exists(c.keyring()) {
		a.hint("next: memkey-admin key generate")
	} else {
		a.hint("next: memkey-admin status")
	}
	return nil
}

// makeIdentity makes the identity at path, or opens the one that is there.
func (a *app) makeIdentity(path, name string) (public ed25519.PublicKey, fresh bool, err error) {
	if exists(path) {
		id, err := a.openIdentity(path)
		if err != nil {
			return nil, false, err
		}
		defer id.Wipe()
		return id.Public(), false, nil
	}
	if err := a.newPassphrase("identity"); err != nil {
		return nil, false, err
	}
	id, err := keyfile.NewIdentity(name, a.now())
	if err != nil {
		return nil, false, fail(exitInternal, "", err)
	}
	defer id.Wipe()
	file, err := keyfile.SealIdentity(id, a.passphrase, a.sys.cost)
	if err != nil {
		return nil, false, fail(exitInternal, "", err)
	}
	if err := keyfile.Create(path, file); err != nil {
		return nil, false, fail(exitFile, "ls -l "+path, fmt.Errorf("cannot write the identity: %w", err))
	}
	return id.Public(), true, nil
}

// maxName is the longest name that the server's list takes.
const maxName = 32

// validName keeps a name to what a shell and the server's list take as one plain word.
func validName(name string) bool {
	for _, c := range name {
		if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' && c != '_' && c != '.' && c != '@' {
			return false
		}
	}
	return name != "" && len(name) <= maxName && name[0] != '-'
}

// userName is the name of who types, if it will do.
func (a *app) userName() string {
	if name := a.sys.getenv("USER"); validName(name) {
		return name
	}
	return "admin"
}

// nobody stands in for an identity where only the rest of a configuration is checked.
type nobody struct{}

func (nobody) Public() ed25519.PublicKey   { return make(ed25519.PublicKey, ed25519.PublicKeySize) }
func (nobody) Sign([]byte) ([]byte, error) { panic("BUG: nobody signs") }
