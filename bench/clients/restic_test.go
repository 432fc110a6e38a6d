//go:build integration

package clients

import (
	"os"
	"path/filepath"
)

// resticLife: restic seals by itself, in files of its own; what matters is that its repository stays whole.
func resticLife(c *session) {
	c.env = append(c.env, "RESTIC_REPOSITORY=s3:"+c.url+"/"+c.bucket+"/repo", "RESTIC_PASSWORD="+c.marker, "RESTIC_CACHE_DIR="+c.path("cache"))
	restic := func(args ...string) result {
		c.Helper()
		return c.run("restic", append([]string{"--cacert", c.caFile, "-o", "s3.bucket-lookup=path"}, args...)...)
	}
	// Its second backup is of a changed tree in the same place.
	live := c.path("live")
	c.tree.write(c.T, live)
	restic("init")
	restic("backup", live)
	restic("check", "--read-data")
	restic("restore", "latest", "--target", c.path("first"))
	c.tree.sameIn(c.T, filepath.Join(c.path("first"), live))

	second := c.tree.and(files{"new": body(c.marker, 3<<20), "size/1024": body(c.marker, 5000)})
	delete(second, "size/17m+3")
	second.write(c.T, live)
	must(c.T, os.Remove(filepath.Join(live, "size", "17m+3")))
	restic("backup", live)
	restic("forget", "--keep-last", "1", "--prune")
	restic("check", "--read-data")
	restic("restore", "latest", "--target", c.path("second"))
	second.sameIn(c.T, filepath.Join(c.path("second"), live))
	c.store.sizes()
}
