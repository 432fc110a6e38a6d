package server

import (
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// directories is a fake of a store made of files, over the store in memory: no content
// under a name that ends in a slash, one ETag for all that lies there.
type directories struct {
	*memory
	refused int  // writes of content under such a name
	lose    bool // the next marker gets the answer of a retry whose first attempt had worked
}

// newDirectories is a rig on such a store.
func newDirectories(t *testing.T, change ...func(*Config)) (*rig, *directories) {
	t.Helper()
	d := &directories{}
	g := newRig(t, append(change, func(c *Config) {
		d.memory = c.Backend.(*memory)
		c.Backend = d
	})...)
	return g, d
}

func (d *directories) Put(ctx context.Context, bucket, key string, body io.Reader, size int64, cond backend.Conditions) (backend.Written, error) {
	if strings.HasSuffix(key, "/") && size > 0 {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.refused++
		return backend.Written{}, &backend.Error{Kind: backend.Busy, Op: "PutObject", Status: 400, Code: "DirectoryObjectContainsData", Message: "no data in directories"}
	}
	w, err := d.memory.Put(ctx, bucket, key, body, size, cond)
	if err == nil && d.lose && strings.HasSuffix(key, "/") {
		d.lose = false
		return backend.Written{}, fault4(backend.Precondition, "Put")
	}
	return w, err
}

func (d *directories) CreateUploadWith(ctx context.Context, bucket, key string, with backend.Attributes) (string, error) {
	if strings.HasSuffix(key, "/") {
		return "", &backend.Error{Kind: backend.Busy, Op: "CreateMultipartUpload", Status: 400, Code: "DirectoryObjectContainsData", Message: "no data in directories"}
	}
	return d.memory.CreateUploadWith(ctx, bucket, key, with)
}

func (d *directories) Get(ctx context.Context, bucket, key string, opt backend.GetOptions) (*backend.Object, error) {
	return hinting(d.memory.Get(ctx, bucket, key, opt))
}

func (d *directories) HeadVersion(ctx context.Context, bucket, key, version string) (*backend.Object, error) {
	return hinting(d.memory.HeadVersion(ctx, bucket, key, version))
}

// hinting gives what is stored as user metadata back, as the backend's client does.
func hinting(o *backend.Object, err error) (*backend.Object, error) {
	if err == nil {
		if block, err := base64.StdEncoding.DecodeString(o.BlockHint); err == nil && len(block) > 0 {
			o.Hint = block
		}
	}
	return o, err
}

// TestFolderMarkers: an empty object under a name that ends in a slash is what it is
// elsewhere, on a store that keeps nothing there.
func TestFolderMarkers(t *testing.T) {
	for name, change := range map[string]func(*Config){
		"plain": func(*Config) {}, "md5": func(c *Config) { c.ETags = ETagMD5 }, "hints": func(c *Config) { c.BlockHint = true },
		"sealed names": func(c *Config) { c.SealNames = []string{"*"} }, "padded": func(c *Config) { c.PadSizes = []string{"*"} },
		"large blocks": func(c *Config) { c.BlockSize = 4096 },
	} {
		t.Run(name, func(t *testing.T) {
			g, d := newDirectories(t, change)
			header := map[string]string{"content-type": "application/x-directory", "x-amz-meta-mode": "16877", "x-amz-tagging": "a=b", "x-amz-checksum-crc32": "AAAAAA=="}
			made := g.do(call{method: "PUT", target: "/bkt/dir/", header: header})
			g.want(made, 200, "")
			if d.refused != 1 {
				t.Errorf("refused %d times", d.refused)
			}
			for key, o := range g.store.buckets["bkt"] {
				if strings.HasSuffix(key, "/") && (len(o.data) != 0 || o.with.BlockHint == "" || len(o.with.BlockHint)+len("scpx-block") > 2048 || o.with.Tagging != "a=b") {
					t.Errorf("stored as %d bytes, %+v", len(o.data), o.with)
				}
			}
			shown := func(target string) {
				t.Helper()
				for _, c := range []call{{method: "GET"}, {method: "HEAD"}, {method: "GET", header: map[string]string{"if-match": made.header.Get("ETag")}},
					{method: "HEAD", header: map[string]string{checksumMode: "ENABLED"}}, {method: "HEAD", target: "?partNumber=1"}} {
					c.target = target + c.target
					a := g.do(c)
					if g.want(a, 200, ""); len(a.body) != 0 || a.header.Get("Content-Length") != "0" || a.header.Get("Content-Type") != "application/x-directory" ||
						a.header.Get("x-amz-meta-mode") != "16877" || a.header.Get("ETag") != made.header.Get("ETag") {
						t.Errorf("%s %s: %v %q", c.method, c.target, a.header, a.body)
					}
					if c.header[checksumMode] != "" && a.header.Get("x-amz-checksum-crc32") != "AAAAAA==" {
						t.Errorf("%s %s: %v", c.method, c.target, a.header)
					}
				}
				g.want(g.do(call{method: "GET", target: target, header: map[string]string{"range": "bytes=0-9"}}), 416, "InvalidRange")
				g.want(g.do(call{method: "HEAD", target: target, header: map[string]string{"if-none-match": made.header.Get("ETag")}}), 304, "")
				a := g.do(call{method: "GET", target: target + "?attributes", header: map[string]string{"x-amz-object-attributes": "ObjectSize,Checksum"}})
				if g.want(a, 200, ""); !strings.Contains(string(a.body), "<ObjectSize>0</ObjectSize>") || !strings.Contains(string(a.body), "AAAAAA==") {
					t.Errorf("attributes: %s", a.body)
				}
			}
			shown("/bkt/dir/")
			if name == "md5" && made.header.Get("ETag") != `"d41d8cd98f00b204e9800998ecf8427e"` {
				t.Errorf("ETag %s", made.header.Get("ETag"))
			}
			g.put("/bkt/dir/file", []byte("content"))
			list := g.list("&prefix=dir/")
			if len(list.Contents) != 2 || list.Contents[0].Key != "dir/" || list.Contents[0].Size != 0 || list.Contents[0].ETag != made.header.Get("ETag") {
				t.Errorf("listed: %+v", list)
			}
			if g.value("foreign_objects_listed_total") != 0 {
				t.Error("a folder marker is counted as foreign")
			}
			// Copies: of a marker to a marker, to an object, back from it, onto itself, into another bucket.
			copied := func(from, to string, header map[string]string) {
				t.Helper()
				h := map[string]string{"x-amz-copy-source": from}
				for k, v := range header {
					h[k] = v
				}
				g.want(g.do(call{method: "PUT", target: to, header: h}), 200, "")
			}
			copied("/bkt/dir/", "/bkt/twin/", nil)
			shown("/bkt/twin/")
			copied("/bkt/dir/", "/other/dir/", nil)
			shown("/other/dir/")
			copied("/bkt/dir/", "/bkt/object", nil)
			copied("/bkt/object", "/bkt/back/", nil)
			shown("/bkt/back/")
			if a := g.get("/bkt/object"); a.status != 200 || a.header.Get("x-amz-meta-mode") != "16877" {
				t.Errorf("%d %v", a.status, a.header)
			}
			copied("/bkt/dir/", "/bkt/dir/", map[string]string{"x-amz-metadata-directive": "REPLACE", "x-amz-meta-mode": "16893"})
			if a := g.do(call{method: "HEAD", target: "/bkt/dir/"}); a.header.Get("x-amz-meta-mode") != "16893" {
				t.Errorf("%d %v", a.status, a.header)
			}
			copied("/bkt/dir/", "/bkt/summed/", map[string]string{"x-amz-checksum-algorithm": "SHA256"})
			g.want(g.do(call{method: "PUT", target: "/bkt/none/", header: map[string]string{"x-amz-copy-source": "/bkt/dir/", "x-amz-copy-source-if-match": `"x-s"`}}), 412, "")

			g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"if-none-match": "*"}}), 412, "")
			g.want(g.do(call{method: "PUT", target: "/bkt/new/", header: map[string]string{"if-none-match": "*"}}), 200, "")
			g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"if-match": g.get("/bkt/dir/").header.Get("ETag")}}), 200, "")
			// What has content is refused as it was, and leaves the marker.
			g.want(g.do(call{method: "PUT", target: "/bkt/dir/", body: []byte("x")}), 400, "DirectoryObjectContainsData")
			g.want(g.do(call{method: "PUT", target: "/bkt/dir/", body: pattern(100_000)}), 400, "DirectoryObjectContainsData")
			g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"x-amz-copy-source": "/bkt/dir/file"}}), 400, "DirectoryObjectContainsData")
			if name != "padded" {
				g.want(g.do(call{method: "POST", target: "/bkt/dir/?uploads"}), 400, "DirectoryObjectContainsData")
			}
			g.want(g.do(call{method: "HEAD", target: "/bkt/dir/"}), 200, "")
			g.want(g.do(call{method: "DELETE", target: "/bkt/dir/", header: map[string]string{"x-amz-if-match-size": "1"}}), 412, "")
			g.want(g.do(call{method: "DELETE", target: "/bkt/dir/"}), 204, "")
			g.want(g.do(call{method: "GET", target: "/bkt/dir/"}), 404, "NoSuchKey")
		})
	}
}

