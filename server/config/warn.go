package config

import (
	"fmt"
	"net"
	"net/url"
	"strings"
)

// warn collects what is allowed but should be seen.
func (l *loader) warn() {
	c := l.config
	add := func(key, format string, args ...any) {
		c.Warnings = append(c.Warnings, key+": "+fmt.Sprintf(format, args...))
	}
	if c.TLS.Mode == TLSOff && !loopback(c.ListenAddr) {
		add("tls.mode", "TLS is off while listen_addr %s can be reached from other machines: contents cross the network in the clear, and PBS, which speaks HTTPS only, cannot connect; set tls.auto: true", c.ListenAddr)
	}
	if c.TLS.Mode != TLSFiles && c.TLS.CertFile != "" {
		add("tls.cert_file", "not used, because tls.mode is %s", c.TLS.Mode)
	}
	if !loopback(c.AdminListenAddr) {
		add("admin_listen_addr", "%s can be reached from other machines, without TLS: the token crosses the network in the clear", c.AdminListenAddr)
	}
	if c.Backend.InsecureSkipVerify {
		add("backend.insecure_skip_verify", "the backend's certificate is not checked; prefer backend.ca_file")
	}
	if u, err := url.Parse(c.Backend.Endpoint); err == nil && u.Scheme == "http" && !loopback(net.JoinHostPort(u.Hostname(), "0")) {
		add("backend.endpoint", "plain HTTP: object names cross the network in the clear, and answers can be forged")
	}
	if c.Backend.ConditionalWrites == ConditionsEmulated {
		add("backend.conditional_writes", "on a backend that ignores conditions, a write through another proxy, or past the proxy, between this proxy's look and its write is overwritten")
	}
	if n := Size(c.Backend.MultipartThreads) * threadBytes; c.Backend.MultipartThreads > 1 && n > c.Pipeline.Budget/2 {
		add("backend.multipart_threads", "%d threads take %s, and they get no more than half of pipeline.budget, %s: one transfer alone has fewer", c.Backend.MultipartThreads, n, c.Pipeline.Budget)
	}
	if n := len(c.Admin.Token.Reveal()); n < shortToken {
		add("admin.token", "it has fewer than %d characters; `openssl rand -hex 24` makes a good one", shortToken)
	}
	weak := func(key string, s Secret) {
		if n := len(s.Reveal()); s.IsSet() && n < shortSecret {
			add(key, "it has %d characters, and whoever sees one signed request can try guesses at it for ever; AWS's have 40: `openssl rand -hex 20` makes a good one", n)
		}
	}
	weak("client.secret_key", c.Client.SecretKey)
	for i, x := range c.Clients {
		weak(entryKey("clients", i, "secret_key"), x.SecretKey)
	}
	if c.Limits.IdleTimeout <= pbsReuse {
		add("limits.idle_timeout", "%v is not above the %v for which PBS uses a connection again: uploads will fail on closed connections", c.Limits.IdleTimeout, pbsReuse)
	}
	for _, key := range []string{"memkey.poll_interval", "memkey.insecure_skip_verify"} {
		if _, ok := l.given[key]; ok {
			add(key, "it has no effect any more; take it out")
		}
	}
	for i, x := range c.Clients {
		for _, p := range x.Prefixes {
			if !strings.HasSuffix(p, "/") {
				add(entryKey("clients", i, "prefixes"), "%s does not end with a slash: it also covers names that go on otherwise, like %s", shown(p), shown(p+"2"))
			}
		}
	}
	l.warnPublic(add)
}

// warnPublic warns of secrets in files that every user can read.
func (l *loader) warnPublic(add func(key, format string, args ...any)) {
	byKey := make(map[string]string)
	for _, k := range l.keys {
		if k.FileFor != "" {
			byKey[k.FileFor] = k.bind.get(l.config)[0]
		}
	}
	byKey["tls.key_file"] = l.config.TLS.KeyFile
	for _, k := range l.keys {
		path := byKey[k.Name]
		if k.Secret() && path == "" {
			path = l.given[k.Name].origin.File
		}
		if (k.Secret() || k.Name == "tls.key_file") && path != "" && publicFile(path) {
			add(k.Name, "%s can be read by every user of this machine; chmod 600", path)
		}
	}
}
