package main

import (
	"fmt"
	"io"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/paper"
)

type exportResult struct {
	Paper      string    `json:"paper"`
	Generation uint64    `json:"generation"`
	Keys       []keyView `json:"keys"`
}

func (r exportResult) text(w io.Writer) {
	fmt.Fprintf(w, "paper       %s, %d pages, generation %d\n", r.Paper, len(r.Keys), r.Generation)
	printKeys(w, r.Keys)
}

func newExport(a *app) *cobra.Command {
	var file, size string
	c := &cobra.Command{
		Use:   "export --paper FILE.pdf",
		Short: "write the keys as sheets to print",
		Long: `export writes one page per key: 24 words and a check word, a code to scan, and what
to do with it. The file is the key in clear, with mode 0600: print it, and shred
it. There is no other export: a key belongs on paper or in a sealed file.

Exit status: 0 done, 2 usage, 3 files, 4 passphrase.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			pageSize, err := paper.ParseSize(size)
			if err != nil {
				return fail(exitUsage, "memkey-admin help key export", err)
			}
			c, err := a.loadConfig(true)
			if err != nil {
				return err
			}
			ring, err := a.openKeyring(c.keyring())
			if err != nil {
				return err
			}
			defer ring.Wipe()
			sheet := paper.Sheet{Size: pageSize, Date: a.now(), Generation: ring.Generation}
			result := exportResult{Paper: file, Generation: ring.Generation}
			for _, k := range ring.Keys {
				sheet.Masters = append(sheet.Masters, paper.Master{Master: k.Master, Label: k.Label, Active: k.Active})
				result.Keys = append(result.Keys, viewKey(k))
			}
			if err := a.writeSheets(file, sheet); err != nil {
				return err
			}
			if err := a.report(result); err != nil {
				return err
			}
			a.hint("print it, then: shred -u %s", file)
			a.hint("next: memkey-admin key drill, with the paper in hand")
			return nil
		},
	}
	c.Flags().StringVar(&file, "paper", "", "the PDF to write, `FILE`")
	c.Flags().StringVar(&size, "size", "a4", "paper `SIZE`, a4 or letter")
	if err := c.MarkFlagRequired("paper"); err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}
