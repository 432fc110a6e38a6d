package server

import (
	"bufio"
	"encoding/xml"
	"fmt"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// TestMalformedDocuments: what is no S3 document, or one made to be expensive, gets S3's
// answer, takes bounded memory and never reaches the backend.
func TestMalformedDocuments(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("stays"))
	laughs := `<!DOCTYPE d [<!ENTITY a "ha">`
	for i := 'b'; i < 'm'; i++ {
		laughs += fmt.Sprintf(`<!ENTITY %c "%s">`, i, strings.Repeat(fmt.Sprintf("&%c;", i-1), 10))
	}
	laughs += "]>"
	fill := func(piece string, n int) string { return strings.Repeat(piece, n/len(piece)) }
	const size = maxDeleteBody - 4096
	bombs := func(root, inner string) map[string]string {
		return map[string]string{
			"entity expansion":   laughs + "<" + root + ">" + strings.Replace(inner, "%", "&l;", 1) + "</" + root + ">",
			"external entity":    `<!DOCTYPE d [<!ENTITY l SYSTEM "file:///etc/passwd">]><` + root + ">" + strings.Replace(inner, "%", "&l;", 1) + "</" + root + ">",
			"deep nesting":       "<" + root + ">" + fill("<a>", size),
			"deep in an entry":   "<" + root + ">" + strings.Split(inner, "%")[0] + fill("<a>", size),
			"many attributes":    "<" + root + " " + fill(`a="" `, size),
			"a name without end": "<" + root + fill("a", size),
			"text without end":   "<" + root + ">" + fill("a", size),
			"a comment":          "<" + root + "><!--" + fill("a ", size),
			"many instructions":  fill("<?a b?>", size) + "<" + root + ">",
			"another encoding":   `<?xml version="1.0" encoding="UTF-16"?><` + root + ">",
			"not UTF-8":          "<" + root + ">" + strings.Replace(inner, "%", "\xff\xfe", 1) + "</" + root + ">",
			"a NUL":              "<" + root + ">" + strings.Replace(inner, "%", "\x00", 1) + "</" + root + ">",
			"a NUL by number":    "<" + root + ">" + strings.Replace(inner, "%", "&#0;", 1) + "</" + root + ">",
			"another root":       "<Other/>",
			"not XML":            "{}",
		}
	}
	before := g.store.count()
	for target, bombs := range map[string]map[string]string{
		"POST /bkt/?delete":            bombs("Delete", "<Object><Key>%</Key></Object>"),
		"PUT /newbucket":               bombs("CreateBucketConfiguration", "<Tags><Tag><Key>%</Key></Tag></Tags>"),
		"POST /bkt/k?uploadId=nothing": bombs("CompleteMultipartUpload", "<Part><PartNumber>1</PartNumber><ETag>%</ETag></Part>"),
	} {
		method, path, _ := strings.Cut(target, " ")
		for name, doc := range bombs {
			c := call{method: method, target: path, body: []byte(doc)}
			var start, end runtime.MemStats
			runtime.ReadMemStats(&start)
			a := g.do(c)
			runtime.ReadMemStats(&end)
			if a.status != 400 || a.code() != "MalformedXML" {
				t.Errorf("%s, %s: %d %s %.200s", target, name, a.status, a.code(), a.body)
			}
			// With what the test itself takes: the document, signed, read and decoded.
			if took := end.TotalAlloc - start.TotalAlloc; took > 64<<20 {
				t.Errorf("%s, %s: %d MiB", target, name, took>>20)
			}
			if len(a.body) > 4<<10 {
				t.Errorf("%s, %s: an answer of %d bytes", target, name, len(a.body))
			}
		}
	}
	var list strings.Builder
	for n := 1; n <= 10_001; n++ {
		fmt.Fprintf(&list, "<Part><PartNumber>%d</PartNumber><ETag>x</ETag></Part>", n)
	}
	g.want(g.do(call{method: "POST", target: "/bkt/k?uploadId=x", body: []byte("<CompleteMultipartUpload>" + list.String() + "</CompleteMultipartUpload>")}), 400, "MalformedXML")
	if got := g.store.callsSince(before); len(got) != 0 {
		t.Fatalf("the backend was asked: %v", got)
	}
}

