package main

import (
	"errors"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func newClear(a *app) *cobra.Command {
	var yes bool
	c := &cobra.Command{
		Use:   "clear",
		Short: "take the keys away from the server, at once",
		Long: `clear is the panic button: the server forgets its keys, and every proxy of it
answers 503 until a ring is sent again. Nothing is lost: objects, key ring and
what the server has pinned stay. It asks before, unless --yes is there.

Exit status: 0 cleared, 2 not confirmed, else as key send.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			if !yes {
				if err := a.confirm("Every proxy of "+c.ServerURL+" will answer 503 until keys are sent again.\nType clear to go on: ", "clear"); err != nil {
					return err
				}
			}
			receipt, err := a.send(cmd.Context(), c, &memkey.Package{Op: memkey.OpClear})
			if err != nil {
				return err
			}
			rec, rolled := a.keepReceipt(c, memkey.OpClear, receipt)
			if err := a.confirmed(deliverResult{record: rec}, rolled); err != nil {
				return err
			}
			a.hint("next, when it is over: memkey-admin key send")
			return nil
		},
	}
	c.Flags().BoolVar(&yes, "yes", false, "do not ask")
	return c
}

func (a *app) confirm(question, word string) error {
	t, err := a.terminal()
	if err != nil {
		return fail(exitUsage, "memkey-admin "+a.command+" --yes", errors.New("cannot ask for confirmation: there is no terminal"))
	}
	answer, err := t.visible(question)
	if err != nil {
		return asking(err)
	}
	if answer != word {
		return fail(exitUsage, "memkey-admin "+a.command+" --yes", errors.New("cannot go on: it was not confirmed"))
	}
	return nil
}
