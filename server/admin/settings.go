package admin

import "net/http"

// Setting is one value in force.
type Setting struct {
	Key    string `json:"key"`
	Value  string `json:"value"`          // a secret reads "redacted"
	Origin string `json:"origin"`         // where it came from, in words
	Next   string `json:"next,omitempty"` // what it is at the next start, if that differs
}

// Settings tells about the configuration in force.
type Settings interface{ Settings() []Setting }

func (s *Server) config(w http.ResponseWriter, _ *http.Request) {
	writeJSON(w, http.StatusOK, struct {
		Settings []Setting `json:"settings"`
	}{s.settings.Settings()})
}