// TestFoldersWithoutAContentType are told by it all the same; nothing else is.
func TestFoldersWithoutAContentType(t *testing.T) {
	g := newRig(t)
	d, _ := newDirectories(t)
	for target, want := range map[string]string{"/bkt/dir/": folderContentType, "/bkt/full/": defaultContentType, "/bkt/empty": defaultContentType, "/bkt/said/": "text/plain"} {
		var body []byte
		header := map[string]string{}
		switch target {
		case "/bkt/full/":
			body = []byte("x")
		case "/bkt/said/":
			header["content-type"] = "text/plain"
		}
		for _, rig := range []*rig{g, d} {
			if rig == d && body != nil {
				continue // it has no such folders
			}
			rig.want(rig.do(call{method: "PUT", target: target, header: header, body: body}), 200, "")
			for _, method := range []string{"GET", "HEAD"} {
				if a := rig.do(call{method: method, target: target}); a.header.Get("Content-Type") != want {
					t.Errorf("%s %s: %q", method, target, a.header.Get("Content-Type"))
				}
			}
		}
	}
}

// TestFolderMarkersOnlyWhereTheyMust: a store that keeps content under such names gets the
// object as any other.
func TestFolderMarkersOnlyWhereTheyMust(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/dir/", nil)
	if o := g.store.buckets["bkt"]["dir/"]; len(o.data) != 1024+16 || o.with.BlockHint != "" {
		t.Errorf("%d bytes, %+v", len(o.data), o.with)
	}
	g.put("/bkt/dir/", []byte("content"))
	if a := g.get("/bkt/dir/"); string(a.body) != "content" {
		t.Errorf("%d %q", a.status, a.body)
	}
}

