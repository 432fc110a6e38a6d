package admin

import (
	"embed"
	"net/http"
)

//go:embed page
var pageFiles embed.FS

// pageRoutes are the dashboard's files: what is the same for everybody and has no
// figure in it.
func pageRoutes() []route {
	file := func(path, name, kind string) route {
		content, err := pageFiles.ReadFile("page/" + name)
		if err != nil {
			panic("BUG: admin: " + err.Error())
		}
		return route{path, open, writeTimeout, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Content-Type", kind)
			_, _ = w.Write(content) // net/http closes the connection
		}}
	}
	return []route{
		file("/", "index.html", "text/html; charset=utf-8"),
		file("/assets/dashboard.css", "dashboard.css", "text/css; charset=utf-8"),
		file("/assets/dashboard.js", "dashboard.js", "text/javascript; charset=utf-8"),
		file("/assets/icon.svg", "icon.svg", "image/svg+xml"),
	}
}

// headers are on every answer. The page loads its own files and nothing else, talks to
// this listener alone, runs no code that is not in its file, and is in no other's frame.
var headers = [][2]string{
	{"Cache-Control", "no-store"},
	{"Content-Security-Policy", "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'"},
	{"Cross-Origin-Opener-Policy", "same-origin"},
	{"Cross-Origin-Resource-Policy", "same-origin"},
	{"Permissions-Policy", "camera=(), geolocation=(), microphone=()"},
	{"Referrer-Policy", "no-referrer"},
	{"X-Content-Type-Options", "nosniff"},
	{"X-Frame-Options", "DENY"},
}
