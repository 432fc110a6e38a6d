package sigv4

import (
	"encoding/hex"
	"errors"
	"fmt"
	"go/parser"
	"go/token"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

func authorizationFor(c canonical, names string) string {
	signature, _ := c.sign(vectorSecret)
	return fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s/%s/s3/aws4_request,SignedHeaders=%s,Signature=%x", vectorAccessKey, c.date, c.region, names, signature)
}

func TestAuthorizationForms(t *testing.T) {
	const signature = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for _, value := range []string{
		"AWS4-HMAC-SHA256 Credential=a/b/20260115/auto/s3/aws4_request,SignedHeaders=host;x,Signature=" + signature,
		"AWS4-HMAC-SHA256 Credential=a/b/20260115/auto/s3/aws4_request, SignedHeaders=host;x, Signature=" + signature,
		"AWS4-HMAC-SHA256\t Signature=" + signature + " \t,\tSignedHeaders=host;x  ,   Credential=a/b/20260115/auto/s3/aws4_request ",
	} {
		a, err := parseAuthorization(value)
		if err != nil {
			t.Errorf("%q: %v", value, err)
			continue
		}
		if a.accessKey != "a/b" || a.date != "20260115" || a.region != "auto" || a.signedHeaders != "host;x" || hex.EncodeToString(a.signature[:]) != signature {
			t.Errorf("%q: got %+v", value, a)
		}
	}
}

func TestAccessKeyMayHoldSlashes(t *testing.T) {
	for _, key := range []string{"a/b", "/", "a/20260115/us-west-1/s3/aws4_request", "//x//", "ключ"} {
		headers, err := NewSigner(key, vectorSecret, vectorRegion).Sign("GET", vectorHost, "/", nil, UnsignedPayload, vectorTime)
		if err != nil {
			t.Fatal(err)
		}
		v := New(Config{
			Lookup: func(k string) (string, bool) { return vectorSecret, k == key },
			Now:    func() time.Time { return vectorTime },
		})
		got, err := v.Verify(&Request{Method: "GET", Target: "/", Headers: headers})
		if key == "ключ" {
			if !errors.Is(err, ErrMalformed) {
				t.Errorf("%s: %v", key, err)
			}
			continue
		}
		if err != nil || got.AccessKey != key {
			t.Errorf("%s: %+v, %v", key, got, err)
		}
	}
}

func TestCanonicalQuery(t *testing.T) {
	for raw, want := range map[string]string{
		"":                         "",
		"delete":                   "delete=",
		"delete=":                  "delete=",
		"b=2&a=1":                  "a=1&b=2",
		"a=2&a=1":                  "a=1&a=2",
		"a-b=1&a=2":                "a=2&a-b=1",
		"a=1&A=2":                  "A=2&a=1",
		"a=b=c":                    "a=b%3Dc",
		"=x":                       "=x",
		"&&a&&":                    "a=",
		"a+b=c+d":                  "a%20b=c%20d",
		"a%20b=c%2Bd":              "a%20b=c%2Bd",
		"p=%2f%2F/":                "p=%2F%2F%2F",
		"p=%41%7e%7E~":             "p=A~~~",
		"p=%c3%a9":                 "p=%C3%A9",
		"p=%FF%00":                 "p=%FF%00",
		"p=\xff":                   "p=%FF",
		"p=a;b":                    "p=a%3Bb",
		"p=%25":                    "p=%25",
		"prefix=a&list-type=2&x=*": "list-type=2&prefix=a&x=%2A",
	} {
		got, _, err := appendCanonicalQuery([]byte("kept"), raw, "")
		if err != nil || string(got) != "kept"+want {
			t.Errorf("%q: got %q, %v, want %q", raw, got, err, want)
		}
	}
	for _, raw := range []string{"%", "a=%", "a=%1", "%g0=", "a&b=%0g"} {
		if _, _, err := appendCanonicalQuery(nil, raw, ""); err != ErrTarget {
			t.Errorf("%q: got %v", raw, err)
		}
	}
}

func TestHMAC(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for length := range 200 {
		key, message := make([]byte, length), make([]byte, 300-length)
		for i := range key {
			key[i] = byte(random.Uint32())
		}
		for i := range message {
			message[i] = byte(random.Uint32())
		}
		got := hmacSHA256(key, message)
		if want := referenceMAC(key, string(message)); string(got[:]) != string(want) {
			t.Fatalf("key of %d bytes, message of %d: got %x, want %x", length, len(message), got, want)
		}
	}
}

func TestPayloadModes(t *testing.T) {
	hash := HashPayload([]byte("x"))
	for _, value := range []string{hash, strings.ToUpper(hash)} {
		p, err := parsePayload(value)
		if err != nil || p.Mode != Exact || hex.EncodeToString(p.SHA256[:]) != hash {
			t.Errorf("%s: %+v, %v", value, p, err)
		}
	}
	if p, err := parsePayload(UnsignedPayload); err != nil || p != (Payload{Mode: Unsigned}) {
		t.Errorf("unsigned: %+v, %v", p, err)
	}
	if got := fmt.Sprint(Exact, Unsigned, Mode(0)); got != "exact unsigned unknown" {
		t.Errorf("modes print as %q", got)
	}
}

func TestVerifyAllocatesLittle(t *testing.T) {
	for _, v := range pbsVectors() {
		r, verifier := v.request(t), newVerifier()
		n := testing.AllocsPerRun(100, func() {
			if _, err := verifier.Verify(r); err != nil {
				t.Fatal(err)
			}
		})
		if n > 2 {
			t.Errorf("%s: %v allocations", v.name, n)
		}
	}
}

func TestVerifierIsConcurrent(t *testing.T) {
	verifier := newVerifier()
	var group sync.WaitGroup
	for _, v := range pbsVectors() {
		r := v.request(t)
		for range 4 {
			group.Go(func() {
				for range 50 {
					if _, err := verifier.Verify(r); err != nil {
						t.Errorf("%s: %v", v.name, err)
					}
				}
			})
		}
	}
	group.Wait()
}

func TestVerifyLeavesTheRequestAlone(t *testing.T) {
	for name, s := range signedRequests(t) {
		before := clone(s.request)
		if _, err := s.verifier.Verify(s.request); err != nil {
			t.Fatal(err)
		}
		if before.Method != s.request.Method || before.Target != s.request.Target || !slices.Equal(before.Headers, s.request.Headers) {
			t.Errorf("%s: the request was changed", name)
		}
	}
}

func TestSignerPrintsNoSecret(t *testing.T) {
	s := NewSigner(vectorAccessKey, vectorSecret, vectorRegion)
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%d"} {
		for _, value := range []any{s, *s, []*Signer{s}, struct{ S Signer }{*s}} {
			text := fmt.Sprintf(verb, value)
			if strings.Contains(text, vectorSecret) || strings.Contains(text, hex.EncodeToString([]byte(vectorSecret))) {
				t.Errorf("%s: %s", verb, text)
			}
		}
	}
}

