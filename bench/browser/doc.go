// Package browser tries the dashboard in a real browser, Debian's Chromium, against
// real processes. It is a module of its own so that the product's go.mod has none of
// what drives the browser. `make browser` runs it.
package browser
