package s3err

import (
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"
)

// declared reads the constants of code.go: a code without a row would be a 500.
func declared(t *testing.T) map[string]Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]Code{}
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if literal, ok := v.Values[0].(*ast.BasicLit); ok {
				s, _ := strconv.Unquote(literal.Value)
				codes[v.Names[0].Name] = Code(s)
			}
		}
		return true
	})
	return codes
}

func TestEveryCodeHasARow(t *testing.T) {
	codes := declared(t)
	if len(codes) != len(table) || len(codes) < 40 {
		t.Errorf("%d codes, %d rows", len(codes), len(table))
	}
	seen := map[string]Code{}
	for name, c := range codes {
		r, ok := table[c]
		if !ok || r.status < 400 || r.status > 599 || r.message == "" {
			t.Errorf("%s: %+v", c, r)
		}
		if name != string(c) && c != InvalidName { // which S3 has no word for
			t.Errorf("%s is named %s", c, name)
		}
		if other, ok := seen[r.message]; ok {
			t.Errorf("%s and %s have one message", c, other)
		}
		seen[r.message] = c
		if c.Status() != r.status || c.Message() != r.message {
			t.Errorf("%s: %d %q", c, c.Status(), c.Message())
		}
	}
}

func TestNoStatusThatPBSTakesForFinal(t *testing.T) {
	for c, r := range table {
		// 408 and 504 too: the first is final, the second claims a gateway
		// where clients expect a store.
		if slices.Contains([]int{408, 429, 502, 504}, r.status) {
			t.Errorf("%s answers %d", c, r.status)
		}
	}
}

// The statuses of the Amazon S3 API reference; all others are 400.
func TestStatuses(t *testing.T) {
	want := map[int][]Code{
		403: {AccessDenied, AccessForbidden, InvalidAccessKeyId, InvalidObjectState, RequestTimeTooSkewed, SignatureDoesNotMatch},
		404: {NoSuchBucket, NoSuchKey, NoSuchUpload, NoSuchVersion},
		405: {MethodNotAllowed},
		409: {BucketAlreadyExists, BucketAlreadyOwnedByYou, BucketNotEmpty, ConditionalRequestConflict, OperationAborted},
		411: {MissingContentLength},
		412: {PreconditionFailed},
		416: {InvalidPartNumber, InvalidRange},
		500: {InternalError},
		501: {NotImplemented},
		503: {ServiceUnavailable, SlowDown},
	}
	got := map[int][]Code{}
	for _, c := range slices.Sorted(maps.Keys(table)) {
		if s := c.Status(); s != 400 {
			got[s] = append(got[s], c)
		}
	}
	if !maps.EqualFunc(got, want, slices.Equal) {
		t.Errorf("got  %v\nwant %v", got, want)
	}
}

func TestUnknownCodeIsAnInternalError(t *testing.T) {
	for _, c := range []Code{"", "Nonsense"} {
		if c.Status() != 500 || c.Message() != InternalError.Message() {
			t.Errorf("%q: %d %q", c, c.Status(), c.Message())
		}
	}
}

