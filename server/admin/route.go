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

// route is one row of the path table.
type route struct {
	path      string // ends with / for everything below it
	protected bool
	limit     time.Duration // for writing the answer
	serve     http.HandlerFunc
}

// routes is every path there is; TestEveryRoute walks it.
func (s *Server) routes() []route {
	return []route{
		{"/healthz", false, writeTimeout, s.health},
		{"/readyz", false, writeTimeout, s.ready},
		{"/metrics", false, writeTimeout, s.figures},
		{"/api/v1/key/status", true, writeTimeout, s.keyStatus},
		{"/debug/pprof", true, writeTimeout, toIndex},
		{"/debug/pprof/", true, maxProfile + writeTimeout, timed(pprof.Index)}, // and the named profiles
		{"/debug/pprof/profile", true, maxProfile + writeTimeout, timed(pprof.Profile)},
		{"/debug/pprof/trace", true, maxProfile + writeTimeout, timed(pprof.Trace)},
		{"/debug/pprof/symbol", true, writeTimeout, pprof.Symbol},
		// No cmdline: nobody needs it, and it shows what was typed.
		{"/debug/pprof/cmdline", true, writeTimeout, http.NotFound},
	}
}

// toIndex adds the slash: the index links to the profiles by relative paths.
func toIndex(w http.ResponseWriter, r *http.Request) {
	http.Redirect(w, r, "/debug/pprof/", http.StatusMovedPermanently)
}

func (s *Server) handler() http.Handler {
	exact, below := map[string]route{}, map[string]route{}
	for _, r := range s.routes() {
		if strings.HasSuffix(r.path, "/") {
			below[r.path] = r
		}
		exact[r.path] = r
	}
	// No http.ServeMux: it redirects unclean paths, and here they do not exist.
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		h := w.Header()
		h.Set("Cache-Control", "no-store")
		h.Set("X-Content-Type-Options", "nosniff")
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
		case route.protected && !s.authorized(r):
			s.authFailed()
			s.log.Warn().Str("path", route.path).Str("remote", r.RemoteAddr).Msg("refused an admin request: wrong or missing token")
			h.Set("WWW-Authenticate", `Bearer realm="s3-crypt-proxy"`)
			http.Error(w, "unauthorized", http.StatusUnauthorized)
			return
		case r.Method != http.MethodGet && r.Method != http.MethodHead:
			h.Set("Allow", "GET, HEAD")
			http.Error(w, "method not allowed", http.StatusMethodNotAllowed)
			return
		}
		// A writer without deadlines is a test's recorder.
		_ = http.NewResponseController(w).SetWriteDeadline(time.Now().Add(route.limit))
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
