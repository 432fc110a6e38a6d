package config

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const twoClients = `clients:
  - name: backup-1
    access_key: BACKUPKEY
    secret_key: backup-secret-text
    access: append-only
    buckets: [bkt-1, bkt-2]
    prefixes: ["host,1/"]
  - name: reader
    access_key: READERKEY
    secret_key: reader-secret-text
    access: read-only
    verbs:
      - GetObject
      - ListObjectsV2
`

// noSection is minimal without the section client.
var noSection = regexp.MustCompile(`(?m)^client:\n(  .*\n)*`).ReplaceAllString(minimal, "")

// TestEntryTables holds the keys of entries to the rules of the table.
func TestEntryTables(t *testing.T) {
	lists := map[string]bool{}
	for _, e := range EntryLists() {
		if lists[e.Name] || e.Max < 1 || !strings.HasSuffix(e.Doc, ".") || e.grow == nil || e.only == nil || len(e.Keys) == 0 {
			t.Errorf("%s: given twice, or incomplete", e.Name)
		}
		lists[e.Name] = true
		if first := e.Keys[0]; !first.Required || first.Secret() {
			t.Errorf("%s: the first key cannot begin every entry", e.Name)
		}
		names := map[string]bool{}
		for _, k := range e.Keys {
			if names[k.Name] || k.Env != "" || k.Kind == "" || k.Allowed == "" || !strings.HasSuffix(k.Doc, ".") || k.bind.set == nil || k.bind.get == nil {
				t.Errorf("%s.%s: given twice, or incomplete", e.Name, k.Name)
			}
			names[k.Name] = true
			if k.FileFor != "" && k.Name != k.FileFor+"_file" {
				t.Errorf("%s.%s: should be %s_file", e.Name, k.Name, k.FileFor)
			}
			if k.Secret() && e.label == nil {
				t.Errorf("%s.%s: a secret without a name for its systemd credential", e.Name, k.Name)
			}
			if k.Secret() && (e.Name != "clients" || k.Name != "secret_key") || k.FileFor != "" && k.FileFor != "secret_key" {
				t.Errorf("%s.%s: a secret, or a file, that this test does not know", e.Name, k.Name)
			}
		}
		for _, k := range Keys() {
			if k.Name == e.Name || strings.HasPrefix(k.Name, e.Name+".") {
				t.Errorf("%s is a key too", k.Name)
			}
		}
	}
}

func TestClientsLoad(t *testing.T) {
	c := load(t, minimal+twoClients)
	all := c.AllClients()
	if len(all) != 3 || all[0].Name != "client" || all[0].Access != AccessReadWrite || all[1].Name != "backup-1" || all[2].Name != "reader" {
		t.Fatalf("%+v", all)
	}
	one, two := c.Clients[0], c.Clients[1]
	if one.AccessKey != "BACKUPKEY" || one.SecretKey.Reveal() != "backup-secret-text" || one.Access != AccessAppendOnly ||
		!slices.Equal(one.Buckets, []string{"bkt-1", "bkt-2"}) || !slices.Equal(one.Prefixes, []string{"host,1/"}) || len(one.Verbs) != 0 {
		t.Errorf("%+v", one)
	}
	if two.Access != AccessReadOnly || !slices.Equal(two.Verbs, []string{"GetObject", "ListObjectsV2"}) || len(two.Buckets)+len(two.Prefixes) != 0 {
		t.Errorf("%+v", two)
	}
	// The list stands in the section's place, too.
	if all = load(t, noSection+twoClients).AllClients(); len(all) != 2 || all[0].Name != "backup-1" {
		t.Errorf("%+v", all)
	}
	if c := load(t, minimal+"clients: []\n"); len(c.AllClients()) != 1 {
		t.Errorf("%+v", c.Clients)
	}
	if out := fmt.Sprintf("%+v %#v %v", c, c, c.Clients); strings.Contains(out, "secret-text") {
		t.Errorf("a secret is printed: %s", out)
	}
}

