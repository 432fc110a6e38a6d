//go:build integration

package clients

import (
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// s3cmdLife: s3cmd compares a single PUT's ETag with the MD5 of what it sent if it looks like one, and signs URLs with
// the old signature.
func s3cmdLife(c *session) {
	c.file(".s3cfg", fmt.Appendf(nil, "[default]\naccess_key = %s\nsecret_key = %s\nhost_base = %s\nhost_bucket = %s\nuse_https = %t\nca_certs_file = %s\nbucket_location = us-east-1\nmultipart_chunk_size_mb = 5\nprogress_meter = False\n",
		c.proxy.AccessKey, c.proxy.SecretKey, c.proxy.Address, c.proxy.Address, strings.HasPrefix(c.url, "https"), c.caFile))
	s3cmd := func(args ...string) result {
		c.Helper()
		r := c.run("s3cmd", args...)
		// It goes on after a wrong MD5, with a warning, and sends everything again.
		if strings.Contains(r.stderr, "WARNING") || strings.Contains(r.stderr, "ERROR") {
			c.Errorf("s3cmd %q complains:\n%s", args, tail(r.stderr))
		}
		return r
	}
	s3 := "s3://" + c.bucket
	s3cmd("mb", s3)
	up := func() result {
		return s3cmd("sync", "--add-header", "x-amz-meta-note:"+c.marker, c.treeDir+"/", s3+"/tree/")
	}
	first := up()
	want := c.tree.under("tree/")
	c.store.holds(want)
	c.idle(first, up(), "upload:")
	c.file("down/.keep", nil) // it must exist
	down := func() result { return s3cmd("sync", s3+"/tree/", c.path("down")+"/") }
	first = down()
	c.tree.and(files{".keep": nil}).sameIn(c.T, c.path("down"))
	c.idle(first, down(), "download:")

	listed := regexp.MustCompile(`(?m)^\S+ \S+ +(\d+) +`+regexp.QuoteMeta(s3)+`/(.*)$`).FindAllStringSubmatch(string(s3cmd("ls", "--recursive", s3+"/").stdout), -1)
	if len(listed) != len(want) {
		c.Errorf("ls shows %d objects, not %d", len(listed), len(want))
	}
	for _, l := range listed {
		if b, ok := want[l[2]]; !ok || strconv.Itoa(len(b)) != l[1] {
			c.Errorf("ls shows %q with %s bytes", l[2], l[1])
		}
	}

	if c.setting.md5 {
		for _, l := range regexp.MustCompile(`(?m)^\S+ \S+ +\d+ +([0-9a-f]{32}) +`+regexp.QuoteMeta(s3)+`/(.*)$`).FindAllStringSubmatch(string(s3cmd("ls", "--list-md5", "--recursive", s3+"/").stdout), -1) {
			if md5Of(want[l[2]]) != l[1] {
				c.Errorf("ls shows the MD5 %s of %q", l[1], l[2])
			}
			listed = listed[1:]
		}
		if len(listed) != 0 {
			c.Errorf("ls shows no MD5 of %d objects", len(listed))
		}
	}

	sent := c.tree["size/8m"]
	s3cmd("put", "--add-header", "x-amz-meta-note:"+c.marker, c.treeDir+"/size/8m", s3+"/parts")
	want["parts"] = sent
	info := string(s3cmd("info", s3+"/parts").stdout)
	for _, word := range []string{fmt.Sprintf("File size: %d", len(sent)), c.marker} {
		if !strings.Contains(info, word) {
			c.Errorf("info does not show %s:\n%s", word, info)
		}
	}
	s3cmd("get", s3+"/parts", c.path("parts"))
	c.sameFile("parts", sent)

	// Signature version 2 in a query is refused, and says so.
	signed, err := url.Parse(strings.TrimSpace(string(s3cmd("signurl", s3+"/parts", "+3600").stdout)))
	must(c.T, err)
	if !signed.Query().Has("Signature") {
		c.Errorf("signurl gave %s", signed)
	}
	refused := c.run("curl", "-sS", "--cacert", c.caFile, "-w", "\n%{http_code}", c.url+"/"+c.bucket+"/parts?"+signed.RawQuery)
	if out := string(refused.stdout); !strings.HasSuffix(out, "\n400") || !strings.Contains(out, "AWS4-HMAC-SHA256") {
		c.Errorf("a URL signed with version 2 gave %s", tail(out))
	}

	s3cmd("cp", s3+"/tree/plus/a+b c++.txt", s3+"/copy + 1.txt")
	s3cmd("mv", s3+"/tree/hash/#1?x=y&z.txt", s3+"/moved/#2%.txt")
	want["copy + 1.txt"], want["moved/#2%.txt"] = want["tree/plus/a+b c++.txt"], want["tree/hash/#1?x=y&z.txt"]
	delete(want, "tree/hash/#1?x=y&z.txt")
	c.store.holds(want)

	s3cmd("del", s3+"/parts")
	s3cmd("del", "--recursive", "--force", s3+"/")
	c.store.empty()
}
