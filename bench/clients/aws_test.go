//go:build integration

package clients

import (
	"encoding/json"
	"os"
	"regexp"
	"strconv"
	"strings"
)

// awsLife: aws-cli sends bodies above 8 MiB in parts, and over https with a declared length and an unsigned payload.
func awsLife(c *session) {
	aws := func(args ...string) result {
		c.Helper()
		return c.run("aws", append([]string{"--endpoint-url", c.url}, args...)...)
	}
	s3 := "s3://" + c.bucket
	aws("s3", "mb", s3)
	up := func() result { return aws("s3", "sync", "--metadata", "note="+c.marker, c.treeDir, s3+"/tree") }
	first := up()
	want := c.tree.under("tree/")
	c.store.holds(want)
	aws("s3", "cp", "--recursive", "--only-show-errors", s3+"/tree", c.path("down"))
	c.tree.sameIn(c.T, c.path("down"))

	// The second sync has nothing to do, in either direction.
	c.idle(first, up(), "upload:")
	down := func() result { return aws("s3", "sync", s3+"/tree", c.path("synced")) }
	first = down()
	c.tree.sameIn(c.T, c.path("synced"))
	c.idle(first, down(), "download:")
	aws("s3", "cp", "--recursive", "--only-show-errors", c.path("synced"), s3+"/again")
	want = want.and(c.tree.under("again/"))

	listed := regexp.MustCompile(`(?m)^\S+ \S+ +(\d+) (.*)$`).FindAllStringSubmatch(string(aws("s3", "ls", "--recursive", s3+"/").stdout), -1)
	if len(listed) != len(want) {
		c.Errorf("ls shows %d objects, not %d", len(listed), len(want))
	}
	for _, l := range listed {
		if b, ok := want[l[2]]; !ok || strconv.Itoa(len(b)) != l[1] {
			c.Errorf("ls shows %q with %s bytes", l[2], l[1])
		}
	}

	// Checksums of the plaintext, and metadata.
	sent := c.tree["size/1m+7"]
	local := c.treeDir + "/size/1m+7"
	aws("s3api", "put-object", "--bucket", c.bucket, "--key", "sum", "--body", local, "--checksum-algorithm", "SHA256", "--metadata", "note="+c.marker)
	var head struct {
		ContentLength  int
		ChecksumSHA256 string
		Metadata       map[string]string
	}
	must(c.T, json.Unmarshal(aws("s3api", "head-object", "--bucket", c.bucket, "--key", "sum", "--checksum-mode", "ENABLED").stdout, &head))
	if head.ContentLength != len(sent) || head.ChecksumSHA256 != sha256Of(sent) || head.Metadata["note"] != c.marker {
		c.Errorf("head-object says %+v", head)
	}
	aws("s3api", "get-object", "--bucket", c.bucket, "--key", "sum", "--checksum-mode", "ENABLED", c.path("sum"))
	c.sameFile("sum", sent)
	want["sum"] = sent

	// A presigned URL is for anybody.
	url := strings.TrimSpace(string(aws("s3", "presign", s3+"/tree/plus/a+b c++.txt").stdout))
	if got := c.run("curl", "-fsS", "--cacert", c.caFile, url).stdout; string(got) != string(c.tree["plus/a+b c++.txt"]) {
		c.Errorf("the presigned URL gave %d other bytes", len(got))
	}

	// A length nobody knows, a copy at the server in parts, a move.
	long := c.tree["size/17m+3"]
	c.feed(long, "aws", "--endpoint-url", c.url, "s3", "cp", "--only-show-errors", "-", s3+"/stream")
	aws("s3", "cp", "--only-show-errors", s3+"/tree/size/17m+3", s3+"/copied")
	aws("s3", "mv", "--only-show-errors", s3+"/tree/nfd/cafe\u0301.txt", s3+"/moved/caf\u00e9 #1.txt")
	want["stream"], want["copied"], want["moved/caf\u00e9 #1.txt"] = long, long, want["tree/nfd/cafe\u0301.txt"]
	delete(want, "tree/nfd/cafe\u0301.txt")
	c.store.holds(want)

	aws("s3", "rm", "--recursive", "--only-show-errors", s3+"/")
	c.store.empty()
}

// sameFile compares a file in the client's home.
func (c *session) sameFile(name string, want []byte) {
	c.Helper()
	got, err := os.ReadFile(c.path(name))
	if err != nil || string(got) != string(want) {
		c.Errorf("%s came back with %d bytes that are not the %d sent, %v", name, len(got), len(want), err)
	}
}
