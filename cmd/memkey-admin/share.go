package main

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/paper"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

func newShare(a *app) *cobra.Command {
	var file string
	c := &cobra.Command{
		Use:   "share --file F",
		Short: "deliver one share of a split key ring",
		Long: `share delivers one share to the server. When k administrators have done so within
ten minutes, the server has the key ring, and compares it with what is pinned.
F is a share file of key split, or the text of its sheet; - is stdin. A share that
does not verify is not sent.

Exit status: as key send; 3 if the share is damaged.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, err := a.loadConfig(false)
			if err != nil {
				return err
			}
			share, err := a.readShare(file)
			if err != nil {
				return err
			}
			defer share.Wipe()
			wire, err := share.MarshalBinary()
			if err != nil {
				return fail(exitInternal, "", err)
			}
			defer clear(wire)
			receipt, err := a.send(cmd.Context(), c, &memkey.Package{Op: memkey.OpShare, Share: wire})
			if err != nil {
				return err
			}
			rec, rolled := a.keepReceipt(c, memkey.OpShare, receipt)
			return a.confirmed(deliverResult{record: rec}, rolled)
		},
	}
	c.Flags().StringVar(&file, "file", "", "the share, `FILE`")
	if err := c.MarkFlagRequired("file"); err != nil {
		panic("BUG: " + err.Error())
	}
	return c
}

// readShare reads a share in its wire form or as text, and verifies it. The caller wipes it.
func (a *app) readShare(file string) (*shares.Share, error) {
	const next = "the share file again, or the text of its sheet"
	var data []byte
	var err error
	if file == "-" {
		data, err = io.ReadAll(io.LimitReader(a.sys.in, keyfile.MaxFile))
	} else {
		data, err = keyfile.Read(file)
	}
	if err != nil {
		return nil, fail(exitFile, next, fmt.Errorf("cannot read the share: %w", err))
	}
	defer clear(data)
	var share *shares.Share
	if isTextForm(data) {
		var sheet paper.Text
		if sheet, err = paper.ParseText(data); err == nil && sheet.Share == nil {
			sheet.Master.Wipe()
			err = errors.New("it is the sheet of a whole key, which is nobody's to send as a share")
		}
		share = sheet.Share
	} else {
		share, err = shares.Parse(data)
	}
	if err == nil {
		if err = share.Verify(); err != nil {
			share.Wipe()
		}
	}
	if err != nil {
		return nil, fail(exitFile, next, fmt.Errorf("cannot use the share %s: %w", file, err))
	}
	return share, nil
}

type splitResult struct {
	Set        string   `json:"set"`
	N          int      `json:"n"`
	K          int      `json:"k"`
	Generation uint64   `json:"generation"`
	Files      []string `json:"files"`
}

func (r splitResult) text(w io.Writer) {
	fmt.Fprintf(w, "set         %s, generation %d\n", r.Set, r.Generation)
	fmt.Fprintf(w, "shares      %d, any %d of them are the key ring\n", r.N, r.K)
	for _, f := range r.Files {
		fmt.Fprintf(w, "file        %s\n", f)
	}
}

func newSplit(a *app) *cobra.Command {
	var n, k int
	var dir string
	var print bool
	var size string
	c := &cobra.Command{
		Use:   "split -n N -k K",
		Short: "split the key ring into N shares, any K of which are the ring",
		Long: `split writes one share for each of N holders into DIR; with --paper also a sheet to
print. Any K of them deliver the key ring with key share, or make it again with
key import --share; fewer are worth nothing. A share is as secret as it is needed:
give each to its holder, and keep none.

Exit status: 0 done, 2 usage, 3 files, 4 passphrase.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			pageSize, err := paper.ParseSize(size)
			if err != nil {
				return fail(exitUsage, "memkey-admin help key split", err)
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
			all, err := shares.Split(splittable(ring), n, k)
			if err != nil {
				return fail(exitUsage, "memkey-admin key split -n 5 -k 3", err)
			}
			defer func() {
				for _, s := range all {
					s.Wipe()
				}
			}()
			result := splitResult{Set: all[0].Set().String(), N: n, K: k, Generation: ring.Generation}
			for _, s := range all {
				files, err := a.writeShare(s, dir, print, pageSize)
				if err != nil {
					return err
				}
				result.Files = append(result.Files, files...)
			}
			if ring.Pending {
				a.hint("note: no server has confirmed generation %d yet: memkey-admin key enroll", ring.Generation)
			}
			return a.report(result)
		},
	}
	c.Flags().IntVarP(&n, "shares", "n", 0, "how many shares, `N`")
	c.Flags().IntVarP(&k, "threshold", "k", 0, "how many of them are enough, `K`")
	c.Flags().StringVar(&dir, "out", ".", "the `DIR` for the files, made if it is not there")
	c.Flags().BoolVar(&print, "paper", false, "also write a PDF sheet for each")
	c.Flags().StringVar(&size, "size", "a4", "paper `SIZE`, a4 or letter")
	for _, required := range []string{"shares", "threshold"} {
		if err := c.MarkFlagRequired(required); err != nil {
			panic("BUG: " + err.Error())
		}
	}
	return c
}

// splittable shows a ring as the package shares wants it; the masters stay the ring's.
func splittable(ring *keyfile.Keyring) *shares.Keyring {
	out := &shares.Keyring{Generation: ring.Generation}
	for _, k := range ring.Keys {
		out.Keys = append(out.Keys, shares.Key{ID: k.ID, KVT: k.KVT, Master: k.Master, Active: k.Active, Label: k.Label})
	}
	for _, p := range ring.Pins {
		out.Pins = append(out.Pins, shares.Pin{Name: p.Name, ID: p.ID})
	}
	return out
}

// writeShare writes the files of one share and returns their names.
func (a *app) writeShare(s *shares.Share, dir string, print bool, size paper.Size) ([]string, error) {
	wire, err := s.MarshalBinary()
	if err != nil {
		return nil, fail(exitInternal, "", err)
	}
	defer clear(wire)
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fail(exitFile, "", fmt.Errorf("cannot make the directory for the shares: %w", err))
	}
	base := filepath.Join(dir, fmt.Sprintf("share-%s-%d-of-%d", s.Set().String()[:8], s.Index(), s.N()))
	if err := createFile(base+".mks", wire); err != nil {
		return nil, err
	}
	files := []string{base + ".mks"}
	if print {
		if err := a.writeSheets(base+".pdf", paper.Sheet{Size: size, Date: a.now(), Shares: []*shares.Share{s}}); err != nil {
			return nil, err
		}
		files = append(files, base+".pdf")
	}
	return files, nil
}

// writeSheets writes a PDF, which never replaces a file.
func (a *app) writeSheets(path string, sheet paper.Sheet) error {
	var pdf bytes.Buffer
	defer func() { clear(pdf.Bytes()) }()
	if err := paper.Write(&pdf, sheet); err != nil {
		if errors.Is(err, paper.ErrTooLong) {
			return fail(exitFile, "memkey-admin key split without --paper", err)
		}
		return fail(exitInternal, "", err)
	}
	return createFile(path, pdf.Bytes())
}

func createFile(path string, data []byte) error {
	err := keyfile.Create(path, data)
	if errors.Is(err, keyfile.ErrExists) {
		return fail(exitFile, "another name, or rm "+path, err)
	}
	if err != nil {
		return fail(exitFile, "df "+filepath.Dir(path), err)
	}
	return nil
}
