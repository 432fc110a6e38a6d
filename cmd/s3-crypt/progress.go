package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
	"golang.org/x/term"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/rewrap"
)

const (
	barEvery  = 200 * time.Millisecond // fluent for the eye
	lineEvery = 10 * time.Second
)

// showProgress tells on stderr how far the run is, until stop is called: by a bar
// on a terminal, else by a line from time to time.
func (s *session) showProgress(r *rewrap.Run) (stop func()) {
	quit, joined := make(chan struct{}), make(chan struct{})
	show, every, end := s.line, lineEvery, func() {}
	if out := s.stderr.(*lines); isTerminal(out.w) {
		show, every, end = s.bar(r)
	}
	go func() {
		defer close(joined)
		tick := time.NewTicker(every)
		defer tick.Stop()
		for {
			select {
			case <-tick.C:
				show(r.Progress())
			case <-quit:
				return
			}
		}
	}()
	return func() {
		close(quit)
		<-joined
		end()
	}
}

func isTerminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// progressText is the same in both forms.
func progressText(p rewrap.Progress) string {
	text := fmt.Sprintf("%s rewrapped", countText(p.Rewrapped))
	if p.Trouble > 0 {
		text += fmt.Sprintf(", %d in trouble", p.Trouble)
	}
	return text
}

func (s *session) line(p rewrap.Progress) {
	fmt.Fprintf(s.stderr, "s3-crypt: looked at %s; %s\n", countText(p.Seen), progressText(p))
}

// bar shows a bar whose length is known once the bucket was listed.
func (s *session) bar(r *rewrap.Run) (show func(rewrap.Progress), every time.Duration, end func()) {
	bar := progressbar.NewOptions64(-1,
		progressbar.OptionSetWriter(s.stderr), progressbar.OptionSetDescription("listing"), progressbar.OptionShowCount(),
		progressbar.OptionShowIts(), progressbar.OptionSetItsString("objects"), progressbar.OptionSetWidth(24),
		progressbar.OptionThrottle(barEvery/2), progressbar.OptionSetPredictTime(true), progressbar.OptionClearOnFinish(),
		progressbar.OptionSetSpinnerChangeInterval(0)) // else a goroutine of its own draws, also over the report
	ctx, cancel := context.WithCancel(s.ctx)
	counted := make(chan rewrap.Count, 1)
	var counting sync.WaitGroup
	counting.Go(func() {
		if n, err := r.Count(ctx); err == nil { // without it the bar has no end, that is all
			counted <- n
		}
	})
	var total int64
	show = func(p rewrap.Progress) {
		select {
		case n := <-counted:
			total = max(n.Objects, 1)
			bar.ChangeMax64(total)
		default:
		}
		switch {
		case total == 0:
			bar.Describe(fmt.Sprintf("looked at %s; %s", objectsText(p.Seen.Objects), progressText(p)))
		default:
			bar.Describe(progressText(p))
			// At its end it would be cleared, and objects may have come since. A terminal
			// that is gone is no reason to end.
			_ = bar.Set64(min(p.Seen.Objects, total-1))
		}
	}
	return show, barEvery, func() {
		cancel()
		counting.Wait()
		_ = bar.Clear()
	}
}

// lines keeps writers of whole lines apart.
type lines struct {
	mu sync.Mutex
	w  io.Writer
}

func (l *lines) Write(b []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.w.Write(b)
}
