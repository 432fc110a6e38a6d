//go:build integration

package integration

import (
	"bufio"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
)

// emptySHA is the SHA-256 of nothing.
const emptySHA = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

// signedHeaders are the three headers every request has.
func signedHeaders(host, sha string, at time.Time) []pbs.Header {
	return []pbs.Header{{Name: "host", Value: host}, {Name: "x-amz-content-sha256", Value: sha}, {Name: "x-amz-date", Value: at.UTC().Format("20060102T150405Z")}}
}

func sha(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// answer is a whole response; status 0 means that none came.
type answer struct {
	status int
	body   []byte
}

func (a answer) code() string {
	_, rest, _ := strings.Cut(string(a.body), "<Code>")
	code, _, _ := strings.Cut(rest, "</Code>")
	return code
}

// exchange sends bytes as they are and reads one answer.
func exchange(t *testing.T, conn net.Conn, head, body []byte) answer {
	t.Helper()
	conn.SetDeadline(time.Now().Add(60 * time.Second))
	go func() {
		conn.Write(head) // the answer may come before all of it is sent
		conn.Write(body)
	}()
	method, _, _ := strings.Cut(string(head), " ")
	resp, err := http.ReadResponse(bufio.NewReader(conn), &http.Request{Method: method})
	if err != nil {
		return answer{body: []byte(err.Error())}
	}
	defer resp.Body.Close()
	b, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Logf("the answer's body broke off: %v", err)
	}
	return answer{resp.StatusCode, b}
}
