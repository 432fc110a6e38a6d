package config

import (
	"errors"
	"net/url"
	"slices"
	"strings"
	"time"
)

// CORSRule says which pages in browsers may use the proxy.
type CORSRule struct {
	Origins []string
	Methods []string
	Headers []string
	Expose  []string
	MaxAge  time.Duration // 0 = the browser decides
}

func corsEntries() EntryList {
	at := func(c *Config) *CORSRule { return last(c.CORS) }
	return EntryList{
		Name: "cors", Max: maxCORS,
		Doc: "Which pages in browsers may use the proxy, for all buckets alike; empty = none. The first rule that is for a page's origin and method counts.",
		Keys: []Key{
			{
				Name: "origins", Kind: List, Required: true, Allowed: "scheme://host[:port], perhaps with one *, or * for every page",
				Doc:  "The pages it is for.",
				bind: list(func(c *Config) *[]string { return &at(c).Origins }, checkOrigin),
			},
			{
				Name: "methods", Kind: List, Required: true, Allowed: "GET, HEAD, PUT, POST and DELETE",
				Doc:  "The methods they may use.",
				bind: list(func(c *Config) *[]string { return &at(c).Methods }, checkMethod),
			},
			{
				Name: "headers", Kind: List, Allowed: "names of headers, perhaps with one *",
				Doc:  "The headers they may send; [\"*\"] = all.",
				bind: list(func(c *Config) *[]string { return &at(c).Headers }, func(v string) error { return checkHeaderName(strings.Replace(v, "*", "x", 1)) }),
			},
			{
				Name: "expose", Kind: List, Allowed: "names of headers",
				Doc:  "The headers of answers that they may see.",
				bind: list(func(c *Config) *[]string { return &at(c).Expose }, checkHeaderName),
			},
			{
				Name: "max_age", Kind: Duration, Default: "0s", Allowed: "0s to 24h",
				Doc:  "For how long a browser may remember what it was told; 0s = it decides.",
				bind: duration(func(c *Config) *time.Duration { return &at(c).MaxAge }, 0, 24*time.Hour),
			},
		},
		grow: func(c *Config) { c.CORS = append(c.CORS, CORSRule{}) },
		only: func(c *Config, i int) (*Config, bool) {
			rules, ok := from(c.CORS, i)
			return &Config{CORS: rules}, ok
		},
	}
}

// checkOrigin takes an origin as browsers write it (RFC 6454 section 6.1).
func checkOrigin(v string) error {
	if v == "*" {
		return nil
	}
	u, err := url.Parse(strings.Replace(v, "*", "x", 1))
	switch {
	case err != nil || u.Host == "" || u.User != nil || strings.ContainsFunc(v, func(r rune) bool { return r <= ' ' || r >= 0x7f || r == ',' }):
		return errNotAllowed
	case u.Path != "" || u.RawQuery != "" || u.ForceQuery || strings.Contains(v, "#"):
		return errors.New("an origin ends with the host or the port")
	case v != strings.ToLower(v):
		return errors.New("browsers write origins in lower case")
	case strings.Contains(u.Scheme+u.Host, "*"):
		return errNotAllowed // a second one
	}
	return nil
}

func checkMethod(v string) error {
	if !slices.Contains([]string{"GET", "HEAD", "PUT", "POST", "DELETE"}, v) {
		return errNotAllowed
	}
	return nil
}

// checkHeaderName takes a token (RFC 9110 section 5.6.2).
func checkHeaderName(v string) error {
	if v == "" || len(v) > 256 || strings.ContainsFunc(v, func(r rune) bool {
		return (r < 'a' || r > 'z') && (r < 'A' || r > 'Z') && (r < '0' || r > '9') && !strings.ContainsRune("!#$%&'+-.^_`|~", r)
	}) {
		return errNotAllowed
	}
	return nil
}
