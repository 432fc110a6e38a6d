package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
)

// Names of files. The configuration's are those of the earlier system; a plain master key of that system is imported,
// never used in place.
const (
	defaultConfig   = ".memkey-admin.json"
	defaultKeyring  = ".memkey-keyring"
	defaultIdentity = ".memkey-identity"
	receiptsFile    = ".memkey-receipts"
	earlierKey      = ".memkey-master.key"
)

// config is the configuration file. Paths may be relative to its directory.
type config struct {
	ServerURL           string `json:"server_url"`
	ExpectedFingerprint string `json:"expected_fingerprint"`
	SkipTLSVerify       bool   `json:"skip_tls_verify,omitempty"` // read for the earlier system's files; means nothing
	KeyFile             string `json:"key_file"`
	IdentityFile        string `json:"identity_file,omitempty"`
	SSHAgentKey         string `json:"ssh_agent_key,omitempty"` // a line as in OpenSSH's .pub files, instead of IdentityFile

	dir string
}

// loadConfig reads the configuration. Without a file and with optional, it returns the defaults, which name no server.
func (a *app) loadConfig(optional bool) (*config, error) {
	path, err := a.configFile()
	if err != nil {
		return nil, err
	}
	c := &config{KeyFile: defaultKeyring, dir: filepath.Dir(path)}
	data, err := keyfile.Read(path)
	if errors.Is(err, fs.ErrNotExist) {
		if optional {
			return c, nil
		}
		return nil, fail(exitFile, nextInit, fmt.Errorf("cannot read the configuration: there is no %s", path))
	}
	if err != nil {
		return nil, fail(exitFile, nextInit, fmt.Errorf("cannot read the configuration: %w", err))
	}
	d := json.NewDecoder(bytes.NewReader(data))
	d.DisallowUnknownFields()
	if err := d.Decode(c); err != nil {
		return nil, fail(exitFile, nextInit, fmt.Errorf("cannot read the configuration %s: %w", path, err))
	}
	if d.More() {
		return nil, fail(exitFile, nextInit, fmt.Errorf("cannot read the configuration %s: more than one object", path))
	}
	if c.KeyFile == "" || filepath.Base(c.KeyFile) == earlierKey {
		c.KeyFile = defaultKeyring // the earlier system's file is for key import only
	}
	if c.IdentityFile != "" && c.SSHAgentKey != "" {
		return nil, fail(exitFile, nextInit, fmt.Errorf("cannot use the configuration %s: it has both identity_file and ssh_agent_key", path))
	}
	return c, nil
}

const nextInit = "memkey-admin init --server URL --fingerprint HEX64"

// path makes a path of the configuration absolute.
func (c *config) path(name string) string {
	if filepath.IsAbs(name) {
		return name
	}
	return filepath.Join(c.dir, name)
}

func (c *config) keyring() string  { return c.path(c.KeyFile) }
func (c *config) receipts() string { return c.path(receiptsFile) }

// save writes the configuration. The caller has the lock.
func (c *config) save(path string) error {
	data, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return fail(exitInternal, "", fmt.Errorf("cannot write the configuration: %w", err))
	}
	if err := keyfile.Write(path, append(data, '\n')); err != nil {
		return fail(exitFile, "df "+filepath.Dir(path), fmt.Errorf("cannot write the configuration: %w", err))
	}
	return nil
}
