package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

const longHelp = `s3-crypt works on the stored objects of an s3-crypt-proxy: it tells which key
they are under, and brings them under the active one after a rotation. Of one
object it tells what it is, and why it cannot be read.

Backend settings come from the proxy's own configuration, keys from the key agent
that is named there.

Exit status: 0 done, 1 internal error, 2 usage, 3 configuration or checkpoint,
4 no key, 5 backend, 6 not for every object, 7 ended by a signal, 8 the bucket
refuses.`

// options are what the flags say.
type options struct {
	config     string
	environ    []string
	parallel   int
	rate       string
	bandwidth  string
	checkpoint string
	dryRun     bool
	objects    bool
	block      bool
	json       bool
}

func newRoot(environ []string) *cobra.Command {
	o := &options{environ: environ}
	root := &cobra.Command{
		Use:           "s3-crypt",
		Short:         "works on the stored objects of an s3-crypt-proxy",
		Long:          longHelp,
		Version:       version,
		Args:          cobra.NoArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(*cobra.Command, []string) error {
			return errors.New("cannot do anything: no command was given")
		},
	}
	root.SetVersionTemplate(versionLine())
	all := root.PersistentFlags()
	all.StringVar(&o.config, "config", "", "the proxy's configuration `FILE`; without it, S3CP_* variables alone")
	all.IntVar(&o.parallel, "parallel", 4, "`N` objects in work at once, 1 to 256")
	all.StringVar(&o.rate, "rate", "", "look at no more than `N/s` objects a second")
	all.BoolVar(&o.json, "json", false, "the report as one JSON object")
	root.AddCommand(newKeys(o), newExplain(o), newRewrap(o), newRetire(o))
	return root
}

func newKeys(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "keys BUCKET",
		Short: "tell which key is used by how many objects",
		Long: `keys reads the block of every object in BUCKET and tells how many objects and
bytes are under which key, and what does not open. It writes nothing.

Exit status: 0 all objects open, 6 some do not.`,
		Args: exactly("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.session(cmd, args[0], "s3-crypt keys "+args[0], func(s *session) error {
				s.work.Survey = true
				return s.walk()
			})
		},
	}
	cmd.Flags().BoolVar(&o.objects, "objects", false, "one line an object: key id, stored bytes, outcome, name")
	return cmd
}

func newRewrap(o *options) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rewrap BUCKET",
		Short: "bring every object under the bucket's active key",
		Long: `rewrap gives every object in BUCKET that is under an older key a new block under
the active one. Bodies stay as they are, clients go on meanwhile, and what they
write always wins. It may be stopped and started again at any time.

Exit status: 0 every object is under the active key, 6 some are not: the report
names them; 7 ended by a signal, 8 the bucket refuses.`,
		Args: exactly("BUCKET"),
		RunE: func(cmd *cobra.Command, args []string) error {
			again := "s3-crypt rewrap " + args[0]
			if o.checkpoint != "" {
				again += " --checkpoint " + o.checkpoint
			}
			return o.session(cmd, args[0], again, func(s *session) error {
				s.work.Survey, s.work.Checkpoint = o.dryRun, o.checkpoint
				return s.walk()
			})
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.bandwidth, "bandwidth", "", "let the backend write no more than `SIZE` a second, such as 20MiB")
	f.StringVar(&o.checkpoint, "checkpoint", "", "note in `FILE` how far it came, and go on from there")
	f.BoolVar(&o.dryRun, "dry-run", false, "only tell what would be done")
	cmd.MarkFlagsMutuallyExclusive("checkpoint", "dry-run")
	return cmd
}

func newRetire(o *options) *cobra.Command {
	return &cobra.Command{
		Use:   "retire BUCKET KEYID",
		Short: "take a key that nothing uses out of the bucket's state",
		Long: `retire looks at every object in BUCKET. If none is under the key KEYID, or might
be, it takes KEYID out of the bucket's state, so that proxies serve the bucket
without that key. Every proxy must have the new key ring before.

Exit status: 0 retired, 6 the key is in use, 8 the bucket refuses.`,
		Args: exactly("BUCKET", "KEYID"),
		RunE: func(cmd *cobra.Command, args []string) error {
			id, err := parseKeyID(args[1])
			if err != nil {
				return err
			}
			return o.session(cmd, args[0], "s3-crypt retire "+args[0]+" "+args[1], func(s *session) error { return s.retire(id) })
		},
	}
}

// exactly says what is missing, or too much.
func exactly(names ...string) cobra.PositionalArgs {
	return func(cmd *cobra.Command, args []string) error {
		if len(args) == len(names) {
			return nil
		}
		return &failure{exitUsage, fmt.Errorf("cannot run %s: want %s, got %d arguments", cmd.Name(), strings.Join(names, " and "), len(args)), "s3-crypt help " + cmd.Name()}
	}
}

// apply puts the flags into the work; what is wrong with one is wrong usage.
func (o *options) apply(w *rewrap.Config) error {
	if o.parallel < 1 || o.parallel > 256 {
		return fmt.Errorf("cannot use --parallel %d: want 1 to 256", o.parallel)
	}
	w.Parallel = o.parallel
	if o.rate != "" {
		rate, err := strconv.ParseFloat(strings.TrimSuffix(o.rate, "/s"), 64)
		if err != nil || !(rate > 0) || math.IsInf(rate, 0) {
			return fmt.Errorf("cannot use --rate %q: want objects a second, such as 50/s", o.rate)
		}
		w.Objects = rate
	}
	if o.bandwidth != "" {
		size, err := config.ParseSize(strings.TrimSuffix(o.bandwidth, "/s"))
		if err == nil && size == 0 {
			err = errors.New("nothing would ever be written")
		}
		if err != nil {
			return fmt.Errorf("cannot use --bandwidth %q: %w", o.bandwidth, err)
		}
		w.Bytes = float64(size)
	}
	return nil
}

func parseKeyID(text string) (id format.KeyID, err error) {
	b, err := hex.DecodeString(text)
	if err != nil || len(b) != len(id) {
		return id, fmt.Errorf("cannot use %q as a key id: want 16 hex digits", text)
	}
	return format.KeyID(b), nil
}