// TestForgedFolderMarkerIsRefused: on every verb, whatever the backend makes of it.
func TestForgedFolderMarkerIsRefused(t *testing.T) {
	g, d := newDirectories(t, func(c *Config) { c.ETags = ETagMD5 })
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"x-amz-meta-a": "1"}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/other/", header: map[string]string{"x-amz-meta-a": "2"}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/other/dir/"}), 200, "")
	g.put("/bkt/empty", nil)
	g.put("/bkt/file", pattern(100))
	bkt := d.buckets["bkt"]
	good := bkt["dir/"].with.BlockHint
	flipped := []byte(good)
	flipped[600] ^= 4
	refused := func(key string) {
		t.Helper()
		for _, c := range []call{{method: "GET"}, {method: "HEAD"}, {method: "GET", header: map[string]string{"range": "bytes=0-0"}},
			{method: "GET", target: "?attributes", header: map[string]string{"x-amz-object-attributes": "ObjectSize"}}} {
			c.target = "/bkt/" + key + c.target
			if a := g.do(c); a.status != 500 {
				t.Errorf("%s %s: %d %v", c.method, c.target, a.status, a.header)
			}
		}
		if a := g.do(call{method: "PUT", target: "/bkt/copy/", header: map[string]string{"x-amz-copy-source": "/bkt/" + key}}); a.status != 500 {
			t.Errorf("copied: %d", a.status)
		}
		if d.stored("bkt", "copy/") != nil {
			t.Error("a copy was made of what does not open")
		}
	}
	for what, value := range map[string]string{
		"stripped": "", "junk": "xxxx", "another folder's": bkt["other/"].with.BlockHint, "another bucket's": d.buckets["other"]["dir/"].with.BlockHint,
		"flipped": string(flipped), "an object's": base64.StdEncoding.EncodeToString(bkt["file"].data[:1024]), "cut": base64.StdEncoding.EncodeToString(make([]byte, 512)),
	} {
		bkt["dir/"].with.BlockHint = value
		t.Log(what)
		refused("dir/")
		// Nobody is told that it is stored already, and nothing that may be another marker is written over.
		g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"if-none-match": "*"}}), 500, "InternalError")
		if list := g.list("&prefix=dir/"); len(list.Contents) != 1 || list.Contents[0].Size != 0 {
			t.Errorf("%s: %+v", what, list)
		}
	}
	bkt["dir/"].with.BlockHint = good
	g.want(g.get("/bkt/dir/"), 200, "")
	// A hint beside no content is no object where there could have been content, and bytes are not passed over for a hint.
	bkt["file"].data, bkt["file"].with.BlockHint = nil, base64.StdEncoding.EncodeToString(bkt["empty"].data[:1024])
	refused("file")
	bkt["empty"].with.BlockHint = base64.StdEncoding.EncodeToString(bkt["empty"].data[:1024])
	bkt["empty"].data = nil
	refused("empty")
	bkt["dir/"].data = []byte("content")
	refused("dir/")
	// Who writes it anew has it again.
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"x-amz-meta-a": "3"}}), 200, "")
	if a := g.get("/bkt/dir/"); a.status != 200 || a.header.Get("x-amz-meta-a") != "3" {
		t.Errorf("%d %v", a.status, a.header)
	}
}

