package server

import (
	"cmp"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"
)

// TestRefusedSignatureNamesTheClaim: as S3, the answer repeats what the client said of
// its own signature, and nothing else.
func TestRefusedSignatureNamesTheClaim(t *testing.T) {
	g := newRig(t)
	a := g.do(call{method: "GET", target: "/bkt/k", access: "STRANGER"})
	g.want(a, 403, "InvalidAccessKeyId")
	if body := string(a.body); !strings.Contains(body, "<Message>The AWS Access Key Id you provided does not exist in our records.</Message><AWSAccessKeyId>STRANGER</AWSAccessKeyId>") || strings.Contains(body, "Signature") {
		t.Errorf("%s", body)
	}
	sent := ""
	a = g.do(call{method: "GET", target: "/bkt/k", edit: func(head string) string {
		_, sent, _ = strings.Cut(head, "Signature=")
		sent, _, _ = strings.Cut(sent, "\r")
		return strings.Replace(head, "GET /bkt/k", "GET /bkt/l", 1)
	}})
	g.want(a, 403, "SignatureDoesNotMatch")
	if body := string(a.body); len(sent) != 64 || !strings.Contains(body, "<AWSAccessKeyId>"+testAccess+"</AWSAccessKeyId><SignatureProvided>"+sent+"</SignatureProvided>") || strings.Contains(body, testSecret) {
		t.Errorf("%s", body)
	}
}

// TestRefusedSignatureIsLoggedWithItsClaim: the operator sees which client it is that has
// the wrong secret, and can be sent neither control characters nor a page of text, nor a
// secret that somebody typed in the wrong place.
func TestRefusedSignatureIsLoggedWithItsClaim(t *testing.T) {
	const other = "other/secret/with/slashes"
	var log lines
	g := newRig(t, func(c *Config) {
		c.Log = zerolog.New(&log)
		c.Credentials = append(c.Credentials, Credential{Name: "backup", AccessKey: "BACKUP", SecretKey: other})
	})
	spoil := func(head string) string { return strings.Replace(head, "GET /bkt/k", "GET /bkt/l", 1) }
	anonymous := func(head string) string { return strings.Replace(head, "authorization:", "x-nothing:", 1) }
	as := func(key string) func(string) string {
		return func(head string) string {
			return strings.Replace(head, "Credential=STRANGER/", "Credential="+key+"/", 1)
		}
	}
	for i, c := range []struct {
		call call
		want string // of the line; "" = no claim
	}{
		{call{access: testAccess, edit: spoil}, testAccess},
		{call{access: "STRANGER"}, "STRANGER"},
		{call{access: "STRANGER", at: time.Now().Add(-time.Hour)}, "STRANGER"},
		{call{access: "STRANGER", edit: as("A\"\u00e9")}, `A\"\u00e9`},
		{call{target: "/bkt/k?X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=A%01%0A%1B%5B2J%2F20260101&X-Amz-Signature=0", edit: anonymous}, `A\x01\n\x1b[2J`},
		{call{access: "STRANGER", edit: as(strings.Repeat("k", 4000))}, strings.Repeat("k", 64) + "..."},
		{call{access: "STRANGER", edit: as(testSecret)}, "(the secret of client)"},
		{call{access: "STRANGER", edit: as(other)}, "(the secret of backup)"},
		{call{edit: anonymous}, ""},
	} {
		c.call.method, c.call.target = "GET", cmp.Or(c.call.target, "/bkt/k")
		a := g.do(c.call)
		if a.status < 400 {
			t.Fatalf("%d: answered %d", i, a.status)
		}
		found := false
		for end := time.Now().Add(10 * time.Second); !found && time.Now().Before(end); time.Sleep(time.Millisecond) {
			for line := range strings.Lines(log.text()) {
				var l struct {
					ID      string  `json:"request_id"`
					Claimed *string `json:"claimed_access_key"`
					Proved  string  `json:"access_key"`
				}
				if err := json.Unmarshal([]byte(line), &l); err != nil {
					t.Fatalf("%v: %s", err, line)
				}
				if l.ID != a.header.Get("x-amz-request-id") {
					continue
				}
				found = true
				if got := l.Claimed; (got == nil) != (c.want == "") || got != nil && *got != c.want || l.Proved != "" {
					t.Errorf("%d: want %q in %s", i, c.want, line)
				}
			}
		}
		if !found {
			t.Errorf("%d: no line", i)
		}
	}
	if strings.Contains(log.text(), testSecret) || strings.Contains(log.text(), other) {
		t.Error("a secret is in the log")
	}

	g.do(call{method: "GET", target: "/bkt/k"})
	for end := time.Now().Add(10 * time.Second); !strings.Contains(log.text(), `"access_key":"`+testAccess+`"`); time.Sleep(time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("a proved key is not logged as such")
		}
	}
}

