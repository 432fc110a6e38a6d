package pbs

import (
	"bufio"
	"bytes"
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"time"
)

// ErrFingerprint says that neither the system's CAs nor the fingerprint accept the server's certificate.
var ErrFingerprint = errors.New("the server's certificate is neither trusted nor the one of the fingerprint")

// readBuffer is the read buffer of a connection: large enough for every head, small enough that bodies go straight
// into the caller's buffer.
const readBuffer = 32 << 10

// Dial opens a connection as PBS does. Its life is the caller's.
func (c *Client) Dial(ctx context.Context) (net.Conn, error) {
	conn, err := c.dial(ctx)
	if err != nil {
		return nil, err
	}
	return conn.Conn, nil
}

func (c *Client) dial(ctx context.Context) (*conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialTimeout)
	defer cancel()
	d := net.Dialer{KeepAlive: tcpKeepAlive}
	raw, err := d.DialContext(ctx, "tcp", c.cfg.Address)
	if err != nil {
		return nil, err
	}
	tcp := raw.(*net.TCPConn)
	if c.cfg.PlainHTTP {
		return &conn{Conn: tcp, tcp: tcp, r: bufio.NewReaderSize(tcp, readBuffer)}, nil
	}
	tc := tls.Client(tcp, c.tlsConfig())
	if err := tc.HandshakeContext(ctx); err != nil {
		tcp.Close()
		return nil, err
	}
	return &conn{Conn: tc, tcp: tcp, r: bufio.NewReaderSize(tc, readBuffer)}, nil
}

// tlsConfig offers no ALPN; Go sends no SNI for IP addresses by itself. The library's own verification is off because
// PBS's rule differs: the fingerprint counts only where the CAs refuse, and then it is the leaf's.
func (c *Client) tlsConfig() *tls.Config {
	host, _, err := net.SplitHostPort(c.cfg.Address)
	if err != nil {
		panic("BUG: New let an address without a port through")
	}
	return &tls.Config{
		ServerName:         host,
		MinVersion:         tls.VersionTLS12,
		InsecureSkipVerify: true,
		VerifyConnection: func(st tls.ConnectionState) error {
			if st.NegotiatedProtocol != "" {
				return fmt.Errorf("the server chose protocol %q, but none was offered", st.NegotiatedProtocol)
			}
			return c.acceptLeaf(st.PeerCertificates, host)
		},
	}
}

func (c *Client) acceptLeaf(chain []*x509.Certificate, host string) error {
	if len(chain) == 0 {
		return ErrFingerprint
	}
	pool := x509.NewCertPool()
	for _, cert := range chain[1:] {
		pool.AddCert(cert)
	}
	_, err := chain[0].Verify(x509.VerifyOptions{DNSName: host, Intermediates: pool, CurrentTime: time.Now()})
	if err == nil {
		return nil
	}
	sum := sha256.Sum256(chain[0].Raw)
	if c.fingerprint == nil || !bytes.Equal(sum[:], c.fingerprint) {
		return fmt.Errorf("%w: %v", ErrFingerprint, err)
	}
	return nil
}