func TestGoldenDocument(t *testing.T) {
	const want = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" +
		`<Error><Code>NoSuchKey</Code><Message>The specified key does not exist.</Message>` +
		`<Resource>/b/a&lt;&amp;&gt;&#34;&#39; ü</Resource><RequestId>id1</RequestId></Error>`
	got := AppendXML([]byte("kept "), Wrap(NoSuchKey, errors.New("secret cause"), ""), `/b/a<&>"' ü`, "id1")
	if string(got) != "kept "+want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

// TestFixedTextsAreS3s: clients compare messages, so ours goes beside S3's.
func TestFixedTextsAreS3s(t *testing.T) {
	const want = `<Error><Code>NotImplemented</Code><Message>A header you provided implies functionality that is not implemented.</Message>` +
		`<Header>x</Header><additionalMessage>the operation &lt;x&gt; is not implemented</additionalMessage><Resource>/b</Resource><RequestId>id</RequestId></Error>`
	e := New(NotImplemented, "the operation <x> is not implemented").With("Header", "x")
	if got := string(AppendXML(nil, e, "/b", "id")); !strings.HasSuffix(got, want) {
		t.Errorf("got  %s\nwant %s", got, want)
	}
	if !strings.Contains(e.Error(), "the operation <x>") {
		t.Errorf("the log lost the details: %s", e)
	}
	for _, e := range []*Error{New(InvalidRequest, "own words"), Relayed(501, "NotImplemented", "own words"), Argument("max-keys", "-1", "own words")} {
		if got := string(AppendXML(nil, e, "/b", "id")); !strings.Contains(got, "<Message>own words</Message>") || strings.Contains(got, "additional") {
			t.Errorf("%s", got)
		}
	}
	a := string(AppendXML(nil, Argument("max-keys", "<1>", "own words"), "/b", "id"))
	if !strings.Contains(a, "<ArgumentName>max-keys</ArgumentName><ArgumentValue>&lt;1&gt;</ArgumentValue>") {
		t.Errorf("%s", a)
	}
}

// document is an error document as a client reads it.
type document struct {
	XMLName                            xml.Name `xml:"Error"`
	Code, Message, Resource, RequestId string
	Additional                         string `xml:"additionalMessage"`
}

// checkDocument holds a document to its promises.
func checkDocument(t *testing.T, e *Error, resource, id string) {
	t.Helper()
	doc := AppendXML(nil, e, resource, id)
	if !utf8.Valid(doc) || len(doc) > 600+6*(2*maxMessage+maxResource+maxRequestID) {
		t.Fatalf("%d bytes, UTF-8: %v", len(doc), utf8.Valid(doc))
	}
	decoder := xml.NewDecoder(strings.NewReader(string(doc)))
	var got document
	if err := decoder.Decode(&got); err != nil {
		t.Fatalf("%v: %s", err, doc)
	}
	if _, err := decoder.Token(); err != io.EOF {
		t.Fatalf("something follows the document: %v", err)
	}
	if got.Additional != "" {
		got.Message = got.Additional
	}
	for name, v := range map[string]struct{ got, in string }{
		"code": {got.Code, string(e.Code)}, "message": {got.Message, e.Message}, "resource": {got.Resource, resource}, "id": {got.RequestId, id},
	} {
		// A value that XML can carry comes back as it was, cut at a character.
		if plain := utf8.ValidString(v.in) && !strings.ContainsFunc(v.in, notXML); plain && !strings.HasPrefix(v.in, v.got) {
			t.Errorf("%s: got %q for %q", name, v.got, v.in)
		}
		if len(v.in) <= maxRequestID && utf8.RuneCountInString(v.got) != utf8.RuneCountInString(v.in) {
			t.Errorf("%s: got %q for %q", name, v.got, v.in)
		}
	}
}

// notXML says whether XML 1.0 has no place for a character (section 2.2).
func notXML(r rune) bool {
	return r < 0x20 && r != '\t' && r != '\n' && r != '\r' || r == 0xfffe || r == 0xffff || r == utf8.RuneError
}

func TestDocumentIsAlwaysXML(t *testing.T) {
	for _, s := range []string{
		"", "plain", "/b/\x00\x01\xff", "]]><!--", "<Error>", "&amp;", "\u2028\ufffe\uffff", "a\r\nb\tc", " x ",
		strings.Repeat("ä", 5000), "x" + strings.Repeat("€", 5000), strings.Repeat("\x80", 5000), strings.Repeat("<", 5000),
	} {
		checkDocument(t, New(InvalidURI, "bad %s", s), s, "id")
		checkDocument(t, New(Code(s), "bad"), "/", s)
	}
}

func FuzzAppendXML(f *testing.F) {
	f.Add("NoSuchKey", "message", "/b/k", "id")
	f.Add("", "<&>\"'", "\x00\xff\ufffe", "]]>")
	f.Fuzz(func(t *testing.T, code, message, resource, id string) {
		checkDocument(t, Wrap(Code(code), nil, message), resource, id)
	})
}

func TestCutKeepsCharactersWhole(t *testing.T) {
	for _, s := range []string{strings.Repeat("a", 50), strings.Repeat("é", 50), strings.Repeat("€", 50), strings.Repeat("😀", 50)} {
		for limit := 4; limit < 20; limit++ {
			got := cut(s, limit)
			if len(got) > limit || len(got) <= limit-utf8.UTFMax || !utf8.ValidString(got) || !strings.HasPrefix(s, got) {
				t.Errorf("%d: %q", limit, got)
			}
		}
	}
	if got := cut("short", 5); got != "short" {
		t.Errorf("got %q", got)
	}
}

func TestCauseStaysInTheLog(t *testing.T) {
	cause := errors.New("backend key abc")
	for _, e := range []*Error{Wrap(InternalError, cause, ""), Wrap(SlowDown, cause, "wait"), From(cause), From(fmt.Errorf("cannot x: %w", cause))} {
		if !errors.Is(e, cause) || !strings.Contains(e.Error(), "abc") {
			t.Errorf("%v: the cause is lost", e.Code)
		}
		if doc := string(AppendXML(nil, e, "/b/k", "id")); strings.Contains(doc, "abc") || strings.Contains(doc, "cannot") {
			t.Errorf("the cause is shown to the client: %s", doc)
		}
	}
}

func TestFrom(t *testing.T) {
	inner := New(SlowDown, "wait %d s", 2)
	if e := From(fmt.Errorf("cannot x: %w", inner)); e != inner || e.Message != "wait 2 s" || e.Cause != nil {
		t.Errorf("%+v", e)
	}
	var none *Error
	for _, err := range []error{errors.New("x"), nil, none} {
		if e := From(err); e == nil || e.Code != InternalError || e.Message != InternalError.Message() || e.Error() == "" {
			t.Errorf("%+v", e)
		}
	}
}

func TestEmptyMessageIsTheCodes(t *testing.T) {
	for c := range table {
		if e := New(c, ""); e.Message != c.Message() || e.Cause != nil {
			t.Errorf("%+v", e)
		}
		if e := Wrap(c, io.EOF, ""); e.Message != c.Message() || e.Cause != io.EOF {
			t.Errorf("%+v", e)
		}
	}
}
