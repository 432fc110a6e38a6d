//go:build integration

package clients

import (
	"encoding/json"
	"path/filepath"
	"strings"
)

// mcLife: mc sends signed chunks with a signed trailer over http, whose last line it ends in a way of its own.
func mcLife(c *session) {
	c.env = append(c.env, "MC_CONFIG_DIR="+c.path("mc"), "MC_NO_COLOR=1", "MC_HOST_p="+strings.Replace(c.url, "://", "://"+c.proxy.AccessKey+":"+c.proxy.SecretKey+"@", 1))
	ca, err := filepath.Abs(c.caFile)
	must(c.T, err)
	c.file("mc/certs/CAs/proxy.pem", readFile(c.T, ca))
	mc := func(args ...string) result { c.Helper(); return c.run("mc", append([]string{"--json"}, args...)...) }
	p := "p/" + c.bucket
	mc("mb", p)
	up := func() result { return mc("mirror", "--attr", "note="+c.marker, c.treeDir, p+"/tree") }
	first := up()
	want := c.tree.under("tree/")
	c.store.holds(want)
	if out := mc("diff", c.treeDir, p+"/tree").stdout; len(out) != 0 {
		c.Errorf("diff shows %s", out)
	}
	c.idle(first, up(), `"source"`)
	down := func() result { return mc("mirror", p+"/tree", c.path("down")) }
	first = down()
	c.tree.sameIn(c.T, c.path("down"))
	c.idle(first, down(), `"source"`)

	mc("cp", "--checksum", "SHA256", "--attr", "note="+c.marker, c.treeDir+"/size/17m+3", p+"/parts")
	mc("cp", "--checksum", "CRC32C", c.treeDir+"/size/1025", p+"/sum")
	want["parts"], want["sum"] = c.tree["size/17m+3"], c.tree["size/1025"]
	var stat struct {
		Size     int
		Metadata map[string]string
	}
	must(c.T, json.Unmarshal(mc("stat", p+"/parts").stdout, &stat))
	if stat.Size != len(want["parts"]) || stat.Metadata["X-Amz-Meta-Note"] != c.marker {
		c.Errorf("stat says %+v", stat)
	}
	if got := c.run("mc", "cat", p+"/parts").stdout; string(got) != string(want["parts"]) {
		c.Errorf("cat gave %d other bytes", len(got))
	}
	// A copy at the server: what mc reads of it afterwards is what a peer lost.
	mc("cp", p+"/parts", p+"/copied")
	mc("cp", "--recursive", p+"/tree/plus/", p+"/copies/")
	want["copied"], want["copies/a+b c++.txt"] = want["parts"], want["tree/plus/a+b c++.txt"]
	if got := c.run("mc", "cat", p+"/copied").stdout; string(got) != string(want["copied"]) {
		c.Errorf("cat of the copy gave %d other bytes", len(got))
	}
	stream := c.tree["size/17m+3"]
	c.feed(stream, "mc", "pipe", p+"/stream")
	mc("mv", p+"/tree/nfd/cafe\u0301.txt", p+"/moved/caf\u00e9 #1.txt")
	want["stream"], want["moved/caf\u00e9 #1.txt"] = stream, want["tree/nfd/cafe\u0301.txt"]
	delete(want, "tree/nfd/cafe\u0301.txt")
	c.store.holds(want)

	mc("rm", p+"/parts")
	mc("rm", "--recursive", "--force", p+"/")
	c.store.empty()
}
