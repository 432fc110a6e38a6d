package main

import "github.com/spf13/cobra"

func newShow(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "show",
		Short: "show ids, labels and generation of the key ring, never a key",
		Long: `show prints what may be known about the key ring: ids, verification tags (KVT),
labels, generation, and whether a server has confirmed it.

Exit status: 0 shown, 3 files, 4 passphrase.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			c, err := a.loadConfig(true)
			if err != nil {
				return err
			}
			ring, err := a.openKeyring(c.keyring())
			if err != nil {
				return err
			}
			defer ring.Wipe()
			return a.report(viewRing(c.keyring(), ring))
		},
	}
}
