package main

import (
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func newGenerate(a *app) *cobra.Command {
	var label string
	c := &cobra.Command{
		Use:   "generate",
		Short: "make a new key ring with one key",
		Long: `generate makes a key ring with one random key, sealed under a passphrase that is
asked for twice. It never replaces a key ring.

Exit status: 0 done, 3 there is a key ring, or it cannot be written, 4 passphrase.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			return a.newRing(label, 1, func() (*keyagent.Secret, error) {
				master, err := keyagent.GenerateSecret()
				if err != nil {
					return nil, fail(exitInternal, "ulimit -a", err)
				}
				return master, nil
			})
		},
	}
	c.Flags().StringVar(&label, "label", "", "a `TEXT` to tell the key by; today's date without it")
	return c
}

// newRing makes a key ring of the one master that take returns.
func (a *app) newRing(label string, generation uint64, take func() (*keyagent.Secret, error)) error {
	c, err := a.loadConfig(true)
	if err != nil {
		return err
	}
	path := c.keyring()
	if err := noKeyring(path); err != nil {
		return err
	}
	unlock, err := a.lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	master, err := take()
	if err != nil {
		return err
	}
	defer master.Wipe()
	key, err := keyfile.NewKey(master, true, a.label(label))
	if err != nil {
		return fail(exitUsage, "memkey-admin "+a.command+" --label TEXT", err)
	}
	if err := a.newPassphrase("key ring"); err != nil {
		return err
	}
	ring := &keyfile.Keyring{Generation: generation, Created: a.now(), Pending: true, Keys: []memkey.PackageKey{key}}
	if err := a.writeKeyring(path, ring, true); err != nil {
		return err
	}
	if err := a.report(viewRing(path, ring)); err != nil {
		return err
	}
	a.hint("next: memkey-admin key export --paper %s", filepath.Join(filepath.Dir(path), "key.pdf"))
	a.hint("then: memkey-admin key enroll")
	return nil
}