func TestClaimIsReadFromWhatWasSigned(t *testing.T) {
	for _, c := range [][4]string{
		{"AWS4-HMAC-SHA256 Credential=a/b, SignedHeaders=h,Signature=s", "", "a/b", "s"},
		{"", "X-Amz-Credential=a%2Fb&x=y&X-Amz-Signature=s", "a/b", "s"},
		{"", "X-Amz-Credential=%zz", "", ""},
		{"nonsense", "X-Amz-Credential=a", "", ""},
		{"", "", "", ""},
	} {
		if credential, signature := claimed(c[0], c[1]); credential != c[2] || signature != c[3] {
			t.Errorf("%q %q: %q %q", c[0], c[1], credential, signature)
		}
	}
}

// TestAuthorizationErrorsAreS3s: code, text and argument as S3 has them.
func TestAuthorizationErrorsAreS3s(t *testing.T) {
	g := newRig(t)
	with := func(value string) func(string) string {
		return func(head string) string {
			before, rest, _ := strings.Cut(head, "authorization: ")
			_, after, _ := strings.Cut(rest, "\r\n")
			return before + "authorization: " + value + "\r\n" + after
		}
	}
	for _, c := range []struct {
		target, authorization string
		status                int
		code, has             string
	}{
		{"/bkt/k", "invalid_header", 400, "InvalidArgument", "<ArgumentName>Authorization</ArgumentName><ArgumentValue>invalid_header</ArgumentValue>"},
		{"/bkt/k", "AWS2-HMAC-SHA1 x", 400, "InvalidArgument", "Unsupported Authorization Type"},
		{"/bkt/k", "AWS key:signature", 400, "InvalidRequest", "The authorization mechanism you have provided is not supported. Please use AWS4-HMAC-SHA256."},
		{"/bkt/k", "AWS4-HMAC-SHA256 Credential=a,SignedHeaders=b,x=c", 400, "AuthorizationHeaderMalformed", "missing Signature."},
	} {
		a := g.do(call{method: "GET", target: c.target, edit: with(c.authorization)})
		if g.want(a, c.status, c.code); !strings.Contains(string(a.body), c.has) {
			t.Errorf("%s: %s", c.authorization, a.body)
		}
	}
	unsigned := func(head string) string {
		before, rest, _ := strings.Cut(head, "authorization: ")
		_, after, _ := strings.Cut(rest, "\r\n")
		return before + after
	}
	for query, code := range map[string]string{
		"?X-Amz-Algorithm=AWS4-SHA256":  "AuthorizationQueryParametersError",
		"?X-Amz-Security-Token=t":       "InvalidToken",
		"?AWSAccessKeyId=a&Signature=b": "InvalidRequest",
	} {
		g.want(g.do(call{method: "GET", target: "/bkt/k" + query, edit: unsigned}), 400, code)
	}
	a := g.do(call{method: "PUT", target: "/bkt/k", edit: func(head string) string { return head + "x-amz-acl: private\r\nx-amz-tagging: a=b\r\n" }})
	if g.want(a, 403, "AccessDenied"); !strings.Contains(string(a.body), "<HeadersNotSigned>x-amz-acl, x-amz-tagging</HeadersNotSigned>") {
		t.Errorf("%s", a.body)
	}
}
