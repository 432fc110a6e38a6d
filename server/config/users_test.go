package config

import (
	"slices"
	"strings"
	"testing"
)

// TestServerUIDs turns names and numbers of users into numbers.
func TestServerUIDs(t *testing.T) {
	for given, want := range map[string][]int{"": nil, "root": {0}, "root,4711,0": {0, 4711, 0}} {
		c, err := Load(write(t, "proxy.yaml", minimal), []string{"S3CP_MEMKEY_SERVER_USERS=" + given})
		if err != nil {
			t.Fatal(err)
		}
		if got, err := c.ServerUIDs(); err != nil || !slices.Equal(got, want) {
			t.Errorf("%q: %v, %v; want %v", given, got, err, want)
		}
	}
	c, err := Load(write(t, "proxy.yaml", minimal+"memkey: {server_users: [root, nobody-is-called-this]}\n"), nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.ServerUIDs(); err == nil || !strings.Contains(err.Error(), `memkey.server_users: there is no user "nobody-is-called-this"`) {
		t.Error(err)
	}
	for _, bad := range []string{"a b", "-x", "a:b", strings.Repeat("u", 33), "../x"} {
		if _, err := Load(write(t, "proxy.yaml", minimal), []string{"S3CP_MEMKEY_SERVER_USERS=" + bad}); err == nil {
			t.Errorf("%q is a user", bad)
		}
	}
}
