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
	c.wholeLife(interpreter, "boto3_life.py")
}

// javascriptLife runs javascript_life.mjs: the newest SDK adds a CRC to every body and proves those it gets.
func javascriptLife(c *session) {
	cache := os.Getenv("CLIENTS_CACHE")
	if cache == "" {
		c.Fatal("CLIENTS_CACHE is not set: make integration sets it, make clients fills it")
	}
	c.env = append(c.env, "CLIENTS_MODULES="+filepath.Join(cache, "js"))
	c.wholeLife("node", "javascript_life.mjs")
}

// script runs a step of a life that is written in the client's own language.
func (c *session) script(interpreter, file, step string) {
	c.Helper()
	here, err := os.Getwd()
	must(c.T, err)
	c.env = append(c.env, "CLIENTS_ENDPOINT="+c.url, "CLIENTS_BUCKET="+c.bucket, "CLIENTS_TREE="+c.treeDir, "CLIENTS_MARKER="+c.marker, "CLIENTS_HOME="+c.home)
	c.run(interpreter, filepath.Join(here, "lives", file), step)
}

// wholeLife runs a life that leaves its objects, and then removes them: what is in between is looked at here.
func (c *session) wholeLife(interpreter, file string) {
	c.Helper()
	c.script(interpreter, file, "live")
	want := c.tree.under("tree/")
	for name, size := range map[string]string{"parts": "size/17m+3", "stream": "size/17m+3", "copied": "size/17m+3", "sum": "size/1m+7", "copies/caf\u00e9 + #1%.txt": "plus/a+b c++.txt"} {
		want[name] = c.tree[size]
	}
	c.store.holds(want)
	c.script(interpreter, file, "leave")
	c.store.empty()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	must(t, err)
	return b
}
