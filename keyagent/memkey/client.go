package memkey

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// A ClientConfig is all that a Client needs.
type ClientConfig struct {
	URL      string       // https://host:port; http:// to a loopback address only (a tunnel's end)
	Server   Fingerprint  // of the server, from its console: there is no trust on first use
	Identity Signer       // the admin's
	HTTP     *http.Client // nil: TLS 1.3 only, no proxy, no redirects, DefaultTimeout
	Now      func() time.Time
	Rand     io.Reader // nil is crypto/rand; anything else is for test vectors
}

// A Client is the admin's side over HTTP. Safe for concurrent use if its Identity and HTTP are.
type Client struct {
	cfg  ClientConfig
	base string
}

// NewClient checks every field of the configuration and names a bad one.
func NewClient(c ClientConfig) (*Client, error) {
	fail := func(format string, args ...any) (*Client, error) {
		return nil, fmt.Errorf("cannot talk to a key server: "+format, args...)
	}
	u, err := url.Parse(c.URL)
	switch {
	case err != nil || u.Host == "" || u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return fail("URL is not of the form https://host:port")
	case u.Scheme == "http" && !loopback(u.Hostname()):
		return fail("URL is http to %s: only https, or http to a loopback address", u.Hostname())
	case u.Scheme != "http" && u.Scheme != "https":
		return fail("URL has the scheme %q, want https", u.Scheme)
	case c.Server == Fingerprint{}:
		return fail("Server is not a fingerprint")
	case c.Identity == nil || len(c.Identity.Public()) != ed25519.PublicKeySize:
		return fail("Identity is not an Ed25519 identity")
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.HTTP == nil {
		c.HTTP = &http.Client{
			Timeout: DefaultTimeout,
			Transport: &http.Transport{
				TLSClientConfig: clientTLS(), DisableCompression: true, MaxResponseHeaderBytes: maxHeader,
				MaxIdleConns: 1, IdleConnTimeout: idleTime,
			},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	return &Client{cfg: c, base: strings.TrimSuffix(u.String(), "/")}, nil
}

func loopback(host string) bool {
	ip, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && ip.IsLoopback()
}

// Status asks for the server's state: M1 and M2 with OpStatus. Errors: ErrUnreachable, ErrFingerprint, ErrClock, *Refusal.
func (c *Client) Status(ctx context.Context) (State, error) {
	_, state, err := c.open(ctx, OpStatus)
	return state, err
}

// Send carries out p.Op with p, which stays the caller's. Errors: ErrPackage and those of Status, before anything secret
// was sent; ErrExpired and *Refusal with Signed, when the server did not carry it out; ErrUnconfirmed when that is not
// known: then Status tells.
func (c *Client) Send(ctx context.Context, p *Package) (Receipt, error) {
	if err := p.check(); err != nil { // before the server hears of it
		return Receipt{}, err
	}
	x, _, err := c.open(ctx, p.Op)
	if err != nil {
		return Receipt{}, err
	}
	m3, err := x.Seal(p)
	if err != nil {
		return Receipt{}, err
	}
	a, err := c.post(ctx, "/key", m3)
	if err != nil {
		if op := (*net.OpError)(nil); errors.As(err, &op) && op.Op == "dial" {
			return Receipt{}, err
		}
		return Receipt{}, fmt.Errorf("%w: %v", ErrUnconfirmed, err) // not ErrUnreachable: something was sent
	}
	receipt, err := x.Finish(a.body)
	if errors.Is(err, ErrUnconfirmed) && a.refusal() != nil {
		// Only a claim: not signed.
		return Receipt{}, fmt.Errorf("%w: it says: %v", ErrUnconfirmed, a.refusal())
	}
	return receipt, err
}

// open does M1 and M2. A server that is busy for a moment is asked again.
func (c *Client) open(ctx context.Context, op Op) (*Exchange, State, error) {
	for try := 1; ; try++ {
		x, m1, err := c.Begin(op)
		if err != nil {
			return nil, State{}, err
		}
		a, err := c.post(ctx, "/challenge", m1)
		if err != nil {
			return nil, State{}, err
		}
		if a.code == http.StatusOK {
			state, err := x.Challenge(a.body)
			if errors.Is(err, errM2) {
				err = fmt.Errorf("%w: %w", ErrUnreachable, err)
			}
			return x, state, err
		}
		refusal := a.refusal()
		if refusal == nil {
			return nil, State{}, fmt.Errorf("%w: %s answers HTTP %d: it is not a key server", ErrUnreachable, c.base, a.code)
		}
		if refusal.Status != StatusBusy || refusal.RetryAfter > busyWait || try == busyTries {
			return nil, State{}, c.explain(a, refusal)
		}
		// Half as long to once and a half: others that were told the same come at other times.
		wait := refusal.RetryAfter/2 + rand.N(refusal.RetryAfter+1)
		select {
		case <-ctx.Done():
			return nil, State{}, fmt.Errorf("%w: %w", ErrUnreachable, ctx.Err())
		case <-time.After(wait):
		}
	}
}

// explain looks for the reason of an unexplained refusal in what is known anyway. Nothing is decided by it: the request
// failed, whatever the server presents.
func (c *Client) explain(a answer, refusal *Refusal) error {
	if a.hasKey && a.presented != c.cfg.Server {
		return fmt.Errorf("%w: %s presents the fingerprint %s", ErrFingerprint, c.base, a.presented)
	}
	if off := a.date.Sub(c.cfg.Now()); !a.date.IsZero() && off.Abs() > DefaultMaxClockSkew-2*time.Second {
		return fmt.Errorf("%w: the server's clock is off by %s: %v", ErrClock, off.Round(time.Second), refusal)
	}
	return refusal
}

// An answer is what came back, as far as it is looked at.
type answer struct {
	code      int
	body      []byte
	date      time.Time
	retry     time.Duration
	presented Fingerprint
	hasKey    bool
}

// refusal is the unsigned refusal that the code stands for; nil if none.
func (a answer) refusal() *Refusal {
	switch a.code {
	case http.StatusForbidden:
		return &Refusal{Status: StatusDenied}
	case http.StatusTooManyRequests:
		return &Refusal{Status: StatusBusy, RetryAfter: a.retry}
	case http.StatusServiceUnavailable:
		return &Refusal{Status: StatusFailed}
	}
	return nil
}

func (c *Client) post(ctx context.Context, path string, body []byte) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, c.base+path, bytes.NewReader(body))
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	request.Header.Set("Content-Type", binaryType)
	request.GetBody = nil // never sent twice behind our back
	response, err := c.cfg.HTTP.Do(request)
	if err != nil {
		return answer{}, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	defer response.Body.Close()
	a := answer{code: response.StatusCode}
	a.body, err = io.ReadAll(io.LimitReader(response.Body, maxReply+1))
	if err != nil || len(a.body) > maxReply {
		return answer{}, fmt.Errorf("%w: the answer breaks off or is too long (%v)", ErrUnreachable, err)
	}
	a.date, _ = http.ParseTime(response.Header.Get("Date")) // zero if it is none
	if n, err := strconv.Atoi(response.Header.Get("Retry-After")); err == nil && n > 0 {
		a.retry = time.Duration(min(n, 1<<16)) * time.Second
	}
	a.presented, a.hasKey = presented(response.TLS)
	return a, nil
}