// TestFolderMarkerHasRoomForSoMuch: metadata that user metadata has no room for is refused
// in S3's words, whatever the bucket's blocks hold, and nothing is stored.
func TestFolderMarkerHasRoomForSoMuch(t *testing.T) {
	g, d := newDirectories(t, func(c *Config) { c.BlockSize = 4096 })
	for size, want := range map[int]int{700: 200, 900: 400, 1900: 400} {
		key := fmt.Sprintf("dir%d/", size)
		a := g.do(call{method: "PUT", target: "/bkt/" + key, header: map[string]string{"x-amz-meta-a": strings.Repeat("x", size)}})
		if a.status != want || want == 400 && (a.code() != "MetadataTooLarge" || !strings.Contains(string(a.body), "874")) {
			t.Errorf("%d bytes: %d %s", size, a.status, a.body)
		}
		if (d.stored("bkt", key) != nil) != (want == 200) && want != 200 {
			t.Errorf("%d bytes: stored", size)
		}
	}
}

// TestFolderMarkerSurvivesALostAnswer: a PUT with a condition whose answer was lost is
// known again by what it stored.
func TestFolderMarkerSurvivesALostAnswer(t *testing.T) {
	g, d := newDirectories(t)
	g.put("/bkt/first", nil)
	d.lose = true
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"if-none-match": "*"}}), 200, "")
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/", header: map[string]string{"if-none-match": "*"}}), 412, "")
}

// TestFolderMarkerNeedsNoWindow: the empty object can be sent again however short the
// budget is.
func TestFolderMarkerNeedsNoWindow(t *testing.T) {
	g, _ := newDirectories(t)
	g.put("/bkt/first", nil)
	st := g.engine.Stats()
	res, err := g.engine.Reserve(context.Background(), st.Budget/4*3+1)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Release()
	g.want(g.do(call{method: "PUT", target: "/bkt/dir/"}), 200, "")
	if a := g.get("/bkt/dir/"); a.status != 200 || !bytes.Equal(a.body, nil) {
		t.Errorf("%d", a.status)
	}
}
