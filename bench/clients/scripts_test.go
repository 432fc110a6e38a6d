//go:build integration

package clients

import (
	"os"
	"path/filepath"
	"testing"
)

// python is Debian's own: another one in the PATH has no boto3, or one of another age.
const python = "/usr/bin/python3"

// boto3Life runs boto3.py: over https boto3 declares no Content-Length and sends its checksum in a trailer.
func boto3Life(c *session) {
	interpreter := python
	if other := os.Getenv("CLIENTS_PYTHON"); other != "" {
		interpreter = other // with a newer boto3, on a machine that has one
	}
	c.script(interpreter, "boto3_life.py")
}

// javascriptLife runs javascript_life.mjs: the newest SDK adds a CRC to every body and proves those it gets.
func javascriptLife(c *session) {
	cache := os.Getenv("CLIENTS_CACHE")
	if cache == "" {
		c.Fatal("CLIENTS_CACHE is not set: make integration sets it, make clients fills it")
	}
	c.env = append(c.env, "CLIENTS_MODULES="+filepath.Join(cache, "js"))
	c.script("node", "javascript_life.mjs")
}

// script runs a life that is written in the client's own language. It leaves its objects, in want/ as files too, and
// then removes them: what is in between is looked at here.
func (c *session) script(interpreter, file string) {
	c.Helper()
	here, err := os.Getwd()
	must(c.T, err)
	c.env = append(c.env, "CLIENTS_ENDPOINT="+c.url, "CLIENTS_BUCKET="+c.bucket, "CLIENTS_TREE="+c.treeDir, "CLIENTS_MARKER="+c.marker, "CLIENTS_HOME="+c.home)
	path := filepath.Join(here, "lives", file)
	c.run(interpreter, path, "live")
	want := c.tree.under("tree/")
	for name, size := range map[string]string{"parts": "size/17m+3", "stream": "size/17m+3", "copied": "size/17m+3", "sum": "size/1m+7", "copies/caf\u00e9 + #1%.txt": "plus/a+b c++.txt"} {
		want[name] = c.tree[size]
	}
	c.store.holds(want)
	c.run(interpreter, path, "leave")
	c.store.empty()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}
