//go:build integration

package integration

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// record is a writer that is read while it is written.
type record struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (r *record) Write(b []byte) (int, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.Write(b)
}

func (r *record) text() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.buf.String()
}

// TestNothingShowsASecret: at the lowest log level, through good requests and bad
// ones, a reload of a file that breaks off in the middle of a secret, everything the
// admin listener tells and everything the commands print, no secret and no key is
// anywhere, in any of the forms that one would think of.
func TestNothingShowsASecret(t *testing.T) {
	t.Setenv("S3CP_LOG_LEVEL", "debug")
	t.Setenv("S3CP_ADMIN_SHOW_NAMES", "true")
	w := start(t, nil, "")
	must(t, w.proxy.Stop())
	var said record
	w.config.Log = &said
	w.startProxy()
	ctx := t.Context()

	client := w.client(t, once)
	_, err := client.Put(ctx, "dir/object", pbs.NewBody(random(1, 100_000)), false)
	must(t, err)
	_, err = client.GetInto(ctx, "dir/object", make([]byte, 200_000))
	must(t, err)
	wrong := w.client(t, once, func(cfg *pbs.Config) { cfg.SecretKey += "x" })
	if _, err := wrong.Put(ctx, "dir/object", pbs.NewBody([]byte("x")), false); status(err) != 403 {
		t.Errorf("a wrong secret: %v", err)
	} else {
		fmt.Fprintln(&said, err)
	}
	stored, err := os.ReadFile(w.stored("dir/object"))
	must(t, err)
	stored[len(stored)-1] ^= 1
	must(t, os.WriteFile(w.stored("dir/object"), stored, 0o600))
	if _, err := client.GetInto(ctx, "dir/object", nil); status(err) != 500 {
		t.Errorf("a changed object: %v", err)
	} else {
		fmt.Fprintln(&said, err)
	}

	for _, path := range []string{"/", "/metrics", "/readyz?format=json", "/api/v1/config", "/api/v1/key/status", "/api/v1/live", "/debug/pprof/goroutine?debug=2", "/debug/pprof/cmdline", "/debug/pprof/heap?debug=1"} {
		for _, token := range []string{w.proxy.AdminToken, "wrong"} {
			req, err := http.NewRequestWithContext(ctx, "GET", "http://"+w.proxy.AdminAddress+path, nil)
			must(t, err)
			req.Header.Set("Authorization", "Bearer "+token)
			resp, err := http.DefaultClient.Do(req)
			must(t, err)
			body := bufio.NewReader(resp.Body)
			if path == "/api/v1/live" && resp.StatusCode == 200 {
				for range 6 { // two events
					line, err := body.ReadString('\n')
					must(t, err)
					fmt.Fprint(&said, line)
				}
			} else if _, err := io.Copy(&said, body); err != nil {
				t.Error(err)
			}
			resp.Body.Close()
		}
	}

	file := filepath.Join(w.dir, "proxy.yaml")
	good, err := os.ReadFile(file)
	must(t, err)
	for i, bad := range []string{
		string(good) + "backend: [" + w.backend.SecretKey + "\n",
		strings.Replace(string(good), "secret_key: ", "secret_kye: ", 1),
		strings.Replace(string(good), "secret_key: ", "secret_key: &", 1),
		strings.Replace(string(good), "token: ", "token: [a, ", 1),
	} {
		must(t, os.WriteFile(file, []byte(bad), 0o600))
		must(t, syscall.Kill(w.proxy.PID, syscall.SIGHUP))
		for end := time.Now().Add(20 * time.Second); strings.Count(said.text(), "configuration not reloaded") <= i; time.Sleep(10 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatalf("file %d was taken, or not looked at", i)
			}
		}
		for _, args := range [][]string{{"s3-crypt-proxy", "check", "-config", file}, {"s3-crypt", "keys", bucket, "--config", file}} {
			w.say(&said, args)
		}
	}
	must(t, os.WriteFile(file, good, 0o600))
	for _, args := range [][]string{{"s3-crypt-proxy", "check", "-config", file}, {"s3-crypt", "keys", bucket, "--objects", "--config", file},
		{"s3-crypt", "explain", bucket, "dir/object", "--config", file}} {
		w.say(&said, args)
	}
	line, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", w.proxy.PID))
	must(t, err)
	said.Write(line)
	w.keys.Clear()
	_, _ = client.GetInto(ctx, "dir/object", nil)
	must(t, w.proxy.Stop())

	text := said.text()
	for _, want := range []string{"dir/object", "s3_crypt_proxy_", `"value":"redacted"`, "integrity", "keys cleared", ": changed: "} {
		if !strings.Contains(text, want) {
			t.Errorf("the record has no %q: it is not what this test thinks", want)
		}
	}
	secrets := map[string][]byte{"client's secret": []byte(w.proxy.SecretKey), "backend's secret": []byte(w.backend.SecretKey), "admin token": []byte(w.proxy.AdminToken)}
	must(t, w.master.Use(func(key []byte) { secrets["master key"] = bytes.Clone(key) }))
	for what, secret := range secrets {
		for form, shown := range map[string]string{
			"as it is": string(secret), "in hex": hex.EncodeToString(secret), "in HEX": strings.ToUpper(hex.EncodeToString(secret)), "its half": string(secret[:len(secret)/2+1]),
			"in base64": base64.RawStdEncoding.EncodeToString(secret), "in base64 of URLs": base64.RawURLEncoding.EncodeToString(secret), "as a list": strings.Trim(fmt.Sprint(secret), "[]"),
		} {
			if at := strings.Index(text, shown); at >= 0 {
				t.Errorf("the %s is shown, %s, behind %q", what, form, text[max(at-80, 0):at])
			}
		}
	}
}

// say runs one of the commands and records what it prints; it may fail.
func (w *world) say(to io.Writer, args []string) {
	w.t.Helper()
	path, err := rig.Binary(args[0])
	must(w.t, err)
	cmd := exec.Command(path, args[1:]...)
	cmd.Env = []string{"HOME=" + w.dir, "PATH=" + os.Getenv("PATH")}
	out, _ := cmd.CombinedOutput()
	if len(out) == 0 {
		w.t.Errorf("%v printed nothing", args)
	}
	_, _ = to.Write(out)
}