// TestListOfPartsIsBounded: what a part of the list has beside number, ETag and checksum
// is passed over, and not kept.
func TestListOfPartsIsBounded(t *testing.T) {
	list := func(fill string) []byte {
		return []byte("<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>x</ETag>" + fill + "</Part></CompleteMultipartUpload>")
	}
	doc := list(strings.Repeat("<a/>", maxDeleteBody/4))
	kept := func(parse func() any) uint64 {
		var start, end runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&start)
		out := parse()
		runtime.GC()
		runtime.ReadMemStats(&end)
		runtime.KeepAlive(out)
		return max(end.HeapAlloc, start.HeapAlloc) - start.HeapAlloc
	}
	took := kept(func() any {
		d := newXML(doc)
		for {
			token, err := d.Token()
			if err != nil {
				t.Fatal(err)
			}
			if start, ok := token.(xml.StartElement); ok && start.Name.Local == "Part" {
				var p listedPart
				if err := d.DecodeElement(&p, &start); err != nil {
					t.Fatal(err)
				}
				return &p
			}
		}
	})
	if took > 1<<20 {
		t.Errorf("of a part of %d KiB %d KiB are kept", len(doc)>>10, took>>10)
	}
	for fill, ok := range map[string]bool{
		"<Size>5</Size><Other><ChecksumCRC32>?</ChecksumCRC32></Other>": true,
		"<ChecksumCRC32>AAAAAA==</ChecksumCRC32>":                       true,
		strings.Repeat("<ChecksumCRC32>AAAAAA==</ChecksumCRC32>", 2):    false,
		"<ChecksumCRC32>?</ChecksumCRC32>":                              false,
		"<ChecksumCRC32><a/></ChecksumCRC32>":                           false,
	} {
		if _, err := parseParts(list(fill)); (err == nil) != ok {
			t.Errorf("%s: %v", fill, err)
		}
	}
}

