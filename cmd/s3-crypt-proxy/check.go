package main

import (
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// configError puts the problems of a configuration below one line.
type configError struct{ err error }

func (e *configError) Unwrap() error { return e.err }
func (e *configError) Error() string {
	return "cannot use the configuration:\n  " + strings.ReplaceAll(e.err.Error(), "\n", "\n  ")
}

func newCheck(load func() (*config.Config, error)) *cobra.Command {
	var keys, offline bool
	var buckets []string
	cmd := &cobra.Command{
		Use:   "check",
		Short: "explain the configuration, and try the backend with it",
		Long: `check reads the configuration as serving would and prints every effective
value with its origin as a configuration file, without keys that have no effect.
Secrets read "redacted": the file can be used again once they are put in, and is
refused before. Secrets from files and systemd credentials stay where they are.
What is wrong goes to stderr, all of it at once, and so do warnings. It makes no
certificate and listens nowhere.

Then it looks whether memkey-server answers this user at memkey.socket_path and has
a key, and whether this user could make a certificate in tls.dir: run it as the
proxy's user. It is given the names of keys, and none of them.

Last it tries the backend with every bucket of allowed_buckets, or those given:
clock, permissions, ranges, conditional writes, uploads in parts, deletion. It reads
and changes nothing of yours: it writes a few bytes under a name of the proxy's own
and removes them. --offline leaves out all that is beyond the configuration.

Exit status: 0 good (perhaps with warnings), 3 configuration, 4 certificate, 7 the
backend cannot be used.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if keys {
				return orInternal(config.WriteManual(cmd.OutOrStdout()))
			}
			cfg, err := load()
			if err != nil {
				return err
			}
			if err := check(cfg, cmd.OutOrStdout(), cmd.ErrOrStderr()); err != nil || offline {
				return err
			}
			if len(buckets) == 0 {
				buckets = cfg.AllowedBuckets
			}
			// Whoever interrupts it must not leave the object of the trial behind.
			ctx, stop := signal.NotifyContext(cmd.Context(), os.Interrupt, syscall.SIGTERM)
			defer stop()
			tryHost(ctx, cfg, cmd.OutOrStdout(), cmd.ErrOrStderr())
			return tryBackend(ctx, cfg, buckets, cmd.OutOrStdout(), cmd.ErrOrStderr())
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "look at the configuration alone: not at the key holder, tls.dir and the backend")
	cmd.Flags().StringArrayVar(&buckets, "bucket", nil, "try the backend with this `BUCKET`; may be repeated")
	cmd.Flags().BoolVar(&keys, "keys", false, "explain every key there is")
	return cmd
}

func orInternal(err error) error {
	if err != nil {
		return &failure{exitInternal, err}
	}
	return nil
}

// check explains a configuration that loads, and tries what can be tried without
// touching anything.
func check(cfg *config.Config, stdout, stderr io.Writer) error {
	warnings := cfg.Warnings
	served, more, err := describeTLS(cfg)
	if err != nil {
		return err
	}
	if _, err := backend.New(backendConfig(cfg, nil)); err != nil {
		return &failure{exitConfig, &configError{err}}
	}
	if _, err := cfg.ServerUIDs(); err != nil {
		return &failure{exitConfig, &configError{err}}
	}
	warnings = append(warnings, more...)
	sealing := "New objects are sealed with " + suiteName(chooseSuite(cfg.Encryption))
	if !seals {
		const loud = "THIS BUILD DOES NOT SEAL: it stores every object in the clear. It is for benchmarks on loopback only."
		warnings = append([]string{loud}, warnings...)
		fmt.Fprintln(stdout, "# "+loud)
		sealing = "New objects are NOT SEALED (suite: " + suiteName(chooseSuite(cfg.Encryption)) + ")"
	}
	for _, w := range warnings {
		fmt.Fprintf(stderr, "s3-crypt-proxy: warning: %s\n", w)
	}
	var clients strings.Builder
	for _, c := range cfg.AllClients() {
		fmt.Fprintf(&clients, "# %s\n", explainClient(c, cfg.AllowedBuckets))
	}
	fmt.Fprintf(stdout, `# The configuration is good.
# Clients connect to %s: %s.
%s# %s and go to %s.
# Keys come from %s.

`, cfg.ListenAddr, served, clients.String(), sealing, cfg.Backend.Endpoint, cfg.Memkey.SocketPath)
	return orInternal(cfg.WriteYAML(stdout))
}

// explainClient says in one sentence what a credential may do.
func explainClient(c config.Client, allowed []string) string {
	may := map[string]string{
		config.AccessReadWrite:  "do everything",
		config.AccessReadOnly:   "list and read, never write,",
		config.AccessAppendOnly: "list, read and create, never overwrite or delete,",
	}[c.Access]
	if len(c.Verbs) > 0 {
		may = "do " + strings.Join(c.Verbs, ", ") + " and nothing else"
		if c.Access == config.AccessAppendOnly {
			may += ", and never overwrite,"
		}
	}
	buckets := c.Buckets
	if len(buckets) == 0 {
		buckets = allowed
	}
	where := "every bucket of the backend"
	if len(buckets) > 0 {
		where = strings.Join(buckets, ", ")
	}
	if len(c.Prefixes) > 0 {
		where += ", with keys that begin with " + strings.Join(c.Prefixes, ", ")
	}
	return fmt.Sprintf("Client %s signs with %s and may %s in %s.", c.Name, c.AccessKey, may, where)
}

// describeTLS tells what clients will meet, and what is odd about it.
func describeTLS(cfg *config.Config) (served string, warnings []string, err error) {
	if cfg.TLS.Mode == config.TLSOff {
		return "plain HTTP", nil, nil
	}
	store, err := certificate.Open(certificateConfig(cfg))
	if errors.Is(err, certificate.ErrNone) {
		return "TLS with a certificate that the first start makes in " + cfg.TLS.Dir, nil, nil
	}
	if err != nil {
		return "", nil, &failure{exitCertificate, err}
	}
	return "TLS, fingerprint " + store.Fingerprint(), store.Warnings(), nil
}
