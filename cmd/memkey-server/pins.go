package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/vault"
)

func newPins(e *environment) *cobra.Command {
	return &cobra.Command{
		Use:   "pins",
		Short: "print which keys are right for this server",
		Long: `pins prints what was enrolled: the ids of the keys, the active one, and the ids
of buckets. None of it is secret. The server takes no other keys; only an
administrator with the role enroll can add to them. To begin anew, stop the
server and remove the file: the next enrolment says what is right.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return printPins(e, cmd.OutOrStdout()) },
	}
}

// shownKey and shownBucket are pins as the command prints them.
type shownKey struct {
	ID     string `json:"id"`
	KVT    string `json:"kvt"`
	Active bool   `json:"active"`
}

type shownBucket struct {
	Name string `json:"name"`
	ID   string `json:"id"`
}

func printPins(e *environment, stdout io.Writer) error {
	s, err := e.load()
	if err != nil {
		return err
	}
	pins, err := vault.ReadPins(s.PinsFile)
	if err != nil {
		return pinsFailure(s.PinsFile, err)
	}
	if e.json {
		v := struct {
			Generation uint64        `json:"generation"`
			Keys       []shownKey    `json:"keys"`
			Buckets    []shownBucket `json:"buckets"`
		}{pins.Generation, []shownKey{}, []shownBucket{}}
		for _, k := range pins.Keys {
			v.Keys = append(v.Keys, shownKey{k.ID.String(), fmt.Sprintf("%x", k.KVT), k.Active})
		}
		for _, b := range pins.Buckets {
			v.Buckets = append(v.Buckets, shownBucket{b.Name, b.ID.String()})
		}
		return printJSON(stdout, v)
	}
	if pins.Empty() {
		_, err := fmt.Fprintln(stdout, "nothing is enrolled yet; next, on the workstation: memkey-admin key enroll")
		return written(err)
	}
	_, err = fmt.Fprintf(stdout, "generation %d\n", pins.Generation)
	for _, k := range pins.Keys {
		state := "opens only"
		if k.Active {
			state = "active"
		}
		if err == nil {
			_, err = fmt.Fprintf(stdout, "key    %v  %x  %s\n", k.ID, k.KVT, state)
		}
	}
	for _, b := range pins.Buckets {
		if err == nil {
			_, err = fmt.Fprintf(stdout, "bucket %v  %s\n", b.ID, b.Name)
		}
	}
	return written(err)
}

func pinsFailure(path string, err error) *failure {
	return &failure{exitConflict, err, "restore " + path + " from a copy; or remove it, and enroll the keys anew"}
}
