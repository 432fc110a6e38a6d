package server

import (
	"bufio"
	"bytes"
	"strings"
	"testing"
)

// What real clients send and expect beyond the letter of the API; bench/clients runs
// the clients themselves.

// TestUserMetadataNamesAreLowerCaseOnTheWire: boto3 and aws-cli keep the case they get,
// and an object whose "note" came back as "Note" has lost it.
func TestUserMetadataNamesAreLowerCaseOnTheWire(t *testing.T) {
	g := newRig(t)
	g.want(g.do(call{method: "PUT", target: "/bkt/k", body: []byte("x"), header: map[string]string{"x-amz-meta-two-words": "v"}}), 200, "")
	for _, method := range []string{"HEAD", "GET"} {
		conn := g.dial()
		if _, err := conn.Write(call{method: method, target: "/bkt/k"}.raw(g.addr)); err != nil {
			t.Fatal(err)
		}
		var names []string
		for r := bufio.NewReader(conn); ; {
			line, err := r.ReadString('\n')
			if err != nil || line == "\r\n" {
				break
			}
			name, _, _ := strings.Cut(line, ":")
			names = append(names, name)
		}
		if all := strings.Join(names, " "); !strings.Contains(all, "x-amz-meta-two-words") {
			t.Errorf("%s: %s", method, all)
		}
	}
}

// TestListingMayAskForMetadata: minio's clients do, in every listing. It is an extension
// that S3 ignores.
func TestListingMayAskForMetadata(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	a := g.get("/bkt?list-type=2&metadata=true")
	if g.want(a, 200, ""); !bytes.Contains(a.body, []byte("<Key>k</Key>")) {
		t.Errorf("%s", a.body)
	}
}

// TestPartETagIsNotTakenForAnMD5: s3cmd compares the ETag of a part with the part's MD5
// unless it has a dash, and sends the part again and again. ETags that were given out
// without one stay good.
func TestPartETagIsNotTakenForAnMD5(t *testing.T) {
	g := newRig(t)
	u := g.begin("/bkt/k", nil)
	etag := u.part(1, []byte("only"))
	if !strings.Contains(etag, "-") || !strings.HasPrefix(etag, `"`) {
		t.Errorf("the part's ETag is %s", etag)
	}
	for _, form := range []string{etag, strings.Trim(etag, `"`), strings.ReplaceAll(etag, etagSuffix, "")} {
		g.want(u.complete(listed{1, form}), 200, "")
	}
	g.want(u.complete(listed{1, strings.Replace(etag, etagSuffix, "-t", 1)}), 400, "InvalidPart")
}
