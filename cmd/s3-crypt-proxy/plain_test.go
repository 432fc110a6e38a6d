package main

import (
	"crypto/tls"
	"io"
	"net"
	"os"
	"strings"
	"testing"
	"time"
)

// TestPlainHTTPIsToldToUseTLS: who writes http:// for https:// gets an answer that says so,
// and what is neither gets none.
func TestPlainHTTPIsToldToUseTLS(t *testing.T) {
	b := newBench(t, "S3CP_TLS=auto", "S3CP_TLS_DIR="+t.TempDir())
	ask := func(text string) string {
		t.Helper()
		c, err := net.Dial("tcp", b.clients.Addr().String())
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		if err := c.SetDeadline(time.Now().Add(20 * time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(c, text); err != nil {
			t.Fatal(err)
		}
		answer, _ := io.ReadAll(c) // a reset may end it
		return string(answer)
	}
	for _, request := range []string{"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "HEAD /bkt HTTP/1.1\r\nHost: x\r\n\r\n", "DELETE /bkt/k HTTP/1.1\r\nHost: x\r\n\r\n"} {
		if got := ask(request); !strings.HasPrefix(got, "HTTP/1.0 400 ") || !strings.Contains(got, "\r\n\r\nThis port speaks HTTPS") {
			t.Errorf("%q is answered %q", request, got)
		}
	}
	if got := ask("SSH-2.0-x\r\n\r\n"); strings.Contains(got, "HTTP") {
		t.Errorf("what is no HTTP is answered %q", got)
	}
	c, err := tls.Dial("tcp", b.clients.Addr().String(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	c.Close()
	b.signals <- os.Interrupt
	if err := b.wait(t); err != nil {
		t.Error(err)
	}
}
