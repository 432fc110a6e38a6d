package admin

import (
	"context"
	"fmt"
	"net/http"
	"runtime/debug"
	"strings"
)

// ready answers 503 unless every check is OK; no checks at all are not ready.
func (s *Server) ready(w http.ResponseWriter, r *http.Request) {
	ctx, cancel := context.WithTimeout(r.Context(), readyTimeout)
	defer cancel()
	checks := s.checks(ctx)
	status, word := http.StatusOK, "ready"
	if len(checks) == 0 {
		status, word = http.StatusServiceUnavailable, "not ready"
	}
	for _, c := range checks {
		if !c.OK {
			status, word = http.StatusServiceUnavailable, "not ready"
		}
	}
	if wantsJSON(r) {
		if checks == nil {
			checks = []Check{}
		}
		writeJSON(w, status, struct {
			Ready  bool    `json:"ready"`
			Checks []Check `json:"checks"`
		}{status == http.StatusOK, checks})
		return
	}
	var b strings.Builder
	b.WriteString(word + "\n")
	for _, c := range checks {
		state := "ok"
		if !c.OK {
			state = "not ok"
		}
		b.WriteString(c.Name + ": " + state)
		if c.Detail != "" {
			b.WriteString(" (" + c.Detail + ")")
		}
		b.WriteByte('\n')
	}
	writeText(w, status, b.String())
}

// question is one running readiness check and, once done is closed, its answer.
type question struct {
	done   chan struct{}
	checks []Check
}

// checks asks for the readiness, but waits no longer than ctx: a probe must get
// an answer even if a dependency does not keep to its context. One check runs at
// a time and everybody who asks meanwhile gets its answer, so that probes, which
// need no token, cannot pile up work.
func (s *Server) checks(ctx context.Context) []Check {
	s.asking.Lock()
	q := s.asked
	if q == nil {
		q = &question{done: make(chan struct{})}
		s.asked = q
		go s.ask(q)
	}
	s.asking.Unlock()
	select {
	case <-q.done:
		return q.checks
	case <-ctx.Done():
		return []Check{{Name: "readiness", Detail: "no answer in time"}}
	}
}

func (s *Server) ask(q *question) {
	ctx, cancel := context.WithTimeout(context.Background(), checkTimeout)
	defer cancel()
	defer func() {
		if p := recover(); p != nil {
			s.log.Error().Str("panic", fmt.Sprint(p)).Bytes("stack", debug.Stack()).Msg("cannot check the readiness: internal error")
			q.checks = []Check{{Name: "readiness", Detail: "internal error"}}
		}
		s.asking.Lock()
		s.asked = nil
		s.asking.Unlock()
		close(q.done)
	}()
	q.checks = s.readiness.Ready(ctx)
}

func wantsJSON(r *http.Request) bool {
	switch r.URL.Query().Get("format") {
	case "json":
		return true
	case "text":
		return false
	}
	return strings.Contains(r.Header.Get("Accept"), "application/json")
}
