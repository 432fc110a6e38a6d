package pbs

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"strings"
	"time"
)

// Config describes an endpoint and how to call it.
type Config struct {
	Address     string // host:port; what is dialled and what the host header says; required
	Bucket      string // path-style bucket of all calls; required
	Region      string // "" = us-west-1, PBS's default
	AccessKey   string // required
	SecretKey   string // required
	Fingerprint string // 32 hex pairs joined by colons, either case; "" = the system's CAs decide

	// PlainHTTP leaves TLS out. PBS cannot do that; it is for the benchmarks' direct column.
	PlainHTTP bool

	// Waits are the pauses between the sends of one request; nil = 1 s, 3 s as PBS. Its length plus one is the number
	// of sends. An empty slice means one send.
	Waits []time.Duration
	// HeaderTimeout ends when the answer's headers are there; 0 = 30 minutes, as PBS. Bodies have no timeout.
	HeaderTimeout time.Duration
	// Now is the clock of the signatures; nil = time.Now.
	Now func() time.Time
}

// String leaves the secret key out.
func (c Config) String() string {
	return fmt.Sprintf("%s bucket %s access key %s", c.Address, c.Bucket, c.AccessKey)
}

// GoString leaves the secret key out.
func (c Config) GoString() string { return c.String() }

// Client calls one bucket of one endpoint.
type Client struct {
	cfg         Config
	signer      signer
	pool        *pool
	fingerprint []byte // nil: the system's CAs decide
}

// New checks cfg; the error names the bad field. Close the client when done.
func New(cfg Config) (*Client, error) {
	host, _, err := net.SplitHostPort(cfg.Address)
	if err != nil || host == "" {
		return nil, fmt.Errorf("cannot make a client: Address %q is not host:port", cfg.Address)
	}
	if cfg.Bucket == "" || cfg.AccessKey == "" || cfg.SecretKey == "" {
		return nil, errors.New("cannot make a client: Bucket, AccessKey and SecretKey are required")
	}
	if cfg.Region == "" {
		cfg.Region = defaultRegion
	}
	if cfg.Waits == nil {
		cfg.Waits = []time.Duration{time.Second, 3 * time.Second}
	}
	if cfg.HeaderTimeout == 0 {
		cfg.HeaderTimeout = headerTimeout
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	c := &Client{cfg: cfg, signer: signer{cfg.AccessKey, cfg.SecretKey, cfg.Region}, pool: &pool{}}
	if cfg.Fingerprint != "" {
		if c.fingerprint, err = parseFingerprint(cfg.Fingerprint); err != nil {
			return nil, fmt.Errorf("cannot make a client: Fingerprint: %w", err)
		}
	}
	return c, nil
}

// Close closes the idle connections. Calls still running keep theirs until they end.
func (c *Client) Close() { c.pool.close() }

// Bucket returns a client for another bucket of the same endpoint, with a pool of its own.
func (c *Client) Bucket(name string) *Client {
	d := *c
	d.cfg.Bucket, d.pool = name, &pool{}
	return &d
}

// parseFingerprint reads PBS's form: 32 pairs of hex digits of either case, joined by colons.
func parseFingerprint(s string) ([]byte, error) {
	if len(s) != 3*sha256.Size-1 {
		return nil, fmt.Errorf("%d characters, want %d", len(s), 3*sha256.Size-1)
	}
	for i := 2; i < len(s); i += 3 {
		if s[i] != ':' {
			return nil, fmt.Errorf("no colon at position %d", i)
		}
	}
	sum, err := hex.DecodeString(strings.ReplaceAll(s, ":", ""))
	if err != nil || len(sum) != sha256.Size {
		return nil, errors.New("not 32 pairs of hex digits")
	}
	return sum, nil
}

// FormatFingerprint writes the SHA-256 of a DER certificate in PBS's form.
func FormatFingerprint(der []byte) string {
	sum := sha256.Sum256(der)
	pairs := make([]string, len(sum))
	for i, b := range sum {
		pairs[i] = hex.EncodeToString([]byte{b})
	}
	return strings.Join(pairs, ":")
}
