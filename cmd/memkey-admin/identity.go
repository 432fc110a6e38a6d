package main

import (
	"crypto/ed25519"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

const sshSocket = "SSH_AUTH_SOCK"

// identity returns what signs for the administrator, and what ends it.
func (a *app) identity(c *config) (memkey.Signer, func(), error) {
	if c.SSHAgentKey != "" {
		public, _, err := keyfile.ParseAuthorizedKey([]byte(c.SSHAgentKey))
		if err != nil {
			return nil, nil, fail(exitFile, nextInit, fmt.Errorf("cannot use ssh_agent_key of the configuration: %w", err))
		}
		signer, err := keyfile.SSHAgentSigner(a.sys.getenv(sshSocket), public)
		if err != nil {
			return nil, nil, agentFailure(err)
		}
		return signer, func() {}, nil
	}
	if c.IdentityFile == "" {
		return nil, nil, fail(exitFile, nextInit, errors.New("cannot sign: the configuration names no identity"))
	}
	id, err := a.openIdentity(c.path(c.IdentityFile))
	if err != nil {
		return nil, nil, err
	}
	return id, id.Wipe, nil
}

func (a *app) openIdentity(path string) (*keyfile.Identity, error) {
	file, err := keyfile.Read(path)
	if err != nil {
		next := "ls -l " + path
		if errors.Is(err, fs.ErrNotExist) {
			next = nextInit
		}
		return nil, fail(exitFile, next, fmt.Errorf("cannot open the identity: %w", err))
	}
	var id *keyfile.Identity
	err = a.withPassphrase("identity", func(passphrase []byte) error {
		a.detail("opening %s", path)
		id, err = keyfile.OpenIdentity(file, passphrase)
		return err
	})
	if err != nil {
		return nil, opening(err, path)
	}
	return id, nil
}

func agentFailure(err error) error {
	next := "ssh-add -l"
	if errors.Is(err, keyfile.ErrNoAgent) {
		next = `eval "$(ssh-agent)" && ssh-add`
	}
	return fail(exitIdentity, next, err)
}

// agentKey finds what --ssh-agent names: a .pub file, a fingerprint "SHA256:…", or a comment that only one key has.
func (a *app) agentKey(name string) (ed25519.PublicKey, error) {
	keys, err := keyfile.SSHAgentKeys(a.sys.getenv(sshSocket))
	if err != nil {
		return nil, agentFailure(err)
	}
	var wanted ed25519.PublicKey
	if line, err := os.ReadFile(name); err == nil {
		if wanted, _, err = keyfile.ParseAuthorizedKey(line); err != nil {
			return nil, fail(exitIdentity, "ssh-add -L", fmt.Errorf("cannot use %s: %w", name, err))
		}
	}
	var found []keyfile.AgentKey
	for _, k := range keys {
		if wanted != nil && k.Public.Equal(wanted) || wanted == nil && (k.SHA256 == name || k.Comment == name) {
			found = append(found, k)
		}
	}
	switch {
	case len(found) == 0:
		return nil, fail(exitIdentity, "ssh-add -l", fmt.Errorf("cannot find the key %q: the ssh-agent has %d others: %w", name, len(keys), keyfile.ErrNoKey))
	case len(found) > 1:
		return nil, fail(exitIdentity, "ssh-add -l, and name the key by its SHA256:…", fmt.Errorf("cannot choose: %d keys of the ssh-agent are called %q", len(found), name))
	case found[0].Public == nil:
		why := ""
		if strings.HasPrefix(found[0].Type, "sk-") {
			why = ": a security key signs a hash and a counter, not the message"
		}
		return nil, fail(exitIdentity, "ssh-keygen -t ed25519", fmt.Errorf("cannot use a key of type %s%s", found[0].Type, why))
	}
	return found[0].Public, nil
}
