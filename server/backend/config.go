package backend

import (
	"cmp"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"
)

// Config describes the S3 store behind the proxy. Zero durations and counts take their defaults.
type Config struct {
	// Endpoint is the store's address, "https://host[:port][/path]" or "http://…".
	Endpoint string
	// Region is the region of the signatures.
	Region string
	// AccessKey and SecretKey are the store's static credentials; nothing else is ever asked for some
	// (no environment, no files, no instance metadata).
	AccessKey, SecretKey string
	// PathStyle puts the bucket into the path instead of the host name.
	PathStyle bool
	// InsecureSkipVerify accepts every certificate. CAFile must then be empty.
	InsecureSkipVerify bool
	// CAFile names a PEM file with the only roots to trust; empty: the system's.
	CAFile string

	// MaxConns is the number of idle connections kept for reuse. It should be at least the number of
	// requests in flight, which the caller bounds; it is no hard limit, because a request that waits
	// for a connection held by another request of the same client could wait for ever. Default 256.
	MaxConns int

	// Attempts is the most requests sent for one call. Default 16, which take about 30 s.
	Attempts int
	// RetryTime is how long after the first failure of a call another attempt may begin. Default 30 s.
	RetryTime time.Duration
	// UnreachableTime is the same, after the beginning of the call, while no connection to the store can
	// be opened, for calls that are not an Effort in which something was spent. Default: RetryTime.
	UnreachableTime time.Duration
	// RetryBudget is the number of retries all calls together have in store; every call that succeeds
	// puts one back, so that sustained failures can at most double the requests. Default 1000.
	RetryBudget int

	// DialTimeout and TLSTimeout bound the two halves of opening a connection. Default 5 s and 10 s.
	DialTimeout, TLSTimeout time.Duration
	// AnswerTimeout bounds the wait for an answer's header once the request is sent. Default 1 min.
	AnswerTimeout time.Duration
	// SlowTimeout takes the place of AnswerTimeout where the store has to copy data before it answers
	// (CompleteUpload and CopyPart). Default 10 min.
	SlowTimeout time.Duration
	// ContinueTimeout bounds the wait for "100 Continue" before a large conditional upload sends its
	// body regardless. Default 1 s.
	ContinueTimeout time.Duration
	// ProgressTimeout bounds each single wait for more bytes, in both directions. Default 1 min.
	ProgressTimeout time.Duration
	// IdleTimeout closes connections that were not used for so long. Default 30 s.
	IdleTimeout time.Duration

	// Observe, if set, is called once for each attempt: the S3 operation, the HTTP status (0: no
	// answer), the kind of the failure (empty: success), the time until the answer was complete (for
	// Get: until its header) and the attempt's number within its call, from 1. It must be safe for
	// concurrent use.
	Observe func(op string, status int, kind Kind, d time.Duration, attempt int)

	// ObserveClock, if set, is called for each answer with how far the store's clock is before
	// ours, to a second, as its Date header tells. It must be safe for concurrent use.
	ObserveClock func(ahead time.Duration)
}

// String leaves the credentials out.
func (c Config) String() string {
	return fmt.Sprintf("backend %s region %s (credentials redacted)", c.Endpoint, c.Region)
}

// GoString leaves the credentials out.
func (c Config) GoString() string { return c.String() }

// withDefaults returns the configuration with every zero filled in, or an error that names the field.
func (c Config) withDefaults() (Config, error) {
	if err := checkEndpoint(c.Endpoint); err != nil {
		return c, fmt.Errorf("%s: %w", "Endpoint", err)
	}
	if !label(c.Region) {
		return c, fmt.Errorf("%s: %q is not a region", "Region", c.Region)
	}
	for _, f := range []struct{ name, value string }{{"AccessKey", c.AccessKey}, {"SecretKey", c.SecretKey}} {
		if f.value == "" {
			return c, fmt.Errorf("%s: is empty", f.name)
		}
	}
	if strings.ContainsFunc(c.AccessKey, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == '/' || r == ',' }) {
		return c, fmt.Errorf("%s: has a character that no access key has", "AccessKey")
	}
	if c.InsecureSkipVerify && c.CAFile != "" {
		return c, errors.New("CAFile: InsecureSkipVerify would ignore it")
	}
	for _, n := range []struct {
		name  string
		value *int
		def   int
	}{
		{"MaxConns", &c.MaxConns, defaultMaxConns},
		{"Attempts", &c.Attempts, defaultAttempts},
		{"RetryBudget", &c.RetryBudget, defaultRetryBudget},
	} {
		if *n.value < 0 {
			return c, fmt.Errorf("%s: %d is negative", n.name, *n.value)
		}
		if *n.value == 0 {
			*n.value = n.def
		}
	}
	for _, d := range []struct {
		name  string
		value *time.Duration
		def   time.Duration
	}{
		{"RetryTime", &c.RetryTime, defaultRetryTime},
		{"UnreachableTime", &c.UnreachableTime, cmp.Or(c.RetryTime, defaultRetryTime)},
		{"DialTimeout", &c.DialTimeout, defaultDialTimeout},
		{"TLSTimeout", &c.TLSTimeout, defaultTLSTimeout},
		{"AnswerTimeout", &c.AnswerTimeout, defaultAnswerTimeout},
		{"SlowTimeout", &c.SlowTimeout, defaultSlowTimeout},
		{"ContinueTimeout", &c.ContinueTimeout, defaultContinueTimeout},
		{"ProgressTimeout", &c.ProgressTimeout, defaultProgressTimeout},
		{"IdleTimeout", &c.IdleTimeout, defaultIdleTimeout},
	} {
		if *d.value < 0 {
			return c, fmt.Errorf("%s: %v is negative", d.name, *d.value)
		}
		if *d.value == 0 {
			*d.value = d.def
		}
	}
	return c, nil
}

// checkEndpoint never repeats the endpoint in its errors: somebody may have put credentials into it.
func checkEndpoint(endpoint string) error {
	if endpoint == "" {
		return errors.New("is empty")
	}
	u, err := url.Parse(endpoint)
	switch {
	case err != nil:
		return errors.New("is not a URL")
	case u.Scheme != "http" && u.Scheme != "https":
		return errors.New("must begin with http:// or https://")
	case u.User != nil:
		return errors.New("must not carry credentials")
	case u.Hostname() == "":
		return errors.New("has no host")
	case u.RawQuery != "" || u.ForceQuery || u.Fragment != "" || strings.Contains(endpoint, "#"):
		return errors.New("must not have a query or a fragment")
	}
	return nil
}

// tlsConfig returns the client side of TLS 1.2 and later.
func (c Config) tlsConfig() (*tls.Config, error) {
	t := &tls.Config{MinVersion: tls.VersionTLS12, InsecureSkipVerify: c.InsecureSkipVerify}
	if c.CAFile == "" {
		return t, nil
	}
	pem, err := os.ReadFile(c.CAFile)
	if err != nil {
		return nil, fmt.Errorf("CAFile: %w", err)
	}
	t.RootCAs = x509.NewCertPool()
	if !t.RootCAs.AppendCertsFromPEM(pem) {
		return nil, fmt.Errorf("CAFile: no certificate in %s", c.CAFile)
	}
	return t, nil
}