// TestMalformedRequests: the same of targets, lengths and chunks.
func TestMalformedRequests(t *testing.T) {
	g := newRig(t)
	g.put("/bkt/k", []byte("stays"))
	for target, code := range map[string]string{
		"/bkt/%": "InvalidURI", "/bkt/%z1": "InvalidURI", "/bkt/%2": "InvalidURI", "/bkt/%00": "InvalidURI", "/bkt/a%00b": "InvalidURI", "/bkt/%ff": "InvalidURI",
		"/bkt/%ed%a0%80": "InvalidURI", "/bkt/k?prefix=%zz": "InvalidURI", "/bkt/%01": "InvalidArgument", "/bkt/%ef%bf%be": "InvalidArgument",
		"/bkt/" + strings.Repeat("k", 1025): "KeyTooLongError", "/bkt/" + strings.Repeat("%C3%A9", 513): "KeyTooLongError",
		"/BKT/k": "InvalidBucketName", "/b/k": "InvalidBucketName", "//k": "InvalidBucketName", "/bkt?max-keys=1&max-keys=2": "InvalidArgument",
		"/bkt?max-keys=-1": "InvalidArgument", "/bkt?max-keys=99999999999999999999": "InvalidArgument", "/bkt/k?partNumber=-1": "InvalidArgument", "/bkt/k?partNumber=99999999999999999999": "InvalidArgument",
	} {
		a := g.do(call{method: "GET", target: "/bkt/k", edit: func(h string) string { return h }})
		g.want(a, 200, "") // the proxy goes on
		before := g.store.count()
		func() {
			defer func() {
				if recover() != nil { // what cannot even be signed is sent unsigned
					a = g.ask("GET", target)
				}
			}()
			a = g.do(call{method: "GET", target: target})
		}()
		if a.status/100 != 4 || a.code() != code && a.code() != "AccessDenied" {
			t.Errorf("GET %.80s: %d %s, want %s", target, a.status, a.code(), code)
		}
		if got := g.store.callsSince(before); len(got) != 0 && !strings.Contains(target, "partNumber") {
			t.Fatalf("GET %.80s: the backend was asked: %v", target, got)
		}
	}
	before := g.store.count()
	// Lengths of what is inside aws-chunked, and HTTP's chunks around it.
	for name, f := range map[string]struct{ length, wire string }{
		"negative length":           {"-5", "5\r\n5\r\nhello\r\n"},
		"length with a sign":        {"+5", "5\r\n5\r\nhello\r\n"},
		"length above 64 bits":      {"99999999999999999999", "5\r\nhello\r\n0\r\n\r\n"},
		"length that is no number":  {"5x", "5\r\nhello\r\n0\r\n\r\n"},
		"HTTP chunk above 64 bits":  {"5", "fffffffffffffffff\r\nhello\r\n0\r\n\r\n"},
		"HTTP chunk of 2^63":        {"5", "8000000000000000\r\nhello\r\n0\r\n\r\n"},
		"negative HTTP chunk":       {"5", "-5\r\nhello\r\n0\r\n\r\n"},
		"HTTP chunk of no digits":   {"5", "\r\nhello\r\n0\r\n\r\n"},
		"chunk above 64 bits":       {"5", chunked("fffffffffffffffff\r\nhello\r\n0\r\n\r\n")},
		"chunk of 2^63":             {"5", chunked("8000000000000000\r\nhello\r\n0\r\n\r\n")},
		"negative chunk":            {"5", chunked("-5\r\nhello\r\n0\r\n\r\n")},
		"more than the length":      {"5", chunked("6\r\nhello!\r\n0\r\n\r\n")},
		"less than the length":      {"5", chunked("4\r\nhell\r\n0\r\n\r\n")},
		"a chunk line without end":  {"5", chunked(strings.Repeat("0", 9000))},
		"an extension without end":  {"5", chunked("5;" + strings.Repeat("x", 9000) + "\r\nhello\r\n0\r\n\r\n")},
		"a trailer nobody promised": {"5", chunked("5\r\nhello\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n")},
	} {
		c := call{method: "PUT", target: "/bkt/k", sha: unsignedTrailer, header: map[string]string{
			"content-length": "", "transfer-encoding": "chunked", "content-encoding": "aws-chunked", "x-amz-decoded-content-length": f.length}}
		conn := g.dial()
		go conn.Write(append(c.raw(g.addr), f.wire...))
		a := readAnswer(t, bufio.NewReader(conn), "PUT")
		conn.Close()
		if a.status/100 != 4 || a.code() == "" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
		}
	}
	for _, got := range g.store.callsSince(before) {
		if !strings.HasPrefix(got, "Get bkt/") && !strings.HasPrefix(got, "List bkt/") {
			t.Errorf("the backend was asked to %s", got)
		}
	}
	if a := g.get("/bkt/k"); string(a.body) != "stays" {
		t.Fatalf("the object is %q", a.body)
	}
	// Headers without number.
	conn := g.dial()
	go conn.Write(call{method: "GET", target: "/bkt/k", edit: func(h string) string { return h + strings.Repeat("a: b\r\n", 100_000) }}.raw(g.addr))
	if a := readAnswer(t, bufio.NewReader(conn), "GET"); a.status != 400 || !a.close {
		t.Errorf("a bomb of headers: %d", a.status)
	}
}

// chunked is a body in HTTP's chunked transfer coding.
func chunked(body string) string {
	return strconv.FormatInt(int64(len(body)), 16) + "\r\n" + body + "\r\n0\r\n\r\n"
}
