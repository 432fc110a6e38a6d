package rig

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// settings are the values the proxy will have, after its environment had its say.
type settings struct {
	listen, admin, token string
	client               Credentials
	tls                  bool
}

// settle applies S3CP_* variables to cfg as the proxy will.
func settle(cfg ProxyConfig) settings {
	env := func(name, value string) string {
		if v, ok := os.LookupEnv("S3CP_" + name); ok {
			return v
		}
		return value
	}
	s := settings{
		listen: env("LISTEN_ADDR", cfg.Listen),
		admin:  env("ADMIN_LISTEN_ADDR", cfg.Admin),
		token:  env("ADMIN_TOKEN", orDefault(cfg.AdminToken, randomName(40))),
		client: cfg.Client,
	}
	if s.client == (Credentials{}) {
		s.client = newCredentials("PROXY")
	}
	s.client.AccessKey = env("CLIENT_ACCESS_KEY", s.client.AccessKey)
	s.client.SecretKey = env("CLIENT_SECRET_KEY", s.client.SecretKey)
	mode := "auto"
	if cfg.PlainHTTP {
		mode = "off"
	}
	switch mode = env("TLS", mode); mode {
	case "":
		s.tls = env("TLS_CERT", "") != "" || env("TLS_AUTO", "") == "true"
	default:
		s.tls = mode != "off"
	}
	return s
}

// bucketsOf are the buckets the proxy will be told to allow: $S3CP_ALLOWED_BUCKETS, else chosen, else one. An empty
// variable allows every bucket; chosen are there for it to have some.
func bucketsOf(chosen []string) []string {
	var names []string
	for n := range strings.SplitSeq(os.Getenv("S3CP_ALLOWED_BUCKETS"), ",") {
		if n = strings.TrimSpace(n); n != "" {
			names = append(names, n)
		}
	}
	switch {
	case len(names) > 0:
		return names
	case len(chosen) > 0:
		return chosen
	}
	return []string{"backups"}
}

// environ is the proxy's environment: ours, but the addresses are those with their ports chosen, and the rig's own
// variable is left out.
func (s settings) environ() []string {
	var env []string
	for _, kv := range os.Environ() {
		switch name, _, _ := strings.Cut(kv, "="); name {
		case "S3CP_BIN", "S3CP_LISTEN_ADDR", "S3CP_ADMIN_LISTEN_ADDR":
		default:
			env = append(env, kv)
		}
	}
	return env
}

// yaml renders the configuration file.
func (s settings) yaml(cfg ProxyConfig) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("listen_addr: %q", s.listen)
	line("admin_listen_addr: %q", s.admin)
	line("log_level: info")
	line("shutdown_timeout: 5s")
	line("backend:")
	line("  endpoint: %q", cfg.Backend)
	line("  region: %q", cfg.Region)
	line("  access_key: %q", cfg.BackendKey.AccessKey)
	line("  secret_key: %q", cfg.BackendKey.SecretKey)
	line("  path_style: true")
	if cfg.BackendCA != "" {
		line("  ca_file: %q", cfg.BackendCA)
	}
	if cfg.Threads > 0 {
		line("  multipart_threads: %d", cfg.Threads)
	}
	line("client:")
	line("  access_key: %q", s.client.AccessKey)
	line("  secret_key: %q", s.client.SecretKey)
	line("admin:")
	line("  token: %q", s.token)
	line("memkey:")
	line("  socket_path: %q", cfg.Socket)
	if cfg.Mode != "" {
		line("  mode: %q", cfg.Mode)
	}
	line("tls:")
	if cfg.PlainHTTP {
		line("  mode: \"off\"")
	} else {
		line("  mode: \"auto\"")
		line("  dir: %q", filepath.Join(cfg.Dir, "tls"))
	}
	if len(cfg.Buckets) > 0 {
		line("allowed_buckets:")
		for _, name := range cfg.Buckets {
			line("  - %q", name)
		}
	}
	b.WriteString(cfg.Extra)
	return []byte(b.String())
}
