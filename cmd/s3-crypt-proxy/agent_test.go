package main

import (
	"bytes"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

var modes = []string{config.MemkeyExport, config.MemkeyAgent}

func TestAgentModeServesAndRefuses(t *testing.T) {
	var derived atomic.Int64
	l := newLive(t, keyagent.Policy{AgentOnlyUIDs: []int{os.Geteuid()}, Derived: func(_ keyagent.Peer, err error) {
		if err == nil {
			derived.Add(1)
		}
	}})
	addr, admin, log := l.start(config.MemkeyAgent)
	l.want(503, "no encryption key is loaded", "PUT", addr, "/bkt/k", []byte("early"))
	if v, err := l.value(admin, "s3_crypt_proxy_key_loaded"); err != nil || v != 0 {
		t.Errorf("key_loaded is %v, %v", v, err)
	}
	figure := func(name string) float64 {
		t.Helper()
		v, err := l.value(admin, name)
		if err != nil {
			t.Errorf("%s: %v", name, err)
		}
		return v
	}
	if keys, since := figure("s3_crypt_proxy_keyring_keys"), figure("s3_crypt_proxy_key_loaded_timestamp_seconds"); keys != 0 || since != 0 {
		t.Errorf("without a key there are %v, since %v", keys, since)
	}
	l.load('a', 'b')
	l.until(200, "PUT", addr, "/bkt/k", []byte("plain"))
	if keys, since := figure("s3_crypt_proxy_keyring_keys"), figure("s3_crypt_proxy_key_loaded_timestamp_seconds"); keys != 2 || time.Since(time.UnixMilli(int64(since*1000))).Abs() > 10*time.Minute {
		t.Errorf("two keys are shown as %v, since %v", keys, since)
	}
	l.want(200, "plain", "GET", addr, "/bkt/k", nil)
	if stored := l.store.stored("/bkt/k"); len(stored) == 0 || bytes.Contains(stored, []byte("plain")) {
		t.Errorf("stored: %q", stored)
	}
	time.Sleep(2100 * time.Millisecond) // /readyz gives an answer again for 2 s
	if text := l.page(admin, "/readyz"); !strings.Contains(text, "key: ok (mode agent)") {
		t.Errorf("ready: %s", text)
	}
	asked, err := l.value(admin, `s3_crypt_proxy_block_key_requests_total{result="ok"}`)
	if err != nil || asked < 3 || int64(asked) > derived.Load() {
		t.Errorf("%v asked, %v; the agent derived %d", asked, err, derived.Load())
	}
	if n, err := l.value(admin, "s3_crypt_proxy_block_key_duration_seconds_count"); err != nil || n != asked {
		t.Errorf("%v timed, %v asked: %v", n, asked, err)
	}

	// The agent refuses this user the masters, so a proxy of mode export gets none.
	other, _, otherLog := l.start(config.MemkeyExport)
	l.want(503, "no encryption key is loaded", "GET", other, "/bkt/k", nil)
	for end := time.Now().Add(20 * time.Second); time.Now().Before(end) && !strings.Contains(otherLog.String(), "does not allow this mode"); {
		time.Sleep(time.Millisecond)
	}
	if !strings.Contains(otherLog.String(), "does not allow this mode") {
		t.Errorf("the log does not say why: %s", otherLog)
	}

	l.stop()
	l.want(503, "the key agent cannot be asked", "GET", addr, "/bkt/k", nil)
	l.want(503, "the key agent cannot be asked", "PUT", addr, "/bkt/k2", []byte("while away"))
	time.Sleep(2100 * time.Millisecond)
	if text := l.page(admin, "/readyz"); !strings.Contains(text, "key: not ok (mode agent: the key agent cannot be asked") {
		t.Errorf("ready while the agent is away: %s", text)
	}
	if failed, err := l.value(admin, `s3_crypt_proxy_block_key_requests_total{result="unavailable"}`); err != nil || failed < 2 {
		t.Errorf("%v failed, %v", failed, err)
	}
	l.serveKeys()
	l.want(200, "plain", "GET", addr, "/bkt/k", nil)
	l.holder.Clear()
	l.until(503, "GET", addr, "/bkt/k", nil)
	if l.store.stored("/bkt/k2") != nil {
		t.Error("an object was stored without a key")
	}
	l.load('b', 'a')
	l.until(200, "GET", addr, "/bkt/k", nil)
	for _, fill := range []string{"aaaaaaaa", "bbbbbbbb", strings.Repeat("61", 8)} {
		if strings.Contains(log.String(), fill) {
			t.Error("the log has key bytes")
		}
	}
}

func TestBothModesReadEachOthersObjects(t *testing.T) {
	l := newLive(t, keyagent.Policy{})
	l.load('a')
	addrs := map[string]string{}
	for _, mode := range modes {
		addrs[mode], _, _ = l.start(mode)
		l.until(200, "PUT", addrs[mode], "/bkt/"+mode, []byte("of "+mode))
	}
	for _, reader := range modes {
		for _, writer := range modes {
			l.want(200, "of "+writer, "GET", addrs[reader], "/bkt/"+writer, nil)
		}
	}
}

// TestClearReachesClients: from Clear to the first 503 of a request, in the middle
// of seven.
func TestClearReachesClients(t *testing.T) {
	for _, mode := range modes {
		t.Run(mode, func(t *testing.T) {
			l := newLive(t, keyagent.Policy{})
			addr, _, _ := l.start(mode)
			var took []time.Duration
			for i := range 7 {
				l.load('a')
				path := fmt.Sprintf("/bkt/%d", i)
				l.until(200, "PUT", addr, path, []byte("x"))
				began := time.Now()
				l.holder.Clear()
				l.until(503, "GET", addr, path, nil)
				took = append(took, time.Since(began))
				// A key holder that answers "not mine" may be heard before its word that the
				// key is gone: the first refusals may give another reason.
				l.wants(503, "no encryption key is loaded", "PUT", addr, path, []byte("y"))
			}
			slices.Sort(took)
			if took[3] > 100*time.Millisecond {
				t.Errorf("a clear takes %v", took)
			}
		})
	}
}

// BenchmarkObjects is one request on a kept connection, client, proxy, store and
// agent all on this machine's cores.
func BenchmarkObjects(b *testing.B) {
	for _, size := range []int{1 << 10, 4 << 20} {
		body := bytes.Repeat([]byte{7}, size)
		for _, method := range []string{"PUT", "GET"} {
			for _, mode := range modes {
				b.Run(fmt.Sprintf("%s/%dKiB/%s", method, size>>10, mode), func(b *testing.B) {
					l := newLive(b, keyagent.Policy{})
					l.load('a')
					addr, _, _ := l.start(mode)
					l.until(200, "PUT", addr, "/bkt/k", body)
					send := body
					if method == "GET" {
						send = nil
					}
					b.SetBytes(int64(size))
					for b.Loop() {
						if status, _, err := l.ask(method, addr, "/bkt/k", send); status != 200 {
							b.Fatalf("%d, %v", status, err)
						}
					}
				})
			}
		}
	}
}
