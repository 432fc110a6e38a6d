//go:build integration

package clients

import (
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// TestPaddedSizes: what docs/s3-compatibility.md says of clients in buckets whose listings show padded sizes.
func TestPaddedSizes(t *testing.T) {
	t.Parallel()
	s := startStack(t, setting{name: "`padded_sizes`", yaml: "encryption:\n  padded_sizes: [\"*\"]\n"})
	t.Run("aws-cli", func(t *testing.T) {
		c := newSession(t, s, "aws", "https")
		c.run("aws", "configure", "set", "s3.multipart_threshold", "5GB")
		aws := func(args ...string) result {
			c.Helper()
			return c.run("aws", append([]string{"--endpoint-url", c.url}, args...)...)
		}
		s3 := "s3://" + c.bucket
		aws("s3", "mb", s3)
		aws("s3", "cp", "--recursive", "--only-show-errors", c.treeDir, s3+"/tree")
		aws("s3", "cp", "--recursive", "--only-show-errors", s3+"/tree", c.path("down"))
		c.tree.sameIn(t, c.path("down"))
		c.padded("tree/")
	})
	t.Run("rclone", func(t *testing.T) {
		c := newSession(t, s, "rclone", "https")
		c.rcloneRemote()
		c.env = append(c.env, "RCLONE_S3_UPLOAD_CUTOFF=5G", "RCLONE_MULTI_THREAD_STREAMS=0")
		p := "p:" + c.bucket
		c.run("rclone", "mkdir", p)
		up := func() result { return c.run("rclone", "sync", "-v", c.treeDir, p+"/tree") }
		up()
		c.run("rclone", "copyto", p+"/tree", c.path("down"))
		c.tree.sameIn(t, c.path("down"))
		// It compares sizes, and so sends again what it finds with another one.
		if again := up(); !strings.Contains(again.stderr, "Copied") {
			t.Errorf("a second sync sends nothing: the documentation says otherwise\n%s", tail(again.stderr))
		}
		c.padded("tree/")
	})
}

// padded says that the listing of the tree shows padded sizes, and HEAD and GET the true ones.
func (c *session) padded(prefix string) {
	c.Helper()
	found := c.store.list(c.T, c.store.proxy)
	for key, b := range c.tree.under(prefix) {
		if found[key].size != format.PaddedSize(int64(len(b))) {
			c.Errorf("%q of %d bytes is listed with %d", key, len(b), found[key].size)
		}
		c.store.same(key, b, found[key].etag)
	}
}