func TestSignerRefusesWhatCannotBeSent(t *testing.T) {
	s := NewSigner(vectorAccessKey, vectorSecret, vectorRegion)
	for name, sign := range map[string]func() ([]Header, error){
		"method":      func() ([]Header, error) { return s.Sign("G T", "h", "/", nil, "", vectorTime) },
		"target":      func() ([]Header, error) { return s.Sign("GET", "h", "k", nil, "", vectorTime) },
		"query":       func() ([]Header, error) { return s.Sign("GET", "h", "/?%", nil, "", vectorTime) },
		"headers":     func() ([]Header, error) { return s.Sign("GET", "h", "/", []Header{{"A", ""}}, "", vectorTime) },
		"second host": func() ([]Header, error) { return s.Sign("GET", "h", "/", []Header{{"host", "g"}}, "", vectorTime) },
		"second signer": func() ([]Header, error) {
			return s.Sign("GET", "h", "/", []Header{{"authorization", ""}}, "", vectorTime)
		},
	} {
		if got, err := sign(); err == nil || got != nil {
			t.Errorf("%s: %v, %v", name, got, err)
		}
	}
	defer func() {
		if p := fmt.Sprint(recover()); !strings.HasPrefix(p, "BUG: ") {
			t.Errorf("empty secret: got %q", p)
		}
	}()
	NewSigner("a", "", "r")
}

// The package stands alone: the standard library without any network.
func TestImports(t *testing.T) {
	allowed := []string{"bufio", "bytes", "crypto/sha256", "crypto/subtle", "encoding/hex", "errors", "fmt", "hash", "io", "slices", "strconv", "strings", "time"}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) == 0 {
		t.Fatal("no files", err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, i := range f.Imports {
			if path, _ := strconv.Unquote(i.Path.Value); !slices.Contains(allowed, path) {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
