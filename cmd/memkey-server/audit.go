package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
)

func newAudit(e *environment) *cobra.Command {
	root := &cobra.Command{
		Use:   "audit",
		Short: "the log of decisions: verify",
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) > 0 {
				return fmt.Errorf("unknown command %q for audit", args[0])
			}
			return errors.New("audit needs: verify")
		},
		RunE: func(*cobra.Command, []string) error { return nil },
	}
	var witness string
	verify := &cobra.Command{
		Use:   "verify [FILE]",
		Short: "check that no line of the audit log was changed",
		Long: `verify reads the whole audit log (audit_file, or FILE, with the older files
beside it) and checks that every line continues the one before. It may run beside
the server.

The end of a log can be cut off without a trace in it. An administrator's receipt
("audit SEQ:DIGEST") is a witness against that: --witness checks that the log
still has that line.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error { return verifyAudit(e, args, witness, cmd.OutOrStdout()) },
	}
	verify.Flags().StringVar(&witness, "witness", "", "the `SEQ:DIGEST` of a receipt that the log must have")
	root.AddCommand(verify)
	return root
}

func verifyAudit(e *environment, args []string, witness string, stdout io.Writer) error {
	seq, digest, err := parseWitness(witness)
	if err != nil {
		return &failure{exitUsage, fmt.Errorf("cannot verify the audit log: %w", err), "memkey-server help audit verify"}
	}
	path := ""
	if len(args) == 1 {
		path = args[0]
	} else {
		s, err := e.load()
		if err != nil {
			return err
		}
		path = s.AuditFile
	}
	if _, err := os.Stat(path); err != nil {
		return &failure{exitFile, fmt.Errorf("cannot verify the audit log %s: %w", path, pathless(err)), "memkey-server audit verify FILE"}
	}
	var first, n uint64
	var head [32]byte
	if witness == "" {
		first, n, head, err = audit.VerifyFiles(path)
	} else {
		first, n, head, err = audit.WitnessFiles(path, seq, digest)
	}
	if err != nil {
		return auditFailure(path, n, err)
	}
	if e.json {
		return printJSON(stdout, struct {
			Lines uint64 `json:"lines"`
			First uint64 `json:"first"`
			Head  string `json:"head"`
		}{n, first, hex.EncodeToString(head[:])})
	}
	if first > 1 {
		_, err = fmt.Fprintf(stdout, "lines %d to %d, head %d:%x\n", first, n, n, head)
		return written(err)
	}
	_, err = fmt.Fprintf(stdout, "%d lines, head %d:%x\n", n, n, head)
	return written(err)
}

func auditFailure(path string, good uint64, err error) *failure {
	code, try := exitConflict, "keep a copy of the file, and compare with the receipts that the administrators have"
	if errors.Is(err, audit.ErrTorn) {
		code, try = exitFile, "the same again; if it stays so, start the server: it takes off what a power failure left"
	}
	return &failure{code, fmt.Errorf("cannot verify the audit log %s: %w (%d lines before are good)", path, err, good), try}
}

func parseWitness(text string) (seq uint64, digest [32]byte, err error) {
	if text == "" {
		return 0, digest, nil
	}
	number, rest, found := strings.Cut(text, ":")
	seq, err = strconv.ParseUint(number, 10, 64)
	b, hexErr := hex.DecodeString(rest)
	if !found || err != nil || hexErr != nil || len(b) != len(digest) || seq == 0 {
		return 0, digest, errors.New("the witness is not SEQ:DIGEST, a number and 64 hex digits")
	}
	return seq, [32]byte(b), nil
}
