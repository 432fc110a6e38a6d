//go:build integration

package clients

import (
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// TestArchivedObjects takes boto3 and aws-cli through an archive: what is in it cannot be read, HEAD, attributes and
// listings stay exact, and after RestoreObject every byte is back. The archive is a fake in front of the backend, made
// after S3's documentation: see rig.Archive.
func TestArchivedObjects(t *testing.T) {
	t.Parallel()
	if os.Getenv("CLIENTS_BACKEND") == "minio" {
		t.Skip("minio refuses the storage classes of an archive, whatever stands before it")
	}
	for _, with := range []setting{
		plain,
		{name: "`block_hint` and `sealed_names`", yaml: "encryption:\n  block_hint: true\n  sealed_names: [\"*\"]\n", sealedNames: true},
	} {
		t.Run(bucketName(with.name), func(t *testing.T) {
			var archive *rig.Archive
			s := startStackThrough(t, with, func(backend string) string {
				var err error
				archive, err = rig.StartArchive(backend)
				must(t, err)
				t.Cleanup(archive.Close)
				return archive.Address
			})
			c := newSession(t, s, "cold", "https")
			c.env = append(c.env, "CLIENTS_HINT="+strconv.FormatBool(strings.Contains(with.yaml, "block_hint: true")))
			c.script(python, "archive_life.py", "store")
			c.script(python, "archive_life.py", "frozen")
			c.script(python, "archive_life.py", "asked")
			// aws-cli goes by the class and the state that HEAD tells, and asks for no byte.
			get := []string{"--endpoint-url", c.url, "s3", "cp", "s3://" + c.bucket + "/cold/one", c.path("one")}
			if with == plain {
				if r := c.try(nil, "aws", get...); r.err == nil || !strings.Contains(r.stderr, "Object is of storage class GLACIER") {
					c.Errorf("aws-cli does not say that the object is in an archive: %v\n%s", r.err, r.stderr)
				}
			}
			archive.Thaw()
			if with == plain {
				c.run("aws", get...)
				c.sameFile("one", c.tree["size/1m+7"])
			}
			c.script(python, "archive_life.py", "thawed")
			c.store.empty()
		})
	}
}
