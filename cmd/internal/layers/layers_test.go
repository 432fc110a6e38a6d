// Package layers holds no code: its test says who may import whom.
package layers

import (
	"encoding/json"
	"io"
	"os/exec"
	"strings"
	"testing"
)

const module = "github.com/s3-crypt-proxy/s3-crypt-proxy/"

// edge is one allowed import between our own packages, and why.
type edge struct{ from, to, why string }

// edges is the whole house plan. A missing edge is a wall, not an oversight.
var edges = []edge{
	{"cmd/s3-crypt-proxy", "server", "the binary runs the front"},
	{"cmd/s3-crypt-proxy", "server/admin", "and the operators' listener"},
	{"cmd/s3-crypt-proxy", "server/backend", "it makes the store's client from the configuration"},
	{"cmd/s3-crypt-proxy", "server/certificate", "it makes the listener's TLS"},
	{"cmd/s3-crypt-proxy", "server/config", "it reads the configuration"},
	{"cmd/s3-crypt-proxy", "server/probe", "check tries the backend"},
	{"server/probe", "format", "names of the proxy's own"},
	{"server/probe", "server/backend", "the store's types and faults"},
	{"cmd/s3-crypt-proxy", "pipeline", "it makes the one engine"},
	{"cmd/s3-crypt-proxy", "pipeline/hashing", "and the one that hashes"},
	{"cmd/s3-crypt-proxy", "keyagent", "it receives the keys"},
	{"cmd/s3-crypt-proxy", "keyagent/remote", "or asks for what is derived of them"},
	{"cmd/s3-crypt-proxy", "format", "it turns received masters into a keyring"},
	{"cmd/s3-crypt-proxy", "cmd/internal/systemd", "readiness, watchdog, sockets"},
	{"cmd/memkey-server", "cmd/internal/systemd", "readiness, watchdog"},
	{"server", "format", "requests meet bytes at rest"},
	{"server", "pipeline", "requests meet bytes in motion"},
	{"server", "pipeline/hashing", "the digests of bodies"},
	{"server", "server/admin", "it reports readiness in admin's form"},
	{"cmd/s3-crypt-proxy", "server/metric", "figures that only the binary knows"},
	{"server", "server/metric", "histograms, and what each figure tells"},
	{"server/admin", "server/metric", "quantiles for the dashboard"},
	{"server", "server/backend", "the store's types and faults"},
	{"server", "server/s3err", "the one error table"},
	{"server", "server/sigv4", "authentication"},
	{"server/backend", "server/sigv4", "one canonical form, for what is verified and for reads that are signed"},
	{"server/config", "format", "it checks the cipher's name and the block size"},
	{"server/config", "pipeline/hashing", "it checks the kernel's name"},
	{"server/config", "server/backend", "it checks that a block fits beside an object"},
	{"cmd/memkey-server", "keyagent", "it holds the ring and serves it to proxies"},
	{"cmd/memkey-server", "keyagent/audit", "it opens and verifies the log"},
	{"cmd/memkey-server", "keyagent/memkey", "it answers administrators"},
	{"cmd/memkey-server", "keyagent/remote", "it derives for proxies that hold no master"},
	{"cmd/memkey-server", "keyagent/vault", "it decides what a delivery may do"},
	{"cmd/memkey-admin", "keyagent", "keys in locked memory"},
	{"cmd/memkey-admin", "keyagent/keyfile", "the administrator's sealed files"},
	{"cmd/memkey-admin", "keyagent/memkey", "it delivers"},
	{"cmd/memkey-admin", "keyagent/paper", "printed sheets"},
	{"cmd/memkey-admin", "keyagent/shares", "k of n"},
	{"cmd/s3-crypt", "format", "it reads what an object is sealed under"},
	{"cmd/s3-crypt", "keyagent", "it gets the ring of this host"},
	{"cmd/s3-crypt", "server/backend", "it works on the store itself"},
	{"cmd/s3-crypt", "server/config", "the proxy's own configuration names the store"},
	{"cmd/s3-crypt", "server/rewrap", "rotation of stored objects"},
	{"cmd/s3-crypt-proxy", "keyagent/export", "it derives from the masters it received"},
	{"cmd/s3-crypt", "keyagent/export", "it derives from the masters it received"},
	{"keyagent/export", "format", "what is derived of a master"},
	{"keyagent/export", "keyagent", "rings of masters"},
	{"keyagent/audit", "format", "key ids in the log"},
	{"keyagent/keyfile", "format", "ids and verification tags of keys"},
	{"keyagent/keyfile", "keyagent", "masters in locked memory"},
	{"keyagent/keyfile", "keyagent/memkey", "a key ring file becomes a package, an identity signs"},
	{"keyagent/memkey", "format", "ids and verification tags travel with a key"},
	{"keyagent/memkey", "keyagent", "masters in locked memory"},
	{"keyagent/paper", "format", "the check is made of the verification tag"},
	{"keyagent/paper", "keyagent", "masters in locked memory"},
	{"keyagent/paper", "keyagent/shares", "sheets of shares"},
	{"keyagent/remote", "format", "what is derived of a master"},
	{"keyagent/remote", "keyagent", "the socket it is asked through"},
	{"keyagent/shares", "format", "ids and verification tags of keys"},
	{"keyagent/shares", "keyagent", "masters in locked memory"},
	{"keyagent/vault", "format", "it recomputes ids and verification tags"},
	{"keyagent/vault", "keyagent", "it loads the holder"},
	{"keyagent/vault", "keyagent/audit", "every decision is logged"},
	{"keyagent/vault", "keyagent/memkey", "it answers verified requests"},
	{"keyagent/vault", "keyagent/shares", "k of n"},
	{"server", "server/reblock", "copies put a body behind a new block"},
	{"server/reblock", "format", "the new block"},
	{"server/reblock", "server/backend", "the store's types and faults"},
	{"server/rewrap", "format", "which key an object is under"},
	{"server/rewrap", "server/backend", "the store's types and faults"},
	{"server/rewrap", "server/reblock", "a body behind a new block"},
}

