package server

import (
	"errors"
	"fmt"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// Credential is a key pair a client signs with, and what it may do with it.
type Credential struct {
	Name      string // its label in metrics and logs; empty = "client"
	AccessKey string
	SecretKey string
	Grant     Grant
}

// String prints the access key only.
func (c Credential) String() string { return c.AccessKey + ":redacted" }

// GoString prints the access key only.
func (c Credential) GoString() string { return c.String() }

// client is one credential in force.
type client struct {
	name  string
	grant *grant
}

// nobody is the label of requests that no credential proved.
const nobody = "none"

// clients is every credential in force at one time; not changed. A request is
// verified and judged by the same one, whatever is set meanwhile.
type clients struct {
	verifier *sigv4.Verifier
	secrets  map[string]string  // by access key
	byKey    map[string]*client // the same
}

// newClients checks the credentials; the error names the bad one, and no secret.
func newClients(list []Credential, region string, now func() time.Time) (*clients, error) {
	if len(list) == 0 {
		return nil, errors.New("field Credentials is empty")
	}
	c := &clients{secrets: make(map[string]string, len(list)), byKey: make(map[string]*client, len(list))}
	names := make(map[string]bool, len(list))
	for _, cred := range list {
		name := orDefault(cred.Name, "client")
		if cred.AccessKey == "" || cred.SecretKey == "" {
			return nil, fmt.Errorf("field Credentials: %s has an empty key", name)
		}
		if other, dup := c.byKey[cred.AccessKey]; dup {
			return nil, fmt.Errorf("field Credentials: %s and %s have one access key", other.name, name)
		}
		if names[name] || name == nobody {
			return nil, fmt.Errorf("field Credentials: the name %s is taken", name)
		}
		g, err := cred.Grant.compile()
		if err != nil {
			return nil, fmt.Errorf("field Credentials: %s: %w", name, err)
		}
		names[name] = true
		c.secrets[cred.AccessKey] = cred.SecretKey
		c.byKey[cred.AccessKey] = &client{name: name, grant: g}
	}
	c.verifier = sigv4.New(sigv4.Config{
		Lookup: func(k string) (string, bool) { v, ok := c.secrets[k]; return v, ok },
		Region: region,
		Now:    now,
	})
	return c, nil
}
