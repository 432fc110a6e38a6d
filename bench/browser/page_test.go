package browser

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	console "github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// patience is for a machine that does ten things at once.
const patience = 60 * time.Second

// screen is a browser's tab on the dashboard, with what it complained about.
type screen struct {
	t   *testing.T
	ctx context.Context

	mu       sync.Mutex
	requests []string
	problems []string
}

// openBrowser starts Chromium and a tab. It fails where there is none: `make browser`
// installs it.
func openBrowser(t *testing.T) *screen {
	t.Helper()
	path, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v (make browser installs it)", err)
	}
	ctx, cancel := chromedp.NewContext(context.Background(), chromedp.WithAllocatorOptions(chromedp.ExecPath(path), chromedp.NoSandbox, chromedp.Flag("disable-dev-shm-usage", true)))
	t.Cleanup(cancel)
	s := &screen{t: t, ctx: ctx}
	if err := chromedp.Listen(ctx, s.hear); err != nil {
		t.Fatal(err)
	}
	s.do(command(network.Enable, network.EnableParams{}), command(runtime.Enable, cdp.Empty{}), command(console.Enable, cdp.Empty{}))
	return s
}

// hear notes what the page asks for and what the browser complains about.
func (s *screen) hear(event any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch e := event.(type) {
	case *network.EventRequestWillBeSent:
		s.requests = append(s.requests, e.Request.URL)
	case *runtime.EventConsoleAPICalled:
		s.problems = append(s.problems, "console."+e.Type.String())
	case *runtime.EventExceptionThrown:
		s.problems = append(s.problems, fmt.Sprintf("%s line %d: %+v", e.ExceptionDetails.Text, e.ExceptionDetails.LineNumber, e.ExceptionDetails.Exception))
	case *console.EventEntryAdded:
		// A wrong token is refused on purpose.
		if !strings.Contains(e.Entry.Text, "401") {
			s.problems = append(s.problems, fmt.Sprintf("%s: %s %s", e.Entry.Level, e.Entry.Text, e.Entry.URL))
		}
	}
}

// command sends a command of the DevTools protocol, whose answer nobody needs.
func command[P, R any](c cdp.Command[P, R], params P) chromedp.Action[chromedp.Void] {
	return chromedp.Func(func(ctx context.Context, tab *chromedp.Target) error {
		_, err := cdp.Call(ctx, tab, c, params)
		return err
	})
}

// within runs an action in the tab.
func within[T any](s *screen, action chromedp.Action[T]) T {
	s.t.Helper()
	ctx, cancel := context.WithTimeout(s.ctx, patience)
	defer cancel()
	v, err := chromedp.Run(ctx, action)
	if err != nil {
		s.t.Fatal(err)
	}
	return v
}

func (s *screen) do(steps ...chromedp.Action[chromedp.Void]) {
	s.t.Helper()
	within(s, chromedp.Steps(steps...))
}

// tell evaluates an expression of JavaScript.
func tell[T any](s *screen, expression string) T {
	s.t.Helper()
	return within(s, chromedp.Evaluate[T](expression))
}

// until polls an expression of JavaScript until it is true.
func (s *screen) until(what, expression string) {
	s.t.Helper()
	for end := time.Now().Add(patience); ; time.Sleep(100 * time.Millisecond) {
		if tell[bool](s, expression) {
			return
		}
		if time.Now().After(end) {
			s.t.Fatalf("never: %s; the page says:\n%s", what, s.text("body"))
		}
	}
}

func (s *screen) text(selector string) string {
	s.t.Helper()
	return tell[string](s, fmt.Sprintf("document.querySelector(%q).innerText", selector))
}

// look sets the window and the scheme of colours.
func (s *screen) look(width, height int64, scheme string) {
	s.t.Helper()
	s.do(chromedp.EmulateViewport(width, height),
		command(emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}}))
}

// shoot keeps a picture of the whole page where $BROWSER_SHOTS says.
func (s *screen) shoot(name string) {
	s.t.Helper()
	dir := os.Getenv("BROWSER_SHOTS")
	if dir == "" {
		return
	}
	png := within(s, chromedp.FullScreenshot(100))
	if err := os.WriteFile(filepath.Join(dir, name+".png"), png, 0o644); err != nil {
		s.t.Fatal(err)
	}
}

// readable: nothing is wider than the window but tables, which scroll in their boxes;
// no text is tiny; and everything stands out from its ground (WCAG AA: 4.5 to 1).
func (s *screen) readable(when string) {
	s.t.Helper()
	for _, f := range tell[[]string](s, readableJS) {
		s.t.Errorf("%s: %s", when, f)
	}
}

const readableJS = `(() => {
  const faults = [], wide = document.documentElement.clientWidth;
  if (document.documentElement.scrollWidth > wide) faults.push("the page is " + document.documentElement.scrollWidth + " px wide, the window " + wide);
  const light = (c) => { const [r, g, b] = c.match(/[\d.]+/g).map(Number).map((v) => v / 255).map((v) => v <= 0.03928 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4); return 0.2126 * r + 0.7152 * g + 0.0722 * b; };
  const ground = (e) => { for (; e; e = e.parentElement) { const c = getComputedStyle(e).backgroundColor; if (!/, 0\)$/.test(c)) return c; } return "rgb(255, 255, 255)"; };
  for (const e of document.querySelectorAll("body *")) {
    const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
    const box = e.getBoundingClientRect();
    if (!own || box.width === 0) continue;
    const style = getComputedStyle(e), name = e.tagName + "#" + e.id + " " + e.textContent.trim().slice(0, 30);
    if (parseFloat(style.fontSize) < 12) faults.push(name + ": " + style.fontSize);
    if (!e.closest(".scroll") && (box.left < 0 || box.right > wide + 1)) faults.push(name + ": from " + box.left + " to " + box.right + " of " + wide);
    const a = light(style.color), b = light(ground(e)), ratio = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    if (ratio < 4.5) faults.push(name + ": contrast " + ratio.toFixed(1));
  }
  return faults.slice(0, 10);
})()`

// clean: the page asked nobody but the proxy, and the console is empty.
func (s *screen) clean(host string) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.requests) < 5 {
		s.t.Errorf("only %d requests were seen", len(s.requests))
	}
	for _, r := range s.requests {
		if u, err := url.Parse(r); err != nil || u.Host != host || strings.Contains(r, "token") {
			s.t.Errorf("the page asked for %s", r)
		}
	}
	for _, p := range s.problems {
		s.t.Errorf("the browser complains: %s", p)
	}
}
