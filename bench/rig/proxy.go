package rig

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// Proxy is a running s3-crypt-proxy.
type Proxy struct {
	*Process
	Credentials
	Address      string // host:port for clients on this machine
	AdminAddress string
	AdminToken   string
	TLS          bool
	Fingerprint  string // of the certificate it serves, in PBS's form; "" without TLS
}

// ProxyConfig says how to start a proxy. What is empty is chosen.
type ProxyConfig struct {
	Binary     string // "" = s3-crypt-proxy
	Dir        string // for its configuration and certificate; required
	Backend    string // endpoint URL; required
	BackendKey Credentials
	BackendCA  string // PEM file with the backend's root; "" = the system's
	Region     string // of the backend
	Buckets    []string
	Socket     string // of the key holder; required
	Mode       string // memkey.mode; "" = the default
	Client     Credentials
	Threads    int // backend.multipart_threads; 0 = the default
	Listen     string
	Admin      string
	AdminToken string
	PlainHTTP  bool
	Extra      string // further YAML at the top level of the configuration
	WithoutKey bool   // do not wait for readiness, which needs the key: wait for the admin listener
	Log        io.Writer
}

// StartProxy writes the configuration, starts the proxy and waits until it is ready. S3CP_* variables of the
// environment win over cfg.
func StartProxy(ctx context.Context, cfg ProxyConfig) (*Proxy, error) {
	var err error
	for range portTries {
		var p *Proxy
		if p, err = startProxy(ctx, cfg); err == nil {
			return p, nil
		}
		var taken *portTaken
		if !errors.As(err, &taken) {
			break
		}
	}
	return nil, err
}

// portTaken says that another process took the free port before the proxy bound it.
type portTaken struct{ err error }

func (e *portTaken) Error() string { return e.err.Error() }
func (e *portTaken) Unwrap() error { return e.err }

func startProxy(ctx context.Context, cfg ProxyConfig) (*Proxy, error) {
	path, err := Binary(orDefault(cfg.Binary, "s3-crypt-proxy"))
	if err != nil {
		return nil, err
	}
	s := settle(cfg)
	if err := concrete(&s.listen, &s.admin); err != nil {
		return nil, err
	}
	file := filepath.Join(cfg.Dir, "proxy.yaml")
	if err := os.WriteFile(file, s.yaml(cfg), 0o600); err != nil {
		return nil, fmt.Errorf("cannot write the proxy's configuration: %w", err)
	}
	p := &Proxy{Credentials: s.client, Address: reachable(s.listen), AdminAddress: reachable(s.admin), AdminToken: s.token, TLS: s.tls}
	p.Process, err = start(spec{name: orDefault(cfg.Binary, "s3-crypt-proxy"), path: path, args: []string{"-config", file}, env: s.environ(), log: cfg.Log})
	if err != nil {
		return nil, err
	}
	if err := p.await(ctx, cfg.WithoutKey); err != nil {
		p.Kill()
		if strings.Contains(p.Log(), "address already in use") {
			err = &portTaken{err}
		}
		return nil, err
	}
	if p.TLS {
		if p.Fingerprint, err = servedFingerprint(ctx, p.Address); err != nil {
			p.Kill()
			return nil, err
		}
	}
	return p, nil
}

// await polls the admin listener: /readyz, or /healthz while there is no key.
func (p *Proxy) await(ctx context.Context, withoutKey bool) error {
	url := "http://" + p.AdminAddress + "/readyz"
	if withoutKey {
		url = "http://" + p.AdminAddress + "/healthz"
	}
	client := &http.Client{Timeout: 5 * time.Second}
	defer client.CloseIdleConnections()
	last := "no answer from " + url
	for deadline := time.Now().Add(readyTimeout); time.Now().Before(deadline); {
		req, err := http.NewRequestWithContext(ctx, "GET", url, nil)
		if err != nil {
			return err
		}
		if resp, err := client.Do(req); err == nil {
			body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096))
			resp.Body.Close()
			if resp.StatusCode == 200 {
				return nil
			}
			last = fmt.Sprintf("%s says %d: %s", url, resp.StatusCode, strings.TrimSpace(string(body)))
		}
		select {
		case <-p.Done():
			return p.failed("it ended before it was ready")
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(readyPoll):
		}
	}
	return p.failed(fmt.Sprintf("it was not ready within %v: %s", readyTimeout, last))
}

// servedFingerprint reads the certificate off the listener. On loopback, from the process just started, that is as
// good as being told.
func servedFingerprint(ctx context.Context, addr string) (string, error) {
	d := tls.Dialer{Config: &tls.Config{InsecureSkipVerify: true}}
	c, err := d.DialContext(ctx, "tcp", addr)
	if err != nil {
		return "", fmt.Errorf("cannot read the proxy's certificate: %w", err)
	}
	defer c.Close()
	return pbs.FormatFingerprint(c.(*tls.Conn).ConnectionState().PeerCertificates[0].Raw), nil
}

// PBS returns a client's configuration for the proxy.
func (p *Proxy) PBS(bucket string) pbs.Config {
	return pbs.Config{Address: p.Address, Bucket: bucket, AccessKey: p.AccessKey, SecretKey: p.SecretKey, Fingerprint: p.Fingerprint, PlainHTTP: !p.TLS}
}

// PBS returns a client's configuration for the backend itself.
func (b *Backend) PBS(bucket string) pbs.Config {
	return pbs.Config{Address: b.Address, Bucket: bucket, Region: b.Region, AccessKey: b.AccessKey, SecretKey: b.SecretKey,
		Fingerprint: b.Fingerprint, PlainHTTP: b.CAFile == ""}
}

func orDefault(v, def string) string {
	if v == "" {
		return def
	}
	return v
}
