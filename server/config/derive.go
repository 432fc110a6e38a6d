package config

import (
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// require reports every key that must not be empty and is.
func (l *loader) require() {
	for _, k := range l.keys {
		if !k.Required || l.failed[k.Name] || strings.Join(k.bind.get(l.config), "") != "" {
			continue
		}
		if k.isEntry() && l.failed[strings.TrimSuffix(k.Name, "."+k.leaf())] {
			continue // it is no entry at all
		}
		if k.Unless != "" && l.emptySection(k) {
			continue
		}
		why := "it is missing; set it in the file, or " + k.Env
		if k.isEntry() {
			why = "it is missing"
		}
		if k.Secret() {
			for _, f := range l.keys {
				if f.FileFor == k.Name {
					if l.failed[f.Name] {
						why = ""
					}
					if k.isEntry() {
						why += "; give it or " + f.leaf()
					}
					why = strings.Replace(why, ", or", ", "+f.Name+", or", 1)
				}
			}
		}
		if why != "" {
			l.fail(k.Name, "", why)
		}
	}
}

// emptySection says that nothing is set of k's section, and that the list in its
// place has entries.
func (l *loader) emptySection(k Key) bool {
	section := k.Name[:strings.IndexByte(k.Name, '.')+1]
	some := false
	for _, other := range l.keys {
		if strings.HasPrefix(other.Name, section) && (l.failed[other.Name] || strings.Join(other.bind.get(l.config), "") != "") {
			return false
		}
		some = some || other.list == k.Unless
	}
	return some
}

// derive fills what follows from other values.
func (l *loader) derive() {
	c := l.config
	if c.TLS.Mode == "" {
		switch {
		case c.TLS.CertFile != "":
			c.TLS.Mode = TLSFiles
			l.follows("tls.mode", "tls.cert_file")
		case c.TLS.KeyFile != "":
			c.TLS.Mode = TLSFiles
			l.follows("tls.mode", "tls.key_file")
		case c.TLS.Auto:
			c.TLS.Mode = TLSAuto
			l.follows("tls.mode", "tls.auto")
		default:
			c.TLS.Mode = TLSOff
			l.follows("tls.mode", "tls.auto") // an explicit false is the reason, else nothing is
		}
	}
	if c.TLS.Dir == "" {
		c.TLS.Dir = stateDir(l.env, os.Geteuid() == 0)
	}
	if _, explicit := l.given["pipeline.whole_object"]; !explicit {
		if most := c.Pipeline.Budget / wholeShare; c.Pipeline.WholeObject > most {
			c.Pipeline.WholeObject = most
			l.follows("pipeline.whole_object", "pipeline.budget")
		}
	}
}

// follows notes that the value of key was derived from that of another, wherever
// that came from; from a default, it is a default too.
func (l *loader) follows(key, from string) {
	g, ok := l.given[from]
	if !ok {
		delete(l.config.origins, key)
		return
	}
	g.origin.Derived = from
	l.config.origins[key] = g.origin
}

// stateDir is where a service keeps what it must find again: systemd says, or
// custom does (file-hierarchy(7), XDG Base Directory). "" = nowhere.
func stateDir(env map[string]string, root bool) string {
	dir, _, _ := strings.Cut(env["STATE_DIRECTORY"], ":")
	if filepath.IsAbs(dir) {
		return dir
	}
	if root {
		return "/var/lib/s3-crypt-proxy"
	}
	if dir = env["XDG_STATE_HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, "s3-crypt-proxy")
	}
	if dir = env["HOME"]; filepath.IsAbs(dir) {
		return filepath.Join(dir, ".local", "state", "s3-crypt-proxy")
	}
	return ""
}

// compare reports values that are good each but not together.
func (l *loader) compare() {
	c := l.config
	if c.Memkey.Endpoint != "" {
		l.fail("memkey.endpoint", "", "keys come only through the local socket memkey.socket_path; take this key out")
	}
	switch c.TLS.Mode {
	case TLSFiles:
		if c.TLS.CertFile == "" {
			l.fail("tls.cert_file", "", "it is missing: TLS with files needs tls.cert_file and tls.key_file")
		}
		if c.TLS.KeyFile == "" {
			l.fail("tls.key_file", "", "it is missing: TLS with files needs tls.cert_file and tls.key_file")
		}
	case TLSAuto:
		if c.TLS.Dir == "" {
			l.fail("tls.dir", "", "it is missing: a generated certificate must be kept, and there is no state directory")
		}
	}
	if c.Backend.InsecureSkipVerify && c.Backend.CAFile != "" {
		l.fail("backend.ca_file", "", "backend.insecure_skip_verify would ignore it; give one of the two")
	}
	if c.Pipeline.WholeObject > c.Pipeline.Budget {
		l.fail("pipeline.whole_object", `"`+c.Pipeline.WholeObject.String()+`"`, "it is above pipeline.budget, "+c.Pipeline.Budget.String())
	}
	if c.Encryption.BlockHint && c.Encryption.BlockSize > backend.MaxHint {
		l.fail("encryption.block_hint", "true", "a block of "+strconv.Itoa(c.Encryption.BlockSize)+" bytes, encryption.block_size, does not fit into the 2 KiB of user metadata that S3 has; the largest that does is 1024")
	}
	l.compareClients()
	if sameListener(c.ListenAddr, c.AdminListenAddr) {
		l.fail("admin_listen_addr", shown(c.AdminListenAddr), "it has the port of listen_addr, "+c.ListenAddr)
	}
}

// sameListener tells whether two addresses cannot be bound beside each other.
func sameListener(a, b string) bool {
	hostA, portA, errA := net.SplitHostPort(a)
	hostB, portB, errB := net.SplitHostPort(b)
	if errA != nil || errB != nil || portA != portB || portA == "0" {
		return false
	}
	all := func(host string) bool { return host == "" || host == "0.0.0.0" || host == "::" }
	return hostA == hostB || all(hostA) || all(hostB)
}
