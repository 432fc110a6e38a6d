//go:build integration

package clients

import (
	"encoding/json"
	"fmt"
	"strings"
)

// rcloneLife: rclone compares an ETag of 32 hex digits with the MD5 of what it sent, and removes the upload if they
// differ.
func rcloneLife(c *session) {
	c.rcloneRemote()
	rclone := func(args ...string) result { c.Helper(); return c.run("rclone", args...) }
	p := "p:" + c.bucket
	rclone("mkdir", p)
	up := func() result {
		return rclone("sync", "-v", "--metadata", "--metadata-set", "note="+c.marker, c.treeDir, p+"/tree")
	}
	first := up()
	want := c.tree.under("tree/")
	c.store.holds(want)
	c.rcloneCheck(len(want), "--download", c.treeDir, p+"/tree")
	c.rcloneCheck(len(want), c.treeDir, p+"/tree")
	c.rcloneHashes(p)
	c.idle(first, up(), "Copied")
	down := func() result { return rclone("sync", "-v", p+"/tree", c.path("down")) }
	first = down()
	c.tree.sameIn(c.T, c.path("down"))
	c.idle(first, down(), "Copied")

	var listed []struct {
		Path string
		Size int
	}
	must(c.T, json.Unmarshal(rclone("lsjson", "--recursive", "--files-only", p).stdout, &listed))
	if len(listed) != len(want) {
		c.Errorf("lsjson shows %d objects, not %d", len(listed), len(want))
	}
	for _, l := range listed {
		if b, ok := want[l.Path]; !ok || len(b) != l.Size {
			c.Errorf("lsjson shows %q with %d bytes", l.Path, l.Size)
		}
	}

	// An upload of unknown length, copies and moves at the server.
	stream := c.tree["size/17m+3"]
	c.feed(stream, "rclone", "rcat", p+"/stream")
	c.feed(stream[:7], "rclone", "rcat", p+"/short stream")
	rclone("copyto", p+"/tree/size/17m+3", p+"/copied")
	rclone("moveto", p+"/tree/nfd/cafe\u0301.txt", p+"/moved/caf\u00e9 #1.txt")
	want["stream"], want["short stream"], want["copied"], want["moved/caf\u00e9 #1.txt"] = stream, stream[:7], stream, want["tree/nfd/cafe\u0301.txt"]
	delete(want, "tree/nfd/cafe\u0301.txt")
	c.store.holds(want)

	// A move to this machine takes away what it copied.
	rclone("move", p+"/tree", c.path("moved"))
	left := c.tree.and(nil)
	delete(left, "nfd/cafe\u0301.txt")
	left.sameIn(c.T, c.path("moved"))
	for name := range left {
		delete(want, "tree/"+name)
	}
	c.store.holds(want)

	rclone("purge", p+"/moved")
	rclone("delete", p)
	c.store.empty()
}

// rcloneRemote makes the remote p, which sends what is larger than 5 MiB in parts of 5 MiB.
func (c *session) rcloneRemote() {
	c.env = append(c.env, "RCLONE_CONFIG=/dev/null", "RCLONE_CONFIG_P_TYPE=s3", "RCLONE_CONFIG_P_PROVIDER=Other", "RCLONE_CONFIG_P_ENDPOINT="+c.url,
		"RCLONE_CONFIG_P_ACCESS_KEY_ID="+c.proxy.AccessKey, "RCLONE_CONFIG_P_SECRET_ACCESS_KEY="+c.proxy.SecretKey, "RCLONE_CA_CERT="+c.caFile,
		"RCLONE_S3_UPLOAD_CUTOFF=5M", "RCLONE_S3_CHUNK_SIZE=5M", "RCLONE_RETRIES=1", "RCLONE_LOW_LEVEL_RETRIES=1")
}

// rcloneCheck finds the same files on both sides; with --download it compares bytes and not only sizes.
func (c *session) rcloneCheck(files int, args ...string) {
	c.Helper()
	if r := c.run("rclone", append([]string{"check"}, args...)...); !strings.Contains(r.stderr, fmt.Sprintf(" %d matching files", files)) {
		c.Errorf("check does not tell of %d matching files:\n%s", files, tail(r.stderr))
	}
}

// rcloneHashes: with the default ETags rclone has hashes of what it uploaded in parts alone, which it keeps as metadata.
// Where ETags are MD5s it has one of every object, and sees by it that nothing changed; and the rclone of other providers,
// which takes the ETag of an upload in parts to be S3's, works.
func (c *session) rcloneHashes(p string) {
	c.Helper()
	without := 0 // objects without a hash
	sums := map[string]string{}
	for name, b := range c.tree {
		sums[name] = md5Of(b)
		if !c.setting.md5 && len(b) < 5<<20 {
			sums[name], without = strings.Repeat(" ", 32), without+1
		}
	}
	out := string(c.run("rclone", "hashsum", "MD5", p+"/tree").stdout)
	for line := range strings.Lines(out) {
		if line = strings.TrimSuffix(line, "\n"); len(line) > 34 && sums[line[34:]] == line[:32] {
			delete(sums, line[34:])
		}
	}
	if len(sums) != 0 {
		c.Errorf("%d hashes are not as they should be, among them %v:\n%s", len(sums), sums, tail(out))
	}
	told := strings.Contains(c.run("rclone", "check", c.treeDir, p+"/tree").stderr, fmt.Sprintf("%d hashes could not be checked", without))
	if told != (without != 0) {
		c.Errorf("check tells of %d hashes that it could not check: %t", without, told)
	}
	first := c.run("rclone", "sync", "--checksum", "-v", c.treeDir, p+"/checked")
	c.idle(first, c.run("rclone", "sync", "--checksum", "-v", c.treeDir, p+"/checked"), "Copied")
	c.run("rclone", "purge", p+"/checked")

	r := c.try(nil, "rclone", "copyto", "--s3-use-multipart-etag=true", c.treeDir+"/size/17m+3", p+"/etag")
	if c.setting.md5 != (r.err == nil) || !c.setting.md5 && !strings.Contains(r.stderr, "multipart upload corrupted: Etag differ") {
		c.Errorf("an upload in parts whose ETag is held to be S3's: %v\n%s", r.err, tail(r.stderr))
	}
	c.run("rclone", "delete", p, "--include", "/etag")
}
