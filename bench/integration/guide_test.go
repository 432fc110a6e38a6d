//go:build integration

package integration

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/keyfile"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/paper"
)

// TestKeysGuide runs every command of docs/keys.md, in order, on real processes:
// memkey-server, memkey-admin, s3-crypt, a proxy and a real S3 server. What it
// replaces is said in the preamble below: where files lie, systemd, and the
// terminal that asks for a passphrase.
func TestKeysGuide(t *testing.T) {
	t.Parallel()
	g := newGuide(t)
	for _, b := range guideBlocks(t) {
		t.Run(b.section+"/"+b.who, func(t *testing.T) {
			g.run(t, b)
			if t.Failed() {
				t.FailNow()
			}
		})
		if t.Failed() {
			return
		}
	}
	g.checkEnd(t)
}

// block is one fenced block of the guide: ```sh WHO.
type block struct{ section, who, text string }

func guideBlocks(t *testing.T) (blocks []block) {
	t.Helper()
	text, err := os.ReadFile("../../docs/keys.md")
	must(t, err)
	section := ""
	var open *block
	for line := range strings.Lines(string(text)) {
		switch trimmed := strings.TrimSpace(line); {
		case open == nil && strings.HasPrefix(trimmed, "## "):
			section = trimmed[3:]
		case open == nil && strings.HasPrefix(trimmed, "```"):
			who, ok := strings.CutPrefix(trimmed, "```sh ")
			if !ok {
				t.Fatalf("%s: a block that no test runs: %s", section, trimmed)
			}
			open = &block{section: section, who: who}
		case open != nil && trimmed == "```":
			blocks = append(blocks, *open)
			open = nil
		case open != nil:
			open.text += line
		}
	}
	if len(blocks) < 15 {
		t.Fatalf("only %d blocks found", len(blocks))
	}
	return blocks
}

// guide is the world the commands run in.
type guide struct {
	dir     string // server/, and a home for each workstation
	proxy   *rig.Proxy
	client  *pbs.Client
	bodies  map[string][]byte
	address string // of memkey-server
	ran     int
}

const guidePassphrase = "correct horse battery staple\n"

func newGuide(t *testing.T) *guide {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "s3cp-guide-") // a Unix socket's path must be short
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	g := &guide{dir: dir, bodies: map[string][]byte{}}
	server := filepath.Join(dir, "server")
	must(t, os.MkdirAll(filepath.Join(server, "run"), 0o700))
	g.address = held(t)
	must(t, os.WriteFile(filepath.Join(dir, "passphrase"), []byte(guidePassphrase), 0o600))
	socket := filepath.Join(server, "run", "memkey.sock")
	must(t, os.WriteFile(filepath.Join(server, "memkey.yaml"), []byte(fmt.Sprintf(
		"server:\n  listen_addr: %s\n  unix_socket_path: %s\nstate_dir: %s\nlog_level: debug\n", g.address, socket, filepath.Join(server, "state"))), 0o600))
	must(t, os.MkdirAll(filepath.Join(server, "state"), 0o700))
	b, err := rig.StartVersitygw(ctx, rig.BackendConfig{Dir: dir, Bucket: bucket})
	must(t, err)
	t.Cleanup(func() { check(t, b.Stop()) })
	g.proxy, err = rig.StartProxy(ctx, rig.ProxyConfig{Dir: server, Backend: b.Endpoint(), BackendKey: b.Credentials, Region: b.Region,
		Buckets: []string{bucket}, Socket: socket, WithoutKey: true})
	must(t, err)
	t.Cleanup(func() { check(t, g.proxy.Stop()) })
	g.client = newClient(t, g.proxy.PBS(bucket))
	t.Cleanup(func() { g.bash(t, "server", "systemctl stop memkey-server") })
	return g
}

