package config

import (
	"regexp"
	"strings"
	"testing"
)

var exampleGiven = map[string]string{
	"backend.endpoint": "https://s3.example.com", "backend.access_key": "AK", "client.access_key": "CK", "tls.auto": "true",
	"allowed_buckets": "one-bucket,two-buckets",
}

func example(t *testing.T) string {
	t.Helper()
	var b strings.Builder
	if err := WriteExample(&b, exampleGiven); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// TestExampleLoads: the example is a good file as soon as it has its secrets, and
// says what it was told to.
func TestExampleLoads(t *testing.T) {
	secrets := []string{"S3CP_BACKEND_SECRET_KEY=b", "S3CP_CLIENT_SECRET_KEY=c", "S3CP_ADMIN_TOKEN=0123456789abcdef"}
	values := func(c *Config) map[string]string {
		all := map[string]string{}
		for _, s := range c.Settings() {
			all[s.Key.Name] = s.Value
		}
		return all
	}
	text := example(t)
	c := load(t, text, secrets...)
	got := values(c)
	for name, want := range exampleGiven {
		if got[name] != want {
			t.Errorf("%s is %q, want %q", name, got[name], want)
		}
	}
	// The comments hold the defaults: without their marks, nothing changes.
	open := regexp.MustCompile(`(?m)^( *)#([a-z_]+: )`).ReplaceAllString(text, "$1$2")
	open, _, _ = strings.Cut(open, "\n#clients:")
	if more := values(load(t, open, secrets...)); len(more) != len(got) {
		t.Errorf("%d keys, want %d", len(more), len(got))
	} else {
		for name, want := range got {
			if more[name] != want {
				t.Errorf("%s is %q when it is given, %q by default", name, more[name], want)
			}
		}
	}
	for _, k := range Keys() {
		if !strings.Contains(text, " "+k.Env+".\n") && !strings.Contains(text, "# "+k.Env+".\n") {
			t.Errorf("%s is not explained", k.Name)
		}
	}
}

// TestExampleHasEveryList: lists of entries are comments that are YAML of ours once
// the values that have no default are put in.
func TestExampleHasEveryList(t *testing.T) {
	text := example(t)
	for _, e := range EntryLists() {
		_, list, found := strings.Cut(text, "\n#"+e.Name+":\n")
		if !found {
			t.Fatalf("%s is missing", e.Name)
		}
		for _, k := range e.Keys {
			if !regexp.MustCompile(`(?m)^#(  - |    )` + k.Name + `: `).MatchString(list) {
				t.Errorf("%s[].%s is missing", e.Name, k.Name)
			}
		}
	}
}
