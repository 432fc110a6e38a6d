package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// drillResult is a sheet that is what it should be.
type drillResult struct {
	Sheet      string    `json:"sheet"`   // "key" or "share"
	Against    string    `json:"against"` // what it was compared with
	Generation uint64    `json:"generation"`
	Keys       []keyView `json:"keys"` // of the sheet, as they stand where it was compared
}

func (r drillResult) text(w io.Writer) {
	fmt.Fprintf(w, "the sheet is good: it is a %s of generation %d of %s\n", r.Sheet, r.Generation, r.Against)
	printKeys(w, r.Keys)
}

func newDrill(a *app) *cobra.Command {
	var text, pins string
	var words, useRing bool
	c := &cobra.Command{
		Use:   "drill [--words | --text F]",
		Short: "prove that a paper copy is the key, without the server",
		Long: `drill takes the words of a sheet (or its code from a scanner, or a share's), and
compares id and verification tag with the last receipt of the server: then no
passphrase is needed. Without a receipt, or with --keyring, it compares with the
key ring; with --pins with a copy of the server's pins file. Nothing is kept and
nothing is sent.

Exit status: 0 the sheet is good, 3 the sheet cannot be read, 8 it is another key.`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if words && text != "" || useRing && pins != "" {
				return fail(exitUsage, "memkey-admin help key drill", errors.New("cannot drill: --words and --text, and --keyring and --pins exclude each other"))
			}
			known, err := a.knownKeys(pins, useRing)
			if err != nil {
				return err
			}
			return a.drill(text, known)
		},
	}
	c.Flags().BoolVar(&words, "words", false, "ask for the words (what drill does anyway)")
	c.Flags().StringVar(&text, "text", "", "words or text of a sheet in `FILE`, - is stdin")
	c.Flags().BoolVar(&useRing, "keyring", false, "compare with the key ring, not with the last receipt")
	c.Flags().StringVar(&pins, "pins", "", "compare with a copy of the server's pins, `FILE`")
	return c
}

// known is what a sheet is compared with.
type known struct {
	name       string
	Generation uint64    `json:"generation"`
	Keys       []keyView `json:"keys"`
}

// knownKeys gets what to compare with before anybody types 25 words.
func (a *app) knownKeys(pins string, useRing bool) (known, error) {
	c, err := a.loadConfig(true)
	if err != nil {
		return known{}, err
	}
	if pins != "" {
		data, err := keyfile.Read(pins)
		k := known{name: pins}
		if err == nil {
			err = json.Unmarshal(data, &k)
		}
		if err == nil && len(k.Keys) == 0 {
			err = errors.New("there is no key in it")
		}
		if err != nil {
			return known{}, fail(exitFile, "a copy of the server's pins file", fmt.Errorf("cannot read the pins: %w", err))
		}
		return k, nil
	}
	if !useRing {
		last, err := lastRecord(c.receipts(), func(r record) bool { return len(r.Keys) > 0 && r.Server == c.ExpectedFingerprint })
		if err == nil {
			return known{"the server's receipt of " + last.Time.Format("2006-01-02"), last.Generation, last.Keys}, nil
		}
		if !errors.Is(err, fs.ErrNotExist) {
			return known{}, fail(exitFile, "memkey-admin key drill --keyring", err)
		}
	}
	ring, err := a.openKeyring(c.keyring())
	if err != nil {
		return known{}, err
	}
	defer ring.Wipe()
	view := viewRing(c.keyring(), ring)
	return known{"the key ring", view.Generation, view.Keys}, nil
}

func (a *app) drill(text string, against known) error {
	sheet, err := a.readSheet(text)
	if err != nil {
		return err
	}
	defer wipeSheet(sheet)
	result := drillResult{Against: against.name, Generation: against.Generation}
	var found []keyView
	if sheet.Master != nil {
		result.Sheet = "key"
		clone, err := sheet.Master.Clone()
		if err != nil {
			return fail(exitInternal, "", err)
		}
		key, err := keyfile.NewKey(clone, false, "")
		if err != nil {
			return fail(exitInternal, "", err)
		}
		defer key.Master.Wipe()
		found = append(found, viewKey(key))
	} else {
		result.Sheet = "share"
		if err := sheet.Share.Verify(); err != nil {
			return fail(exitFile, "the sheet again, in good light", fmt.Errorf("cannot use the share: %w", err))
		}
		// A share brings back its ring and no other: an older one is no copy of the keys of today.
		public := sheet.Share.Public()
		if public.Generation != against.Generation || len(public.Keys) != len(against.Keys) {
			return fail(exitConflict, "memkey-admin key split, and have the old shares destroyed", fmt.Errorf("cannot confirm the sheet: it is a share of generation %d with %d keys, %s has generation %d with %d",
				public.Generation, len(public.Keys), against.name, against.Generation, len(against.Keys)))
		}
		for _, k := range public.Keys {
			found = append(found, viewKey(memkey.PackageKey{ID: k.ID, KVT: k.KVT, Active: k.Active}))
		}
	}
	for _, k := range found {
		match, ok := against.find(k)
		if ok && sheet.Share != nil && match.Active != k.Active {
			ok = false
		}
		if !ok {
			return fail(exitConflict, "memkey-admin key show, and throw the sheet away only if no object is under its key", fmt.Errorf("cannot confirm the sheet: key %s is not of %s", k.ID, against.name))
		}
		result.Keys = append(result.Keys, match)
	}
	return a.report(result)
}

func (k known) find(wanted keyView) (keyView, bool) {
	for _, v := range k.Keys {
		if v.ID == wanted.ID && v.KVT == wanted.KVT {
			return v, true
		}
	}
	return keyView{}, false
}
