package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/url"
	"slices"
	"strings"
	"testing"
)

// referenceSignature computes the signature of a request the long way, step by
// step as the AWS documentation has it, and shares no code with the package.
// The caller vouches that the request is well-formed.
func referenceSignature(t testing.TB, r *Request, secret string) string {
	t.Helper()
	values := map[string][]string{}
	for _, h := range r.Headers {
		fields := strings.FieldsFunc(h.Value, func(c rune) bool { return c == ' ' || c == '\t' })
		values[h.Name] = append(values[h.Name], strings.Join(fields, " "))
	}
	authorization := values["authorization"][0]
	field := func(name string) string {
		_, rest, found := strings.Cut(authorization, name+"=")
		if !found {
			t.Fatalf("no %s in %q", name, authorization)
		}
		value, _, _ := strings.Cut(rest, ",")
		return strings.TrimRight(value, " \t")
	}

	path, rawQuery, _ := strings.Cut(r.Target, "?")
	lines := []string{r.Method, path, referenceQuery(t, rawQuery)}
	for _, name := range strings.Split(field("SignedHeaders"), ";") {
		value, arrived := values[name]
		if !arrived && name == "content-length" {
			value = []string{"0"}
		}
		lines = append(lines, name+":"+strings.Join(value, ","))
	}
	lines = append(lines, "", field("SignedHeaders"), values["x-amz-content-sha256"][0])
	request := sha256.Sum256([]byte(strings.Join(lines, "\n")))

	scope := strings.Split(field("Credential"), "/")
	scope = scope[len(scope)-4:]
	stamp := values["x-amz-date"][0]
	key := []byte("AWS4" + secret)
	for _, part := range scope {
		key = referenceMAC(key, part)
	}
	text := strings.Join([]string{"AWS4-HMAC-SHA256", stamp, strings.Join(scope, "/"), hex.EncodeToString(request[:])}, "\n")
	return hex.EncodeToString(referenceMAC(key, text))
}

func referenceMAC(key []byte, message string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(message))
	return m.Sum(nil)
}

// referenceQuery is the canonical form of a query that net/url can decode.
func referenceQuery(t testing.TB, raw string) string {
	t.Helper()
	type pair struct{ name, value string }
	var pairs []pair
	escape := func(s string) string {
		plain, err := url.QueryUnescape(s)
		if err != nil {
			t.Fatalf("cannot decode %q: %v", s, err)
		}
		return strings.ReplaceAll(url.QueryEscape(plain), "+", "%20")
	}
	for _, part := range strings.Split(raw, "&") {
		if part != "" {
			name, value, _ := strings.Cut(part, "=")
			pairs = append(pairs, pair{escape(name), escape(value)})
		}
	}
	slices.SortFunc(pairs, func(a, b pair) int {
		if a.name != b.name {
			return strings.Compare(a.name, b.name)
		}
		return strings.Compare(a.value, b.value)
	})
	var out []string
	for _, p := range pairs {
		out = append(out, p.name+"="+p.value)
	}
	return strings.Join(out, "&")
}