// preamble stands in for what a test machine has not.
const preamble = `
set -eu -o pipefail
BIN=$S3CP_BIN; export PATH="$BIN:$PATH"; unset S3CP_BIN # the product takes S3CP_* for settings
memkey-server() { command memkey-server --config "$SERVER/memkey.yaml" "$@"; }
memkey-admin() {
  out=/dev/null; if [ "$1" = init ]; then out=$ROOT/last-init; fi # it prints the line for the server
  command memkey-admin --passphrase-file "$ROOT/passphrase" "$@" | tee "$out"
}
if [ -s "$SERVER/state/identity" ]; then FINGERPRINT=$(memkey-server fingerprint | grep -o '[0-9a-f]\{64\}'); fi
PUBLIC_KEY=$(grep -hos 'admin add [0-9a-f]\{64\}' "$ROOT/last-init" | grep -o '[0-9a-f]\{64\}' || true)
systemctl() {
  pid=$(cat "$SERVER/pid" 2>/dev/null || true)
  case $1 in
  start) [ -z "$pid" ] || return 1
    setsid "$BIN/memkey-server" --config "$SERVER/memkey.yaml" serve >>"$SERVER/log" 2>&1 </dev/null &
    echo $! >"$SERVER/pid"
    for i in $(seq 300); do if (exec 3<>"/dev/tcp/${ADDRESS%:*}/${ADDRESS#*:}") 2>/dev/null; then return 0; fi; sleep 0.1; done
    echo "memkey-server does not start:" >&2; tail -3 "$SERVER/log" >&2; return 1 ;;
  stop) if [ -n "$pid" ]; then kill "$pid" 2>/dev/null || true; while kill -0 "$pid" 2>/dev/null; do sleep 0.05; done; rm "$SERVER/pid"; fi ;;
  restart) systemctl stop x; systemctl start x ;;
  reload) n=$(grep -c '"changed":' "$SERVER/log" || true); kill -HUP "$pid"
    for i in $(seq 300); do [ "$(grep -c '"changed":' "$SERVER/log" || true)" = "$n" ] || return 0; sleep 0.1; done
    echo "memkey-server does not reload:" >&2; tail -3 "$SERVER/log" >&2; return 1 ;;
  esac
}
curl() { # only what the guide asks: readiness, within a moment
  for i in $(seq 300); do
    exec 3<>"/dev/tcp/${ADMIN%:*}/${ADMIN#*:}"; printf 'GET /readyz HTTP/1.0\r\nHost: x\r\n\r\n' >&3
    answer=$(cat <&3); exec 3>&-
    case $answer in *" 200 "*) echo "$answer" | tail -1; return 0 ;; esac; sleep 0.1
  done
  echo "$answer" >&2; return 22
}
`

// bash runs a script as somebody: server, or a workstation with a home of its own.
func (g *guide) bash(t *testing.T, who, script string) string {
	t.Helper()
	home := filepath.Join(g.dir, who)
	must(t, os.MkdirAll(home, 0o700))
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, "bash", "-c", preamble+"cd \"$HOME\"\n"+script)
	cmd.Env = append(os.Environ(), "HOME="+home, "ROOT="+g.dir, "SERVER="+filepath.Join(g.dir, "server"), "ADDRESS="+g.address, "ADMIN="+g.proxy.AdminAddress, "S3CP_BIN="+binDir(t))
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Errorf("%v\n%s\n%s", err, script, out.String())
	}
	return out.String()
}

func binDir(t *testing.T) string {
	t.Helper()
	path, err := rig.Binary("memkey-server")
	must(t, err)
	return filepath.Dir(path)
}

// run prepares what people do by hand, and runs the block.
func (g *guide) run(t *testing.T, b block) {
	text := strings.ReplaceAll(b.text, "https://memkey.example:7070", "https://"+g.address)
	switch {
	case strings.Contains(text, "key drill"):
		// Somebody scans the sheet, after it was printed.
		before, after, _ := strings.Cut(text, "memkey-admin key drill")
		if out := g.bash(t, b.who, before); t.Failed() {
			t.Log(out)
			return
		}
		g.scan(t, b.who, b.who)
		text = "memkey-admin key drill" + after
	case strings.Contains(text, "key import --text"):
		g.scan(t, "workstation", b.who)
	case strings.Contains(text, "rewrap"):
		g.fill(t)
	case b.who == "holders":
		g.holders(t, text)
		return
	case b.who == "rebuilt-workstation":
		for n := 1; n <= 3; n++ {
			g.copyShare(t, n, filepath.Join(g.dir, b.who, fmt.Sprintf("share-%d", n)))
		}
	}
	out := g.bash(t, b.who, text)
	if b.section == "Leaked key" && strings.Contains(text, "key clear") {
		g.wantRefused(t)
	}
	if strings.Contains(text, "s3-crypt keys") {
		g.checkBodies(t)
		if !regexp.MustCompile(`(?m)active`).MatchString(out) {
			t.Errorf("keys does not say which key is active:\n%s", out)
		}
	}
	g.ran++
}