func TestClientProblems(t *testing.T) {
	entry := func(more string) string {
		return minimal + "clients:\n  - name: x\n    access_key: XKEY\n    secret_key: x-secret\n" + more
	}
	for name, f := range map[string]struct{ file, want string }{
		"no list":         {minimal + "clients: x\n", "FILE:10: clients: it is not a list; want entries that begin with `- name: …`"},
		"no value":        {minimal + "clients:\n", "FILE:10: clients: it has no value; write [] for empty, or take the line out"},
		"no entry":        {minimal + "clients:\n  - x\n", "FILE:11: clients[0]: it is no entry; want `key: value` lines below one that begins with `- `"},
		"anchor":          {minimal + "clients:\n  - &a {name: x}\n", "FILE:11: clients[0]: YAML anchors and aliases are not supported; put a value that begins with & or * into quotes"},
		"misspelt list":   {minimal + "cliets:\n  - name: x\n", "FILE:10: cliets: unknown key; did you mean clients?"},
		"unknown key":     {entry("    bucket: [abc]\n"), "FILE:14: clients[0].bucket: unknown key; did you mean clients[0].buckets?"},
		"key twice":       {entry("    name: y\n"), "FILE:14: clients[0].name: it is given twice, first on line 11"},
		"bad preset":      {entry("    access: write-only\n"), `FILE:14: clients[0].access is "write-only": want read-write, read-only or append-only`},
		"bad bucket":      {entry("    buckets: [\"*\"]\n"), `FILE:14: clients[0].buckets: "*" is not allowed; want bucket names of 3 to 63 lower-case letters, digits, dots and hyphens`},
		"bucket beside":   {entry("    buckets: [abc]\n") + "allowed_buckets: [abd]\n", "FILE:14: clients[0].buckets: abc is not among allowed_buckets"},
		"bad prefix":      {entry("    prefixes: [\"\"]\n"), `FILE:14: clients[0].prefixes: "" is not allowed; want beginnings of keys, 1 to 1024 bytes each`},
		"bad name":        {minimal + "clients:\n  - name: a b\n    access_key: K\n    secret_key: s\n", `FILE:11: clients[0].name is "a b": want 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit`},
		"taken name":      {minimal + "clients:\n  - name: none\n    access_key: K\n    secret_key: s\n", `FILE:11: clients[0].name is "none": this name is taken; want 1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit`},
		"name twice":      {entry("  - name: x\n    access_key: YKEY\n    secret_key: y\n"), `FILE:14: clients[1].name is "x": another entry has this name`},
		"access key":      {entry("  - name: y\n    access_key: XKEY\n    secret_key: y\n"), "FILE:15: clients[1].access_key: it is also the access key of x"},
		"section's key":   {entry("  - name: y\n    access_key: CLIENTKEY\n    secret_key: y\n"), "FILE:15: clients[1].access_key: it is also the access key of the section client"},
		"nothing in it":   {minimal + "clients:\n  - access: read-only\n", "FILE:11: clients[0].name: it is missing\nFILE:11: clients[0].access_key: it is missing\nFILE:11: clients[0].secret_key: it is missing; give it or secret_key_file"},
		"both secrets":    {entry("    secret_key_file: /nothing\n"), "FILE:14: clients[0].secret_key_file: give either this or clients[0].secret_key"},
		"no client":       {noSection + "clients: []\n", "client.access_key: it is missing; set it in the file, or S3CP_CLIENT_ACCESS_KEY\nclient.secret_key: it is missing; set it in the file, client.secret_key_file, or S3CP_CLIENT_SECRET_KEY"},
		"half a section":  {noSection + "client: {access_key: K}\n" + twoClients, "client.secret_key: it is missing; set it in the file, client.secret_key_file, or S3CP_CLIENT_SECRET_KEY"},
		"redacted secret": {strings.Replace(entry(""), "x-secret", "redacted", 1), "FILE:13: clients[0].secret_key: `redacted` is what `check` prints in place of a secret, not a secret; put the secret itself there; want any text without line breaks and control characters"},
	} {
		path := write(t, "proxy.yaml", f.file)
		_, err := Load(path, nil)
		if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != f.want {
			t.Errorf("%s: got\n%v\nwant\n%s", name, err, f.want)
		}
	}
}

