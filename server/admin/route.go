package admin

import (
	"encoding/json"
	"net/http"
	"net/http/pprof"
	"strconv"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// access says who may use a path.
type access uint8

const (
	open    access = iota + 1 // everybody who reaches the listener
	offered                   // everybody; who shows the token gets more, a wrong one is refused
	guarded                   // who shows the token
)

// route is one row of the path table.
type route struct {
	path   string // ends with / for everything below it, but for /
	access access
	limit  time.Duration // for writing the answer
	serve  http.HandlerFunc
}

// routes is every path there is; TestEveryRoute walks it.
func (s *Server) routes() []route {
	return append(pageRoutes(), []route{
		{"/healthz", open, writeTimeout, s.health},
		{"/readyz", open, writeTimeout, s.ready},
		{"/metrics", open, writeTimeout, s.figures},
		{"/api/v1/live", offered, forever, s.stream}, // each event has a limit of its own
		{"/api/v1/key/status", guarded, writeTimeout, s.keyStatus},
		{"/api/v1/config", guarded, writeTimeout, s.config},
		{"/debug/pprof", guarded, writeTimeout, toIndex},
		{"/debug/pprof/", guarded, maxProfile + writeTimeout, timed(pprof.Index)}, // and the named profiles
		{"/debug/pprof/profile", guarded, maxProfile + writeTimeout, timed(pprof.Profile)},
		{"/debug/pprof/mutex", guarded, maxProfile + writeTimeout, timed(newMutexWaits().serve)},
		{"/debug/pprof/block", guarded, maxProfile + writeTimeout, timed(newBlockWaits().serve)},
		{"/debug/pprof/trace", guarded, maxProfile + writeTimeout, timed(pprof.Trace)},
		{"/debug/pprof/symbol", guarded, writeTimeout, pprof.Symbol},
		// No cmdline: nobody needs it, and it shows what was typed.
		{"/debug/pprof/cmdline", guarded, writeTimeout, http.NotFound},
	}...)
}

// toIndex adds the slash: the index links to the profiles by relative paths.
func toIndex(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/debug/pprof/", http.StatusMovedPermanently)
}

func (s *Server) handler() http.Handler {
	exact, below := map[string]route{}, map[string]route{}
	for _, r := range s.routes() {
		if r.path != "/" && strings.HasSuffix(r.path, "/") {
			below[r.path] = r
		}
		exact[r.path] = r
	}
	// No http.ServeMux: it redirects unclean paths, and here they do not exist.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		for _, header := range headers {
			h.Set(header[0], header[1])
		}
		route, ok := exact[r.URL.Path]
		if !ok {
			for prefix, candidate := range below {
				if strings.HasPrefix(r.URL.Path, prefix) {
					route, ok = candidate, true
				}
			}
		}
		switch {
		case !ok:
			http.NotFound(w, r)
			return
		case route.access != open && !s.authorized(r) && (route.access == guarded || len(r.Header.Values("Authorization")) > 0):
			s.authFailed()
			s.log.Warn().Str("path", route.path).Str("remote", r.RemoteAddr).Msg("refused an admin request: wrong or missing token")
			h.Set("WWW-Authenticate", `Bearer realm="s3-crypt-proxy"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		case r.ContentLength != 0:
			// Before the deadline is moved: net/http waits for what is left of a body.
			h.Set("Connection", "close")
			http.Error(w, "no body is wanted", http.StatusBadRequest)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		// A writer without deadlines is a test's recorder. The request was read: from now
		// on reading waits for the client to leave, at most as long as the answer takes.
		control := http.NewResponseController(w)
		_ = control.SetWriteDeadline(time.Now().Add(route.limit))
		_ = control.SetReadDeadline(time.Now().Add(route.limit))
		route.serve(w, r)
	})
}

// timed bounds the seconds a profile may be asked to run.
func timed(serve http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		if v := r.URL.Query().Get("seconds"); v != "" {
			n, err := strconv.ParseFloat(v, 64)
			if err != nil || !(n > 0 && n <= maxProfile.Seconds()) {
				http.Error(w, "seconds: want a number up to "+strconv.Itoa(int(maxProfile.Seconds())), http.StatusBadRequest)
				return
			}
		}
		serve(w, r)
	}
}

func (s *Server) health(w http.ResponseWriter, _ *http.Request) {
	writeText(w, http.StatusOK, "ok\n")
}

func (s *Server) figures(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4; charset=utf-8")
	s.metrics.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}

func (s *Server) keyStatus(w http.ResponseWriter, _ *http.Request) {
	status := s.keys.KeyStatus()
	out := struct {
		Loaded   bool       `json:"loaded"`
		KeyID    string     `json:"key_id,omitempty"`
		LoadedAt *time.Time `json:"loaded_at,omitempty"`
	}{Loaded: status.Loaded}
	if status.Loaded {
		at := status.LoadedAt.UTC()
		out.KeyID, out.LoadedAt = status.ID, &at
	}
	writeJSON(w, http.StatusOK, out)
}

// writeText and writeJSON leave write errors to net/http, which closes the
// connection.
func writeText(w http.ResponseWriter, status int, text string) {
	w.Header().Set("Content-Type", "text/plain; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(text))
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	b, err := json.Marshal(v)
	if err != nil {
		panic("BUG: admin: cannot encode an answer: " + err.Error())
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	_, _ = w.Write(append(b, '\n'))
}
