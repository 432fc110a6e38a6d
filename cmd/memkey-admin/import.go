package main

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/shares"
)

// importSource is what the flags of key import say.
type importSource struct {
	file, text string
	words, add bool
	shares     []string
	label      string
	generation uint64
}

func newImport(a *app) *cobra.Command {
	var s importSource
	c := &cobra.Command{
		Use:   "import {--file F | --words | --text F | --share F --share F …}",
		Short: "take a key from a file, from paper or from shares",
		Long: `import makes a key ring of a key that exists already. It never replaces one.

  --file F    64 hex digits, or exactly 32 raw bytes; also .memkey-master.key of
              the earlier system
  --words     the words of a paper sheet, typed without showing; a scanner may type
              the sheet's code instead
  --text F    the same from a file, - is stdin
  --share F   share files or texts, as many as are needed: the whole key ring

With --add the key goes into the existing ring as one that only opens. A ring of
several keys comes back from paper in this way: first the sheet of the active key,
then the others with --add. --generation N is printed on the sheets.

Keys that cannot be random are refused: repeated bytes, counting bytes, text.

Exit status: 0 done, 2 usage, 3 files, or not a key, 4 passphrase, 8 the key is in
the ring already.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			sources := 0
			for _, given := range []bool{s.file != "", s.text != "", s.words, len(s.shares) > 0} {
				if given {
					sources++
				}
			}
			if sources != 1 {
				return fail(exitUsage, "memkey-admin help key import", errors.New("cannot import: exactly one of --file, --words, --text and --share has to be there"))
			}
			switch {
			case len(s.shares) > 0 && (s.add || s.generation != 0 || s.label != ""):
				return fail(exitUsage, "memkey-admin help key import", errors.New("cannot import: shares have labels and generation with them, and make a ring of their own"))
			case len(s.shares) > 0:
				return a.importShares(s.shares)
			case s.add && s.generation != 0:
				return fail(exitUsage, "memkey-admin key enroll --generation N", errors.New("cannot import: --add leaves the generation of the ring alone"))
			case s.add:
				return a.importOld(s)
			}
			return a.newRing(s.label, max(s.generation, 1), func() (*keyagent.Secret, error) { return a.importMaster(s) })
		},
	}
	c.Flags().StringVar(&s.file, "file", "", "64 hex digits or 32 raw bytes in `FILE`")
	c.Flags().BoolVar(&s.words, "words", false, "ask for the words of a sheet")
	c.Flags().StringVar(&s.text, "text", "", "words or text of a sheet in `FILE`, - is stdin")
	c.Flags().StringArrayVar(&s.shares, "share", nil, "a share in `FILE`; once for each")
	c.Flags().BoolVar(&s.add, "add", false, "add to the ring as a key that only opens")
	c.Flags().StringVar(&s.label, "label", "", "a `TEXT` to tell the key by; today's date without it")
	c.Flags().Uint64Var(&s.generation, "generation", 0, "the generation `N` of the ring, as printed on the sheet; 1 without it")
	return c
}

// importMaster returns the one key that is imported.
func (a *app) importMaster(s importSource) (*keyagent.Secret, error) {
	if s.file == "" {
		sheet, err := a.readSheet(s.text)
		if err != nil {
			return nil, err
		}
		if sheet.Master == nil {
			sheet.Share.Wipe()
			return nil, fail(exitFile, "memkey-admin key import --share F --share F …", errors.New("cannot import the sheet: it is a share, not a key"))
		}
		return sheet.Master, nil
	}
	data, err := keyfile.Read(s.file)
	if err != nil {
		next := "ls -l " + s.file
		if errors.Is(err, fs.ErrNotExist) {
			next = "ls"
		}
		return nil, fail(exitFile, next, fmt.Errorf("cannot import the key: %w", err))
	}
	defer clear(data)
	key, err := parseKey(data)
	if err != nil {
		return nil, fail(exitFile, "wc -c "+s.file+"; the file has to be 64 hex digits, or exactly 32 bytes", fmt.Errorf("cannot import the key: %w", err))
	}
	defer clear(key)
	if err := checkEntropy(key); err != nil {
		return nil, fail(exitFile, "memkey-admin key generate", fmt.Errorf("cannot import the key: %w; whoever guesses it has everything", err))
	}
	master, err := keyagent.NewSecret(key)
	if err != nil {
		return nil, fail(exitInternal, "ulimit -a", err)
	}
	a.hint("note: %s still has the key in clear; once the ring is on paper: shred -u %s", s.file, s.file)
	return master, nil
}

// parseKey reads 32 raw bytes, whatever they are, or 64 hex digits with white space around them. The result is a copy.
func parseKey(data []byte) ([]byte, error) {
	if len(data) == keyagent.KeySize {
		return bytes.Clone(data), nil
	}
	digits := bytes.TrimSpace(data)
	if len(digits) != 2*keyagent.KeySize {
		return nil, fmt.Errorf("it has %d bytes", len(data))
	}
	key := make([]byte, keyagent.KeySize)
	if _, err := hex.Decode(key, digits); err != nil {
		clear(key)
		return nil, errors.New("it is not all hex digits") // the error of hex has a digit in it
	}
	return key, nil
}

// importOld is --add.
func (a *app) importOld(s importSource) error {
	c, err := a.loadConfig(true)
	if err != nil {
		return err
	}
	path := c.keyring()
	if !exists(path) {
		return fail(exitFile, "memkey-admin key import without --add, for the active key", fmt.Errorf("cannot add a key: there is no key ring %s", path))
	}
	unlock, err := a.lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	master, err := a.importMaster(s)
	if err != nil {
		return err
	}
	defer master.Wipe()
	ring, err := a.openKeyring(path)
	if err != nil {
		return err
	}
	defer ring.Wipe()
	if err := ring.AddOld(master, a.label(s.label)); err != nil {
		return fail(exitConflict, "memkey-admin key show", fmt.Errorf("cannot add the key: %w", err))
	}
	if err := a.writeKeyring(path, ring, false); err != nil {
		return err
	}
	return a.report(viewRing(path, ring))
}

// importShares puts a ring together of its shares, without a server.
func (a *app) importShares(files []string) error {
	c, err := a.loadConfig(true)
	if err != nil {
		return err
	}
	path := c.keyring()
	if err := noKeyring(path); err != nil {
		return err
	}
	unlock, err := a.lock(path)
	if err != nil {
		return err
	}
	defer unlock()
	var all []*shares.Share
	defer func() {
		for _, s := range all {
			s.Wipe()
		}
	}()
	for _, file := range files {
		s, err := a.readShare(file)
		if err != nil {
			return err
		}
		all = append(all, s)
	}
	whole, err := shares.Combine(all)
	if err != nil {
		code, next := exitFile, "memkey-admin key import --share F --share F …, with the other shares of the set"
		return fail(code, next, fmt.Errorf("cannot import the shares: %w", err))
	}
	defer whole.Wipe()
	ring := &keyfile.Keyring{Generation: whole.Generation, Created: a.now(), Pending: true}
	for _, k := range whole.Keys {
		ring.Keys = append(ring.Keys, memkey.PackageKey{ID: k.ID, KVT: k.KVT, Master: k.Master, Active: k.Active, Label: k.Label})
	}
	for _, p := range whole.Pins {
		ring.Pins = append(ring.Pins, memkey.BucketPin{Name: p.Name, ID: p.ID})
	}
	if err := a.newPassphrase("key ring"); err != nil {
		return err
	}
	if err := a.writeKeyring(path, ring, true); err != nil {
		return err
	}
	return a.report(viewRing(path, ring))
}