func TestUselessVerbsAreRefused(t *testing.T) {
	path := write(t, "proxy.yaml", minimal+twoClients)
	c, err := Load(path, nil)
	if err != nil {
		t.Fatal(err)
	}
	all := func(Client, string) bool { return true }
	if err := c.RefuseUselessVerbs([]string{"GetObject", "ListObjectsV2"}, all); err != nil {
		t.Error(err)
	}
	refused := func(err error, want string) {
		t.Helper()
		if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != want {
			t.Errorf("got\n%v\nwant\n%s", err, want)
		}
	}
	refused(c.RefuseUselessVerbs([]string{"GetObjects", "HeadBucket"}, all), `FILE:21: clients[1].verbs: "GetObject" is no operation of the proxy; did you mean GetObjects?`+"\n"+
		`FILE:21: clients[1].verbs: "ListObjectsV2" is no operation of the proxy; did you mean GetObjects?`)
	// One that the client's access rules out stands there without effect.
	var asked []string
	refused(c.RefuseUselessVerbs([]string{"GetObject", "ListObjectsV2"}, func(x Client, verb string) bool {
		asked = append(asked, x.Name+" "+x.Access+" "+verb)
		return verb != "GetObject"
	}), "FILE:21: clients[1].verbs: GetObject is not within access: "+c.Clients[1].Access+", so it would have no effect")
	if want := c.Clients[1].Name + " " + c.Clients[1].Access + " ListObjectsV2"; !slices.Contains(asked, want) {
		t.Errorf("asked for %v, not for %s", asked, want)
	}
}

func TestClientsDumpLoadsAgain(t *testing.T) {
	secretFile := write(t, "secret", "from-a-file\n")
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "clients.third.secret_key"), []byte("from-systemd\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	credentials := "CREDENTIALS_DIRECTORY=" + dir
	file := noSection + twoClients + "  - name: third\n    access_key: THIRD\n  - name: fourth\n    access_key: FOURTH\n    secret_key_file: " + secretFile + "\n"
	c := load(t, file, credentials)
	first := dump(t, c)
	for _, want := range []string{"\nclients:\n  - name: \"backup-1\" # ", "\n    secret_key: \"redacted\" # ", "\n    prefixes: [\"host,1/\"] # ",
		"\n    # secret_key: \"redacted\" # systemd credential clients.third.secret_key\n", "\n    secret_key_file: \"" + secretFile + "\" # "} {
		if !strings.Contains(first, want) {
			t.Errorf("the dump lacks %q:\n%s", want, first)
		}
	}
	if strings.Contains(first, "\nclient:") || strings.Contains(first, "secret-text") {
		t.Errorf("dumped: %s", first)
	}
	again := load(t, strings.ReplaceAll(first, `"redacted"`, `"a-good-long-secret-text"`), credentials)
	if a, b := values(first), values(dump(t, again)); a != b {
		t.Errorf("the dump loads to something else:\n%s\n%s", a, b)
	}
	if got := again.Clients[2].SecretKey.Reveal() + " " + again.Clients[3].SecretKey.Reveal(); got != "from-systemd from-a-file" {
		t.Errorf("other secrets: %s", got)
	}
}

func TestManualExplainsEntries(t *testing.T) {
	var b strings.Builder
	if err := WriteManual(&b); err != nil {
		t.Fatal(err)
	}
	for _, e := range EntryLists() {
		for _, k := range e.Keys {
			if !strings.Contains(b.String(), "\n"+e.Name+"[]."+k.Name+"\n    ") {
				t.Errorf("the manual lacks %s[].%s", e.Name, k.Name)
			}
		}
	}
}

func TestPrefixWithoutASlashEarnsAWarning(t *testing.T) {
	c := load(t, minimal+"clients:\n  - {name: x, access_key: K, secret_key: s, prefixes: [a/, b]}\n")
	if got := strings.Join(c.Warnings, "\n"); strings.Count(got, "clients[0].prefixes: \"b\" does not end with a slash") != 1 || strings.Contains(got, `"a/"`) {
		t.Errorf("warnings: %s", got)
	}
}
