package server

import (
	"strings"
	"testing"
)

// TestCompleteIfMatchOfNothing: If-Match speaks of an object that is there. Where there is
// none, Complete says so as PUT does, and nobody tries again for ever.
func TestCompleteIfMatchOfNothing(t *testing.T) {
	for name, last := range map[string][]byte{"stream object": []byte("small"), "multipart object": pattern(5 * mib)} {
		t.Run(name, func(t *testing.T) {
			g := newRig(t)
			etag := g.put("/bkt/other", []byte("x")).header.Get("ETag")
			u := g.begin("/bkt/absent", nil)
			c := u.completeCall(listed{1, u.part(1, last)})
			c.header = map[string]string{"if-match": etag}
			g.want(g.do(c), 404, "NoSuchKey")
			g.want(g.do(call{method: "PUT", target: "/bkt/absent", body: []byte("x"), header: map[string]string{"if-match": etag}}), 404, "NoSuchKey")
			if g.store.stored("bkt", "absent") != nil {
				t.Error("an object was stored")
			}
		})
	}
}

// TestUploadPartCopyLooksForTheBucketFirst: of two things that are wrong S3 tells that one.
func TestUploadPartCopyLooksForTheBucketFirst(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("x"))
	source := map[string]string{"x-amz-copy-source": "Copy-Source"}
	g.want(g.do(call{method: "PUT", target: "/nowhere/k?partNumber=1&uploadId=x", header: source}), 404, "NoSuchBucket")
	g.want(g.do(call{method: "PUT", target: "/bkt/k?partNumber=1&uploadId=x", header: source}), 400, "InvalidArgument")
}

// TestShortStreamSaysWhatIsWrong: the chunks are cut, or the declared length is wrong.
func TestShortStreamSaysWhatIsWrong(t *testing.T) {
	g := newRig(t)
	for wire, says := range map[string]string{
		"A\r\n":                                 "The request body terminated unexpectedly",
		"A\r\ndummy data\r\n":                   "The request body terminated unexpectedly",
		"b\r\nabcdefghijk\r\n0\r\n\r\n":         "You did not provide the number of bytes specified by the Content-Length HTTP header",
		"5\r\nabcde\r\n5\r\nabcde\r\n0\r\n\r\n": "Only the last chunk is allowed to have a size less than 8192 bytes</Message><Chunk>2</Chunk><BadChunkSize>5</BadChunkSize>",
	} {
		a := g.do(call{method: "PUT", target: "/bkt/k", body: []byte(wire), sha: unsignedTrailer, noMD5: true, header: map[string]string{"x-amz-decoded-content-length": "200"}})
		if a.status != 400 || !strings.Contains(string(a.body), says) {
			t.Errorf("%q: %d %s", wire, a.status, a.body)
		}
	}
	if g.store.stored("bkt", "k") != nil {
		t.Error("an object was stored")
	}
}

// TestRemovalOfABucketWithVersionsSaysSo: a listing of names does not show what is left.
func TestRemovalOfABucketWithVersionsSaysSo(t *testing.T) {
	const all = "You must delete all versions in the bucket."
	for versioning, told := range map[string]bool{"": false, "Enabled": true} {
		v := &keepsVersions{memory: newMemory("bkt")}
		v.versioning["bkt"] = versioning
		g := newRig(t, func(c *Config) { c.Backend = v })
		g.put("/bkt/k", []byte("x"))
		a := g.do(call{method: "DELETE", target: "/bkt"})
		g.want(a, 409, "BucketNotEmpty")
		if strings.Contains(string(a.body), all) != told {
			t.Errorf("versioning %q: %s", versioning, a.body)
		}
	}
}
