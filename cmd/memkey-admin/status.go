package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"io"

	"github.com/spf13/cobra"
)

type statusResult struct {
	Server      string    `json:"server"`
	Fingerprint string    `json:"fingerprint"`
	Loaded      bool      `json:"loaded"`
	Enrolled    bool      `json:"enrolled"`
	Generation  uint64    `json:"generation"`
	Keys        []keyView `json:"keys"`
	PinsDigest  string    `json:"pins_digest"`
}

func (s statusResult) text(w io.Writer) {
	fmt.Fprintf(w, "server      %s\n", s.Server)
	fmt.Fprintf(w, "identity    %s, proved\n", s.Fingerprint)
	switch {
	case s.Loaded:
		fmt.Fprintln(w, "keys        loaded")
	case s.Enrolled:
		fmt.Fprintln(w, "keys        none loaded")
	default:
		fmt.Fprintln(w, "keys        none enrolled")
	}
	fmt.Fprintf(w, "generation  %d\n", s.Generation)
	printKeys(w, s.Keys)
}

func newStatus(a *app) *cobra.Command {
	return &cobra.Command{
		Use:   "status",
		Short: "show what the server has, and that it is the right one",
		Long: `status shows the keys and the generation of the server, which proves its identity
with the answer. It needs the role status.

Exit status: 0 answered, 3 files, 4 passphrase or identity, 5 not reachable,
6 refused, 7 another server answers: do not go on.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			client, end, err := a.client(c)
			if err != nil {
				return err
			}
			defer end()
			ctx, cancel := context.WithTimeout(cmd.Context(), deliverTime)
			defer cancel()
			state, err := client.Status(ctx)
			if err != nil {
				return serverFailure("get the status", c.ServerURL, err)
			}
			s := statusResult{
				Server: c.ServerURL, Fingerprint: c.ExpectedFingerprint, Loaded: state.Loaded, Enrolled: state.Generation != 0,
				Generation: state.Generation, Keys: []keyView{}, PinsDigest: hex.EncodeToString(state.PinsDigest[:]),
			}
			for _, k := range state.Keys {
				s.Keys = append(s.Keys, viewState(k))
			}
			if err := a.report(s); err != nil {
				return err
			}
			switch {
			case !s.Enrolled:
				a.hint("next: memkey-admin key enroll")
			case !s.Loaded:
				a.hint("next: memkey-admin key send")
			}
			return nil
		},
	}
}