// scan writes what a scanner reads from the sheets of from's key ring: sheet.txt
// of the active key, older.txt of the one before.
func (g *guide) scan(t *testing.T, from, to string) {
	t.Helper()
	sealed, err := os.ReadFile(filepath.Join(g.dir, from, ".memkey-keyring"))
	must(t, err)
	ring, err := keyfile.Open(sealed, []byte(strings.TrimSpace(guidePassphrase)))
	must(t, err)
	defer ring.Wipe()
	must(t, os.MkdirAll(filepath.Join(g.dir, to), 0o700))
	for _, k := range ring.Keys {
		text, err := paper.MasterText(k.Master)
		must(t, err)
		name := "older.txt"
		if k.Active {
			name = "sheet.txt"
		}
		must(t, os.WriteFile(filepath.Join(g.dir, to, name), []byte(text), 0o600))
	}
}

// fill stores objects through the proxy, so that a rotation has something to do.
func (g *guide) fill(t *testing.T) {
	t.Helper()
	for i := range 20 {
		key, body := fmt.Sprintf("guide/%d-%d", g.ran, i), random(uint64(100*g.ran+i), 1000*i)
		_, err := g.client.Put(context.Background(), key, pbs.NewBody(body), false)
		must(t, err)
		g.bodies[key] = body
	}
}

func (g *guide) checkBodies(t *testing.T) {
	t.Helper()
	for key, want := range g.bodies {
		got, err := g.client.Get(context.Background(), key)
		if err != nil || !bytes.Equal(got.Body, want) {
			t.Fatalf("%s: %v", key, err)
		}
	}
}

// wantRefused: after clear the proxy serves nobody.
func (g *guide) wantRefused(t *testing.T) {
	t.Helper()
	c := newClient(t, g.proxy.PBS(bucket), func(c *pbs.Config) { c.Waits = []time.Duration{} })
	for until := time.Now().Add(20 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		_, err := c.HeadObject(context.Background(), "guide/x")
		if err != nil && strings.Contains(err.Error(), "503") {
			return
		}
		if time.Now().After(until) {
			t.Fatalf("after clear the proxy answers %v, want 503", err)
		}
	}
}

// holders: three people with identities of their own deliver a share each, to a
// server whose memory is empty.
func (g *guide) holders(t *testing.T, text string) {
	t.Helper()
	g.bash(t, "server", "systemctl restart memkey-server")
	for n := 1; n <= 3; n++ {
		who := fmt.Sprintf("holder-%d", n)
		must(t, os.MkdirAll(filepath.Join(g.dir, who), 0o700))
		g.bash(t, who, fmt.Sprintf(`memkey-admin init --server https://%s --fingerprint "$FINGERPRINT" --name %s`, g.address, who))
		g.bash(t, "server", fmt.Sprintf(`memkey-server admin add "$PUBLIC_KEY" --roles share --name %s; systemctl reload memkey-server`, who))
		g.copyShare(t, n, filepath.Join(g.dir, who, "my-share"))
		out := g.bash(t, who, "SHARE=my-share\n"+text)
		t.Log(out)
	}
	g.bash(t, "server", "curl -fsS http://127.0.0.1:8081/readyz")
	g.ran++
}

func (g *guide) copyShare(t *testing.T, n int, to string) {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(g.dir, "new-workstation", fmt.Sprintf("share-*-%d-of-5.mks", n)))
	if err != nil || len(names) != 1 {
		t.Fatalf("share %d: %v, %v", n, names, err)
	}
	data, err := os.ReadFile(names[0])
	must(t, err)
	must(t, os.MkdirAll(filepath.Dir(to), 0o700))
	must(t, os.WriteFile(to, data, 0o600))
}

// checkEnd: what was stored on the way reads back, and the server's log is whole.
func (g *guide) checkEnd(t *testing.T) {
	g.checkBodies(t)
	if len(g.bodies) == 0 || g.ran < 15 {
		t.Errorf("%d blocks ran, %d objects were stored", g.ran, len(g.bodies))
	}
	if out := g.bash(t, "server", "memkey-server audit verify"); !strings.Contains(out, "lines") {
		t.Errorf("audit: %s", out)
	}
}
