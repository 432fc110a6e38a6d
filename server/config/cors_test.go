package config

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const twoRules = `cors:
  - origins: ["https://app.example.com", "https://*.example.org:8443"]
    methods: [GET, PUT]
    headers: ["x-amz-*", "*"]
    expose: [ETag]
    max_age: 10m
  - origins: ["*"]
    methods: [GET]
`

func TestRulesLoad(t *testing.T) {
	c := load(t, minimal+twoRules+twoClients)
	if len(c.CORS) != 2 || len(c.Clients) != 2 {
		t.Fatalf("%+v", c.CORS)
	}
	one, two := c.CORS[0], c.CORS[1]
	if !slices.Equal(one.Origins, []string{"https://app.example.com", "https://*.example.org:8443"}) || !slices.Equal(one.Methods, []string{"GET", "PUT"}) ||
		!slices.Equal(one.Headers, []string{"x-amz-*", "*"}) || !slices.Equal(one.Expose, []string{"ETag"}) || one.MaxAge != 10*time.Minute {
		t.Errorf("%+v", one)
	}
	if !slices.Equal(two.Origins, []string{"*"}) || len(two.Headers)+len(two.Expose) != 0 || two.MaxAge != 0 {
		t.Errorf("%+v", two)
	}
	first := dump(t, c)
	again := load(t, strings.ReplaceAll(first, `"redacted"`, `"a-good-long-secret-text"`))
	if a, b := values(first), values(dump(t, again)); a != b || !strings.Contains(a, "cors:\n  - origins: [\"https://app.example.com\", ") {
		t.Errorf("the dump loads to something else:\n%s\n%s", a, b)
	}
}

func TestRuleProblems(t *testing.T) {
	for rule, want := range map[string]string{
		"{methods: [GET]}":                                            "FILE:11: cors[0].origins: it is missing",
		"{origins: [], methods: [GET]}":                               "FILE:11: cors[0].origins: it is missing",
		"{origins: [\"*\"]}":                                          "FILE:11: cors[0].methods: it is missing",
		"{origins: [\"*\"], methods: [get]}":                          `FILE:11: cors[0].methods: "get" is not allowed; want GET, HEAD, PUT, POST and DELETE`,
		"{origins: [\"https://a/\"], methods: [GET]}":                 `FILE:11: cors[0].origins: "https://a/": an origin ends with the host or the port; want scheme://host[:port], perhaps with one *, or * for every page`,
		"{origins: [\"https://A\"], methods: [GET]}":                  `FILE:11: cors[0].origins: "https://A": browsers write origins in lower case; want scheme://host[:port], perhaps with one *, or * for every page`,
		"{origins: [\"https://*.*\"], methods: [GET]}":                `FILE:11: cors[0].origins: "https://*.*" is not allowed; want scheme://host[:port], perhaps with one *, or * for every page`,
		"{origins: [a.example], methods: [GET]}":                      `FILE:11: cors[0].origins: "a.example" is not allowed; want scheme://host[:port], perhaps with one *, or * for every page`,
		"{origins: [\"*\"], methods: [GET], expose: [\"a b\"]}":       `FILE:11: cors[0].expose: "a b" is not allowed; want names of headers`,
		"{origins: [\"*\"], methods: [GET], headers: [\"x-*-*\"]}":    `FILE:11: cors[0].headers: "x-*-*" is not allowed; want names of headers, perhaps with one *`,
		"{origins: [\"*\"], methods: [GET], max_age: 25h}":            `FILE:11: cors[0].max_age is "25h": want 0s to 24h`,
		"{origins: [\"*\"], methods: [GET], allow_credentials: true}": "FILE:11: cors[0].allow_credentials: unknown key",
	} {
		path := write(t, "proxy.yaml", minimal+"cors:\n  - "+rule+"\n")
		_, err := Load(path, nil)
		if err == nil || strings.ReplaceAll(err.Error(), path, "FILE") != want {
			t.Errorf("%s: got\n%v\nwant\n%s", rule, err, want)
		}
	}
}
