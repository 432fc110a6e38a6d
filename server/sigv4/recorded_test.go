package sigv4

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

const (
	recordedAccessKey = "EXAMPLEKEY0000000001"
	recordedSecret    = "examplesecret0123456789"
)

// recorded is a request that a real client put on the wire.
type recorded struct {
	name    string
	request *Request
	at      time.Time
}

// recordedRequests reads testdata/recorded: what curl 7.88 --aws-sigv4, boto3
// and aws-cli sent to a listening socket, with the unsigned User-Agent cut
// short and boto3's retry headers left out.
func recordedRequests(t testing.TB) []recorded {
	t.Helper()
	names, err := filepath.Glob("testdata/recorded/*.http")
	if err != nil || len(names) < 15 {
		t.Fatalf("cannot find the recorded requests: %d, %v", len(names), err)
	}
	var out []recorded
	for _, name := range names {
		data, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		r := parseHead(string(data))
		at, err := time.Parse(amzDate, strings.TrimSpace(find(r.Headers, "x-amz-date")))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		out = append(out, recorded{strings.TrimSuffix(filepath.Base(name), ".http"), r, at})
	}
	return out
}

// parseHead cuts a request's head into lines, as a server would, and refuses
// nothing.
func parseHead(head string) *Request {
	lines := strings.Split(strings.ReplaceAll(head, "\r\n", "\n"), "\n")
	r := &Request{}
	r.Method, r.Target, _ = strings.Cut(lines[0], " ")
	r.Target, _, _ = strings.Cut(r.Target, " ")
	for _, line := range lines[1:] {
		if name, value, ok := strings.Cut(line, ":"); ok {
			r.Headers = append(r.Headers, Header{strings.ToLower(name), value})
		}
	}
	return r
}

func recordedVerifier(at time.Time) *Verifier {
	return New(Config{
		Lookup: func(k string) (string, bool) { return recordedSecret, k == recordedAccessKey },
		Now:    func() time.Time { return at },
	})
}

func TestRequestsOfRealClientsVerify(t *testing.T) {
	for _, r := range recordedRequests(t) {
		got, err := recordedVerifier(r.at).Verify(r.request)
		if r.name == "curl-7.88-without-sha256" {
			// curl before 8.x sends the header only if it is told to.
			if !errors.Is(err, ErrMissingSHA) {
				t.Errorf("%s: got %v, want ErrMissingSHA", r.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", r.name, err)
			continue
		}
		want := Exact
		if find(r.request.Headers, "x-amz-content-sha256") == " "+UnsignedPayload {
			want = Unsigned
		}
		if got.AccessKey != recordedAccessKey || got.Payload.Mode != want {
			t.Errorf("%s: got %+v", r.name, got)
		}
	}
}
