package browser

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/chromedp"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/pbs"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
)

const bucket = "backups"

// quiet is the colour of what is neither good nor bad, in the light scheme.
const quiet = "rgb(91, 102, 117)"

// startProxy starts the backend, a key holder that the test can clear, and the proxy.
func startProxy(t *testing.T) (*rig.Proxy, *rig.LocalKeys, *keyagent.Secret) {
	t.Helper()
	ctx := t.Context()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	dir, err := os.MkdirTemp("", "s3cp-look-") // a Unix socket's path must be short
	must(err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	store, err := rig.StartVersitygw(context.WithoutCancel(ctx), rig.BackendConfig{Dir: dir, Bucket: bucket})
	must(err)
	t.Cleanup(func() { store.Stop() })
	keys, err := rig.ServeKeys(dir)
	must(err)
	t.Cleanup(func() { keys.Stop() })
	master, err := keyagent.GenerateSecret()
	must(err)
	t.Cleanup(master.Wipe)
	must(keys.Load(master))
	proxy, err := rig.StartProxy(context.WithoutCancel(ctx), rig.ProxyConfig{Dir: dir, Backend: store.Endpoint(), BackendKey: store.Credentials, BackendCA: store.CAFile,
		Region: store.Region, Buckets: []string{bucket}, Socket: keys.Socket, AdminToken: "token-of-the-browser-test", Extra: ""})
	must(err)
	t.Cleanup(func() { proxy.Stop() })
	return proxy, keys, master
}

// load writes and reads chunks until it is stopped.
func load(t *testing.T, proxy *rig.Proxy) (stop func()) {
	t.Helper()
	cfg := proxy.PBS(bucket)
	cfg.Waits = []time.Duration{} // each request once
	client, err := pbs.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	var busy sync.WaitGroup
	body := pbs.NewBody(bytes.Repeat([]byte("calm and beautiful "), 55_000)) // 1 MiB
	for worker := range 2 {
		busy.Go(func() {
			buf := make([]byte, 2<<20)
			for i := 0; ctx.Err() == nil; i++ {
				key := fmt.Sprintf("secret-name-%d/%d", worker, i%8)
				// What ends with the test, or without a key, is none of its errors.
				_, _ = client.Put(ctx, key, body, false)
				for _, name := range []string{key, "absent"} {
					_, _ = client.GetInto(ctx, name, buf)
				}
			}
		})
	}
	return func() {
		cancel()
		busy.Wait()
		client.Close()
	}
}

func TestDashboard(t *testing.T) {
	proxy, keys, master := startProxy(t)
	s := openBrowser(t)
	s.look(1600, 1000, "light")
	s.do(chromedp.Navigate("http://" + proxy.AdminAddress + "/"))
	s.until("the light is green", `document.querySelector("#state").dataset.state === "good" && document.querySelector("#headline").innerText === "Ready"`)
	s.until("each dependency is told", `document.querySelectorAll("#checks li[data-ok=yes]").length === 3`)

	// Green is for answers alone: until there is one, the light is grey. A sample that comes in
	// between would change the page, so that it is looked at in one breath.
	const asking = `(() => {
		showState({ key: { loaded: true, since: new Date().toISOString() }, checks: null, time: Date.now() });
		return [document.querySelector("#state").dataset.state, document.querySelector("#headline").innerText, getComputedStyle(document.querySelector("#light")).backgroundColor,
			getComputedStyle(document.querySelector("#headline")).color].join("; ");
	})()`
	if got := tell[string](s, asking); got != "asking; Key loaded; "+quiet+"; "+quiet {
		t.Errorf("while the dependencies are being asked: %s", got)
	}
	s.until("the light is green again", `document.querySelector("#state").dataset.state === "good"`)

	// The plot moves while a load runs.
	tell[string](s, `window.before = document.querySelector("#plot").toDataURL()`)
	stop := load(t, proxy)
	defer stop()
	s.until("bytes are written and read", `["#rate-in", "#rate-out"].every((i) => /^[1-9][0-9.,]* (KiB|MiB|GiB)\/s$/.test(document.querySelector(i).innerText))`)
	s.until("the plot has moved", `document.querySelector("#plot").toDataURL() !== window.before`)
	s.until("it goes on moving", `(() => { const now = document.querySelector("#plot").dataset.points; if (window.seen === undefined) window.seen = now; return now !== window.seen; })()`)
	for selector, unit := range map[string]string{"#p50": " ms", "#rps": "/s", "#rss": " MiB", "#budget": " of 256 MiB", "#backend-rate": "/s", "#uptime": "up ", "#certificate": "left"} {
		if text := s.text(selector); !strings.Contains(text, unit) {
			t.Errorf("%s says %q", selector, text)
		}
	}
	for _, want := range []string{"PutObject", "GetObject"} {
		s.until(want+" is among the operations", fmt.Sprintf(`document.querySelector("#operations").innerText.includes(%q)`, want))
	}
	s.until("requests are shown", `document.querySelectorAll("#recent tr").length > 5 && document.querySelector("#recent").innerText.includes("404")`)
	if text := s.text("body"); strings.Contains(text, "secret-name") {
		t.Error("names are shown that nobody enabled")
	}

	for _, scheme := range []string{"light", "dark"} {
		for _, width := range []int64{360, 1600} {
			s.look(width, 900, scheme)
			when := fmt.Sprintf("%s-%d", scheme, width)
			s.readable(when)
			s.shoot(when)
		}
	}

	// The token, typed in, opens the settings. It is in no address.
	s.look(1600, 1000, "light")
	s.do(chromedp.Click("#unlock"), chromedp.SendKeys("#token", "wrong"), chromedp.Click("#token-use"))
	s.until("a wrong token is told", `document.querySelector("#token-dialog").open && document.querySelector("#token-why").innerText.includes("not the proxy's")`)
	s.do(chromedp.SendKeys("#token", proxy.AdminToken), chromedp.Click("#token-use"))
	s.until("the settings are there", `!document.querySelector("#settings").hidden && document.querySelector("#settings-rows").innerText.includes("pipeline.budget")`)
	if text := s.text("#settings-rows"); strings.Contains(text, proxy.AdminToken) || strings.Contains(text, proxy.SecretKey) {
		t.Error("a secret is among the settings")
	}

	// The key goes, and the light turns red; it comes again.
	keys.Clear()
	s.until("the light is red", `document.querySelector("#state").dataset.state === "bad" && document.querySelector("#headline").innerText === "No key"`)
	if color := tell[string](s, `getComputedStyle(document.querySelector("#light")).backgroundColor`); color != "rgb(198, 47, 47)" {
		t.Errorf("the light is %s", color)
	}
	s.readable("without a key")
	s.shoot("no-key")
	if err := keys.Load(master); err != nil {
		t.Fatal(err)
	}
	s.until("the light is green again", `document.querySelector("#state").dataset.state === "good"`)
	stop()
	s.clean(proxy.AdminAddress)

	// The proxy goes, and nothing green stays.
	if err := proxy.Stop(); err != nil {
		t.Error(err)
	}
	s.until("the loss is told", `document.querySelector("#state").dataset.state === "lost" && document.body.classList.contains("lost")`)
	if text := s.text("#headline"); text != "No contact with the proxy" {
		t.Errorf("the page says %q", text)
	}
	const old = `[getComputedStyle(document.querySelector("#light")).backgroundColor, getComputedStyle(document.querySelector("#checks li[data-ok=yes]"), "::before").color].join("; ")`
	if got := tell[string](s, old); got != "rgb(198, 47, 47); "+quiet {
		t.Errorf("what was known before it was lost is %s", got)
	}
	if title := tell[string](s, "document.title"); !strings.HasPrefix(title, "⚠ ") {
		t.Errorf("the tab says %q", title)
	}
	s.look(360, 800, "dark")
	s.shoot("lost-360")
}

// TestNames: with admin.show_names, and the token, the names are there.
func TestNames(t *testing.T) {
	t.Setenv("S3CP_ADMIN_SHOW_NAMES", "true")
	proxy, _, _ := startProxy(t)
	s := openBrowser(t)
	stop := load(t, proxy)
	defer stop()
	s.look(1600, 1000, "dark")
	s.do(chromedp.Navigate("http://" + proxy.AdminAddress + "/"))
	s.until("requests are shown", `document.querySelector("#recent").innerText.includes("PutObject")`)
	if text := s.text("body"); strings.Contains(text, "secret-name") {
		t.Error("names are shown without the token")
	}
	s.do(chromedp.Click("#unlock"), chromedp.SendKeys("#token", proxy.AdminToken), chromedp.Click("#token-use"))
	s.until("names are shown", `document.querySelector("#recent").innerText.includes("secret-name-")`)
	s.shoot("names")
	stop()
	s.clean(proxy.AdminAddress)
}
