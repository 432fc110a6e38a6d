package backend

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestNewNamesTheBadField(t *testing.T) {
	junk := filepath.Join(t.TempDir(), "junk.pem")
	if err := os.WriteFile(junk, []byte("junk"), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, tc := range map[string]struct {
		field  string
		change func(*Config)
	}{
		"no endpoint":       {"Endpoint", func(c *Config) { c.Endpoint = "" }},
		"no scheme":         {"Endpoint", func(c *Config) { c.Endpoint = "localhost:9000" }},
		"ftp":               {"Endpoint", func(c *Config) { c.Endpoint = "ftp://host" }},
		"credentials":       {"Endpoint", func(c *Config) { c.Endpoint = "http://user:hunter2@host" }},
		"query":             {"Endpoint", func(c *Config) { c.Endpoint = "http://host/?a" }},
		"fragment":          {"Endpoint", func(c *Config) { c.Endpoint = "http://host#" }},
		"no host":           {"Endpoint", func(c *Config) { c.Endpoint = "http://:80" }},
		"no region":         {"Region", func(c *Config) { c.Region = "" }},
		"bad region":        {"Region", func(c *Config) { c.Region = "a/b" }},
		"no access key":     {"AccessKey", func(c *Config) { c.AccessKey = "" }},
		"access key":        {"AccessKey", func(c *Config) { c.AccessKey = "a\nb" }},
		"no secret key":     {"SecretKey", func(c *Config) { c.SecretKey = "" }},
		"missing CA file":   {"CAFile", func(c *Config) { c.CAFile = junk + "x" }},
		"junk CA file":      {"CAFile", func(c *Config) { c.CAFile = junk }},
		"CA file unused":    {"CAFile", func(c *Config) { c.CAFile, c.InsecureSkipVerify = junk, true }},
		"negative conns":    {"MaxConns", func(c *Config) { c.MaxConns = -1 }},
		"negative attempts": {"Attempts", func(c *Config) { c.Attempts = -1 }},
		"negative budget":   {"RetryBudget", func(c *Config) { c.RetryBudget = -1 }},
		"negative timeout":  {"ProgressTimeout", func(c *Config) { c.ProgressTimeout = -time.Second }},
	} {
		config := testConfig("http://127.0.0.1:1")
		tc.change(&config)
		_, err := New(config)
		if err == nil || !strings.Contains(err.Error(), tc.field) {
			t.Errorf("%s: %v does not name %s", name, err, tc.field)
		} else if strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), testSecret) {
			t.Errorf("%s: %v tells a secret", name, err)
		}
	}
}

// Neither credentials nor endpoints nor proxies may come from anywhere but Config.
func TestEnvironmentIsIgnored(t *testing.T) {
	for k, v := range map[string]string{
		"AWS_ACCESS_KEY_ID": "ENVKEY", "AWS_SECRET_ACCESS_KEY": "envsecret", "AWS_SESSION_TOKEN": "envtoken", "AWS_REGION": "mars-1",
		"AWS_ENDPOINT_URL": "http://127.0.0.1:1", "AWS_ENDPOINT_URL_S3": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "http_proxy": "http://127.0.0.1:1",
		"AWS_LAMBDA_FUNCTION_NAME": "f", "_X_AMZN_TRACE_ID": "trace", "AWS_EXECUTION_ENV": "env", "AWS_MAX_ATTEMPTS": "1",
	} {
		t.Setenv(k, v)
	}
	s := newScript(t, stored)
	if _, err := put(newTestClient(t, s.URL), pattern(10), Conditions{}); err != nil {
		t.Fatal(err)
	}
	h := s.requests()[0].header
	if a := h.Get("Authorization"); !strings.Contains(a, "Credential="+testAccess+"/") || !strings.Contains(a, "/us-east-1/s3/") {
		t.Error(a)
	}
	for name, v := range h {
		if strings.Contains(strings.Join(v, " "), "trace") || strings.Contains(strings.Join(v, " "), "envtoken") {
			t.Errorf("%s: %v", name, v)
		}
	}
}

func TestBucketNames(t *testing.T) {
	for _, ok := range []string{"abc", "my-bucket", "a.b.c", "1bucket2", strings.Repeat("a", 63)} {
		if err := checkBucket(ok); err != nil {
			t.Errorf("%q: %v", ok, err)
		}
	}
	for _, bad := range []string{
		"", "ab", strings.Repeat("a", 64), "Bucket", "under_score", "-abc", "abc-", "a..b", ".abc", "abc.", "a.-b", "a-.b", "192.168.5.4",
		"evil.example:80#", "host/path", "..", "../x", "a b", "a%2fb", "a?b", "a@b", "a\\b", "ab\x00c", "bücket", "arn:aws:s3:::x",
		"xn--abc", "sthree-abc", "abc-s3alias", "abc--ol-s3", "abc.mrap", "abc--x-s3", "abc--table-s3", "abc--op-s3",
	} {
		if checkBucket(bad) == nil {
			t.Errorf("%q is accepted", bad)
		}
	}
}

// The request line must carry exactly the key's bytes, whatever a path cleaner would make of them.
func TestKeysArriveAsTheyAre(t *testing.T) {
	keys := map[string]string{
		"a//b": "a//b", "/a": "/a", "//": "//", "a/": "a/", ".": ".", "..": "..", "../x": "../x", "a/./b/../c": "a/./b/../c", "%41": "%2541", "%2F": "%252F",
		"a+b c": "a%2Bb%20c", "q?x=1&y": "q%3Fx%3D1%26y", "f#g": "f%23g", "t:00:00Z": "t%3A00%3A00Z", "é€😀": "%C3%A9%E2%82%AC%F0%9F%98%80",
		"\x01\r\n": "%01%0D%0A", "back\\slash": "back%5Cslash", "~-_.!*'()": "~-_.%21%2A%27%28%29", "{Key+}": "%7BKey%2B%7D", "k;p,@$=": "k%3Bp%2C%40%24%3D",
	}
	for _, style := range []bool{true, false} {
		s := newScript(t, stored)
		// With virtual-hosted style the host must resolve; "localhost" subdomains are not portable, so
		// an IP endpoint is used, for which the SDK falls back to path style, and a dial override for names.
		endpoint, prefix := s.URL+"/base", "/base/bucket/"
		c := newTestClient(t, endpoint)
		if !style {
			c = newTestClient(t, "http://store.test/base", func(c *Config) { c.PathStyle = false })
			for _, tr := range c.transports {
				tr.DialContext = dialTo(s.Listener.Addr().String())
			}
			prefix = "/base/"
		}
		for key, want := range keys {
			if _, err := c.Put(context.Background(), "bucket", key, strings.NewReader("x"), 1, Conditions{}); err != nil {
				t.Fatalf("%q: %v", key, err)
			}
			r := s.requests()
			got, _, _ := strings.Cut(r[len(r)-1].target, "?")
			if got != prefix+want {
				t.Errorf("path style %v: key %q arrives as %q, want %q", style, key, got, prefix+want)
			}
		}
	}
}

func FuzzBucketNeverLeavesTheHost(f *testing.F) {
	for _, s := range []string{"bucket", "evil.example:80#", "a.b", "x@y", "1.2.3.4"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if checkBucket(s) != nil {
			return
		}
		if strings.ContainsAny(s, ":/?#@%\\[] \t\r\n\x00") || strings.HasPrefix(s, ".") || strings.HasSuffix(s, ".") {
			t.Errorf("%q is accepted", s)
		}
	})
}
