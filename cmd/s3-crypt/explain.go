package main

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

func newExplain(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "explain BUCKET OBJECT",
		Short: "tell what an object is, and why it cannot be read",
		Long: `explain reads OBJECT, named as clients name it, and says in one line what it is
and, if it cannot be read, why: wrong key, not sealed, swapped, truncated,
extended, changed. It writes nothing.

Exit status: 0 readable, 6 not; 5 the backend failed, which says nothing of the
object.`,
		Args: exactly("BUCKET", "OBJECT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.session(cmd, args[0], "s3-crypt explain "+args[0]+" OBJECT", func(s *session) error { return s.explainObject(args[1]) })
		},
	}
	cmd.Flags().BoolVar(&o.block, "block", false, "look at its block alone, not at every byte")
	return cmd
}

// remedies are what to do about an object that cannot be read.
var remedies = map[rewrap.Cause]string{
	rewrap.Absent:    "the name as the client has it, with every / and no / in front",
	rewrap.WrongKey:  "memkey-admin status     whether the ring has all keys; an older one is on paper or in an older key ring file",
	rewrap.NotSealed: "write it again through the proxy",
	rewrap.Swapped:   "the copy that the backend or a backup of it has of the right object",
	rewrap.Truncated: "another copy of the object; what is missing cannot be made again",
	rewrap.Extended:  "another copy of the object",
	rewrap.Tampered:  "another copy of the object, and find out what else writes to the bucket",
	rewrap.Foreign:   "s3-crypt --version     and a newer one",
}

// explainObject prints the line.
func (s *session) explainObject(key string) error {
	x, err := rewrap.Explain(s.ctx, s.work, key, !s.opt.block)
	if err != nil {
		return err
	}
	if s.opt.json {
		err = json.NewEncoder(s.stdout).Encode(x)
	} else {
		_, err = fmt.Fprintf(s.stdout, "%s/%s: %s: %s\n", x.Bucket, printable(x.Key), x.Cause, x.Text)
	}
	if err != nil {
		return fmt.Errorf("cannot write the answer: %w", err)
	}
	if x.Cause != rewrap.Readable {
		return &failure{exitIncomplete, errors.New("the object cannot be read: " + string(x.Cause)), remedies[x.Cause]}
	}
	return nil
}