// forbidden is what the three feet must not link directly, and why.
var forbidden = []edge{
	{"format", "io", "bytes in, bytes out"},
	{"format", "net", "no I/O"},
	{"format", "net/http", "no I/O"},
	{"format", "os", "no I/O"},
	{"format", "context", "nothing here waits"},
	{"format", "sync", "nothing here is shared"},
	{"pipeline", "net/http", "bytes in motion, whatever carries them"},
	{"pipeline", "crypto/cipher", "it sees the format through two small interfaces"},
	{"server/sigv4", "github.com/valyala/fasthttp", "verification is of bytes, not of a server"},
}

type pkg struct {
	ImportPath string
	Imports    []string
}

func list(t *testing.T) []pkg {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=ImportPath,Imports", module+"...")
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("cannot list the packages: %v", err)
	}
	var pkgs []pkg
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p pkg
		if err := d.Decode(&p); err == io.EOF {
			return pkgs
		} else if err != nil {
			t.Fatal(err)
		}
		pkgs = append(pkgs, p)
	}
}

func TestOnlyAllowedEdges(t *testing.T) {
	allowed := map[[2]string]bool{}
	for _, e := range edges {
		if e.why == "" {
			t.Errorf("%s -> %s has no reason", e.from, e.to)
		}
		allowed[[2]string{e.from, e.to}] = false
	}
	seen := 0
	for _, p := range list(t) {
		from := strings.TrimPrefix(p.ImportPath, module)
		for _, imp := range p.Imports {
			to, ours := strings.CutPrefix(imp, module)
			if !ours || strings.HasPrefix(to, from+"/internal/") {
				continue
			}
			if strings.HasPrefix(from, "bench/") {
				// bench drives everything, except the binaries, which it starts.
				if strings.HasPrefix(to, "cmd/") {
					t.Errorf("%s imports %s: bench starts binaries, it does not link them", from, to)
				}
				continue
			}
			if _, ok := allowed[[2]string{from, to}]; !ok {
				t.Errorf("%s imports %s: no such edge in the house plan", from, to)
				continue
			}
			allowed[[2]string{from, to}] = true
			seen++
		}
	}
	if seen == 0 {
		t.Fatal("no edge seen: the test looked at nothing")
	}
	for e, used := range allowed {
		if !used {
			t.Errorf("the edge %s -> %s is allowed but not used: take it out", e[0], e[1])
		}
	}
}

func TestFeetLinkNothingHeavy(t *testing.T) {
	imports := map[string][]string{}
	for _, p := range list(t) {
		imports[strings.TrimPrefix(p.ImportPath, module)] = p.Imports
	}
	for _, f := range forbidden {
		list, ok := imports[f.from]
		if !ok {
			t.Errorf("package %s is gone: mend this table", f.from)
		}
		for _, imp := range list {
			if imp == f.to {
				t.Errorf("%s imports %s: %s", f.from, f.to, f.why)
			}
		}
	}
}
