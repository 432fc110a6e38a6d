package config

import (
	"errors"
	"regexp"
	"strings"
)

// Client is a key pair that clients sign with, and what may be done with it.
type Client struct {
	Name          string // in metrics and logs; "" for the one of the section client
	AccessKey     string
	SecretKey     Secret
	SecretKeyFile string
	Access        string   // AccessReadWrite, AccessReadOnly or AccessAppendOnly
	Verbs         []string // of what Access allows, these operations alone; empty = all
	Buckets       []string // empty = all allowed buckets
	Prefixes      []string // empty = all keys
}

// What a client may do at most.
const (
	AccessReadWrite  = "read-write"
	AccessReadOnly   = "read-only"
	AccessAppendOnly = "append-only"
)

// SectionName is the name, in metrics and logs, of the client of the section client.
const SectionName = "client"

// AllClients are the client of the section client, if there is one, and the list's.
func (c *Config) AllClients() []Client {
	var all []Client
	if c.Client.AccessKey != "" {
		one := c.Client
		one.Name, one.Access = SectionName, AccessReadWrite
		all = append(all, one)
	}
	return append(all, c.Clients...)
}

func clientEntries() EntryList {
	at := func(c *Config) *Client { return last(c.Clients) }
	return EntryList{
		Name: "clients", Max: maxClients,
		Doc: "Further credentials for clients, each with what may be done with it. They stand beside the section client, or in place of it.",
		Keys: []Key{
			{
				Name: "name", Kind: Text, Required: true, Allowed: "1 to 64 letters, digits, dots, hyphens and underscores, beginning with a letter or digit",
				Doc:  "What metrics and logs call it. Not client, which is the section's, and not none.",
				bind: text(func(c *Config) *string { return &at(c).Name }, checkClientName),
			},
			{
				Name: "access_key", Kind: Text, Required: true, Private: true, Allowed: "printable ASCII without spaces, / and ,",
				Doc:  "The access key; no other client has it.",
				bind: text(func(c *Config) *string { return &at(c).AccessKey }, checkAccessKey),
			},
			{
				Name: "secret_key", Kind: Password, Required: true, Allowed: wantSecret,
				Doc:  "Its secret key.",
				bind: secret(func(c *Config) *Secret { return &at(c).SecretKey }, nil),
			},
			{
				Name: "secret_key_file", Kind: Text, FileFor: "secret_key", Allowed: wantPath,
				Doc:  "A file that holds secret_key; one line break at its end is dropped.",
				bind: text(func(c *Config) *string { return &at(c).SecretKeyFile }, nil),
			},
			{
				Name: "access", Kind: Text, Default: AccessReadWrite, Allowed: AccessReadWrite + ", " + AccessReadOnly + " or " + AccessAppendOnly,
				Doc:  "read-write = everything; read-only = list and read; append-only = list, read, and create what is not there, but never overwrite or delete, which is what a machine should have that sends backups.",
				bind: choice(func(c *Config) *string { return &at(c).Access }, AccessReadWrite, AccessReadOnly, AccessAppendOnly),
			},
			{
				Name: "verbs", Kind: List, Allowed: "names of S3 operations, like PutObject, that access and prefixes allow",
				Doc:  "Of what access allows, these operations alone; empty = all of it. To copy an object takes GetObject too.",
				bind: list(func(c *Config) *[]string { return &at(c).Verbs }, checkVerb),
			},
			{
				Name: "buckets", Kind: List, Allowed: "bucket names of 3 to 63 lower-case letters, digits, dots and hyphens",
				Doc:  "The buckets it may use, by their whole names; empty = all that allowed_buckets permits.",
				bind: list(func(c *Config) *[]string { return &at(c).Buckets }, checkBucket),
			},
			{
				Name: "prefixes", Kind: List, Allowed: "beginnings of keys, 1 to 1024 bytes each",
				Doc:  "What its keys begin with; empty = anything. Listings must ask for a prefix within these, and settings of whole buckets are out of reach.",
				bind: list(func(c *Config) *[]string { return &at(c).Prefixes }, checkPrefix),
			},
		},
		label: func(c *Config) string { return at(c).Name },
		grow:  func(c *Config) { c.Clients = append(c.Clients, Client{}) },
		only: func(c *Config, i int) (*Config, bool) {
			clients, ok := from(c.Clients, i)
			return &Config{Clients: clients}, ok
		},
	}
}

var clientName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$`)

func checkClientName(v string) error {
	switch {
	case v == SectionName || v == "none":
		return errors.New("this name is taken")
	case !clientName.MatchString(v) && v != "": // Required says the latter better
		return errNotAllowed
	}
	return nil
}

var verb = regexp.MustCompile(`^[A-Z][A-Za-z0-9]{2,63}$`)

func checkVerb(v string) error {
	if !verb.MatchString(v) {
		return errNotAllowed
	}
	return nil
}

func checkPrefix(v string) error {
	if v == "" || len(v) > maxPrefix || strings.ContainsFunc(v, func(r rune) bool { return r < ' ' || r == 0x7f || r == 0xFFFD }) {
		return errNotAllowed
	}
	return nil
}

// compareClients reports clients that are good each but not together.
func (l *loader) compareClients() {
	c := l.config
	allowed := make(map[string]bool, len(c.AllowedBuckets))
	for _, b := range c.AllowedBuckets {
		allowed[b] = true
	}
	names := map[string]bool{}
	keys := map[string]string{} // access key to name
	if c.Client.AccessKey != "" {
		keys[c.Client.AccessKey] = "the section client"
	}
	for i, x := range c.Clients {
		if x.Name != "" && names[x.Name] {
			l.fail(entryKey("clients", i, "name"), shown(x.Name), "another entry has this name")
		}
		names[x.Name] = true
		if other, dup := keys[x.AccessKey]; dup && x.AccessKey != "" {
			l.fail(entryKey("clients", i, "access_key"), "", "it is also the access key of "+other)
		}
		keys[x.AccessKey] = x.Name
		for _, b := range x.Buckets {
			if len(allowed) > 0 && !allowed[b] {
				l.fail(entryKey("clients", i, "buckets"), "", b+" is not among allowed_buckets")
			}
		}
	}
}

// RefuseUselessVerbs holds every name of an operation to the operations there are, and to
// those that its client can do at all, which reaches says: one without effect is a
// mistake. The error is of type Problems.
func (c *Config) RefuseUselessVerbs(operations []string, reaches func(x Client, verb string) bool) error {
	known := make(map[string]bool, len(operations))
	for _, op := range operations {
		known[op] = true
	}
	var problems Problems
	for i, x := range c.Clients {
		key := entryKey("clients", i, "verbs")
		for _, v := range x.Verbs {
			if known[v] && reaches(x, v) {
				continue
			}
			o := c.origins[key]
			p := Problem{File: o.File, Line: o.Line, Key: key, Why: shown(v) + " is no operation of the proxy"}
			if known[v] {
				p.Why = v + " is not within access: " + x.Access
				if len(x.Prefixes) > 0 {
					p.Why += " with prefixes"
				}
				p.Why += ", so it would have no effect"
			} else if meant := nearest(v, operations); meant != "" {
				p.Hint = "did you mean " + meant + "?"
			}
			problems = append(problems, p)
		}
	}
	if len(problems) > 0 {
		return problems
	}
	return nil
}
