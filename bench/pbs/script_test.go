package pbs

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"math/big"
	"net"
	"strings"
	"sync"
	"testing"
	"time"
)

// exchangeSeen is one request as it came over the wire.
type exchangeSeen struct {
	conn int // number of the connection, from 1
	head string
	body []byte
}

func (e exchangeSeen) line() string { l, _, _ := strings.Cut(e.head, "\r\n"); return l }

func (e exchangeSeen) header(name string) string {
	for _, l := range strings.Split(e.head, "\r\n")[1:] {
		if v, ok := strings.CutPrefix(l, name+": "); ok {
			return v
		}
	}
	return ""
}

// script is a TLS server that answers with raw bytes; "" closes the connection without an answer.
type script struct {
	t      *testing.T
	addr   string
	leaf   []byte
	answer func(exchangeSeen) string

	mu   sync.Mutex
	seen []exchangeSeen
	sni  []string
	alpn [][]string
}

func certificate(t *testing.T) tls.Certificate {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	tmpl := &x509.Certificate{SerialNumber: big.NewInt(1), NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der, err := x509.CreateCertificate(rand.Reader, tmpl, tmpl, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
}

func serveScript(t *testing.T, answer func(exchangeSeen) string) *script {
	t.Helper()
	cert := certificate(t)
	s := &script{t: t, leaf: cert.Certificate[0], answer: answer}
	ln, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{
		Certificates: []tls.Certificate{cert},
		NextProtos:   []string{"h2", "http/1.1"},
		GetConfigForClient: func(h *tls.ClientHelloInfo) (*tls.Config, error) {
			s.mu.Lock()
			defer s.mu.Unlock()
			s.sni, s.alpn = append(s.sni, h.ServerName), append(s.alpn, h.SupportedProtos)
			return nil, nil
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	s.addr = ln.Addr().String()
	var wg sync.WaitGroup
	t.Cleanup(func() { ln.Close(); wg.Wait() })
	wg.Go(func() {
		for n := 1; ; n++ {
			c, err := ln.Accept()
			if err != nil {
				return
			}
			wg.Go(func() { s.serve(n, c) })
		}
	})
	return s
}

func (s *script) serve(n int, c net.Conn) {
	defer c.Close()
	r := bufio.NewReader(c)
	for {
		var head strings.Builder
		for {
			line, err := r.ReadString('\n')
			if err != nil {
				return
			}
			if line == "\r\n" {
				break
			}
			head.WriteString(line)
		}
		e := exchangeSeen{conn: n, head: head.String()}
		var length int
		fmt.Sscan(e.header("content-length"), &length)
		e.body = make([]byte, length)
		if _, err := io.ReadFull(r, e.body); err != nil {
			return
		}
		s.mu.Lock()
		s.seen = append(s.seen, e)
		s.mu.Unlock()
		a := s.answer(e)
		if _, err := io.WriteString(c, a); a == "" || err != nil {
			return
		}
	}
}

func (s *script) requests() []exchangeSeen {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]exchangeSeen(nil), s.seen...)
}

// client makes a client of the script with short waits.
func (s *script) client(change ...func(*Config)) *Client {
	s.t.Helper()
	cfg := Config{Address: s.addr, Bucket: "bkt", AccessKey: "AK", SecretKey: "SK", Fingerprint: FormatFingerprint(s.leaf),
		Waits: []time.Duration{time.Millisecond, time.Millisecond}}
	for _, f := range change {
		f(&cfg)
	}
	c, err := New(cfg)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(c.Close)
	return c
}

// reply renders an answer with a length.
func reply(status int, body string, headers ...string) string {
	return fmt.Sprintf("HTTP/1.1 %d X\r\n%sContent-Length: %d\r\n\r\n%s", status, lines(headers), len(body), body)
}

func lines(headers []string) string {
	if len(headers) == 0 {
		return ""
	}
	return strings.Join(headers, "\r\n") + "\r\n"
}

const (
	goodDate = "Last-Modified: Thu, 15 Jan 2026 12:00:00 GMT"
	goodETag = `ETag: "e"`
	goodType = "Content-Type: application/octet-stream"
)
