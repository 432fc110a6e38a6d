package main

import (
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/certificate"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

func newFingerprint(load func() (*config.Config, error)) *cobra.Command {
	return &cobra.Command{
		Use:   "fingerprint",
		Short: "print the certificate's fingerprint as PBS wants it",
		Long: `fingerprint prints SHA-256 of the listener's certificate, in the form that PBS
takes: 32 pairs of hex digits with colons. It makes no certificate.

Exit status: 0 printed, 3 configuration, 4 no usable certificate, or TLS is off.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			cfg, err := load()
			if err != nil {
				return err
			}
			if cfg.TLS.Mode == config.TLSOff {
				return &failure{exitCertificate, errors.New("there is no certificate: TLS is off; set tls.auto: true")}
			}
			store, err := certificate.Open(certificateConfig(cfg))
			if errors.Is(err, certificate.ErrNone) {
				return &failure{exitCertificate, fmt.Errorf("%w; start the proxy once", err)}
			}
			if err != nil {
				return &failure{exitCertificate, err}
			}
			_, err = fmt.Fprintln(cmd.OutOrStdout(), store.Fingerprint())
			return orInternal(err)
		},
	}
}
