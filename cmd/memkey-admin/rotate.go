package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func newRotate(a *app) *cobra.Command {
	var label string
	c := &cobra.Command{
		Use:   "rotate",
		Short: "make a new active key; the old ones only open from then on",
		Long: `rotate adds a new active key, and enrolls the ring as its next generation. Objects
under the old keys stay readable: these keys stay in the ring.

The new ring is written, marked as pending, before anything is sent, and the old
one stays beside it as FILE.1. If rotate breaks off anywhere, the same command
goes on with the same key: as long as a generation is pending, no other key is
made. The paper copies have to be renewed: key export.

Exit status: as key enroll.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return a.withRing(func(c *config, path string, ring *keyfile.Keyring) error {
				resumed := ring.Pending
				if resumed {
					a.hint("generation %d is not confirmed yet: it is sent now, no new key is made", ring.Generation)
				} else if err := a.addKey(path, ring, label); err != nil {
					return err
				}
				if err := a.deliver(cmd.Context(), c, path, ring, memkey.OpEnroll, resumed); err != nil {
					a.hint("the key ring keeps generation %d as pending; key rotate goes on with it", ring.Generation)
					return err
				}
				a.hint("next: memkey-admin key export --paper FILE.pdf: the new key is on no paper yet")
				return nil
			})
		},
	}
	c.Flags().StringVar(&label, "label", "", "a `TEXT` to tell the key by; today's date without it")
	return c
}

func (a *app) addKey(path string, ring *keyfile.Keyring, label string) error {
	if len(ring.Keys) >= keyagent.MaxKeys {
		return fail(exitConflict, "memkey-admin key show", fmt.Errorf("cannot rotate: the key ring has %d keys, which is the most", len(ring.Keys)))
	}
	master, err := keyagent.GenerateSecret()
	if err != nil {
		return fail(exitInternal, "ulimit -a", err)
	}
	if err := ring.Rotate(master, a.label(label)); err != nil {
		return fail(exitUsage, "memkey-admin key rotate --label TEXT", err)
	}
	return a.writeKeyring(path, ring, false)
}

// label is the given text, or the date.
func (a *app) label(given string) string {
	if given != "" {
		return given
	}
	return a.now().Format("2006-01-02")
}
