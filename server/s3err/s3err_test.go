package s3err

import (
	"encoding/xml"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"strconv"
	"strings"
	"testing"
)

// declared reads the constants of code.go: a code without a row would be a 500.
func declared(t *testing.T) []Code {
	t.Helper()
	f, err := parser.ParseFile(token.NewFileSet(), "code.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	var codes []Code
	ast.Inspect(f, func(n ast.Node) bool {
		if v, ok := n.(*ast.ValueSpec); ok && len(v.Values) == 1 {
			if lit, ok := v.Values[0].(*ast.BasicLit); ok {
				s, _ := strconv.Unquote(lit.Value)
				codes = append(codes, Code(s))
			}
		}
		return true
	})
	return codes
}

func TestEveryCodeHasARow(t *testing.T) {
	codes := declared(t)
	if len(codes) != len(table) {
		t.Errorf("%d codes, %d rows", len(codes), len(table))
	}
	for _, c := range codes {
		if r, ok := table[c]; !ok || r.status < 400 || r.message == "" {
			t.Errorf("%s: %+v", c, r)
		}
	}
}

func TestNoStatusThatPBSTakesForFinal(t *testing.T) {
	for c, r := range table {
		if r.status == 429 || r.status == 502 || r.status == 408 {
			t.Errorf("%s answers %d", c, r.status)
		}
	}
}

func TestUnknownCodeIs500(t *testing.T) {
	if s := Code("Nonsense").Status(); s != 500 {
		t.Errorf("%d", s)
	}
}

func TestDocument(t *testing.T) {
	const want = xml.Header + `<Error><Code>NoSuchKey</Code><Message>The key does not exist.</Message><Resource>/b/a&lt;&amp;&gt;</Resource><RequestId>id1</RequestId></Error>`
	got := AppendXML(nil, Wrap(NoSuchKey, errors.New("secret cause"), ""), "/b/a<&>", "id1")
	if string(got) != want {
		t.Errorf("got  %s\nwant %s", got, want)
	}
}

func TestDocumentIsAlwaysXML(t *testing.T) {
	for _, resource := range []string{"", "/b/\x00\x01\xff", strings.Repeat("ä", 5000), "]]><!--", "\u2028"} {
		doc := AppendXML([]byte{}, New(InvalidURI, "bad \x02 %s", resource), resource, "id")
		var e struct{ Code, Message, Resource, RequestId string }
		if err := xml.Unmarshal(doc, &e); err != nil || e.Code != "InvalidURI" || e.RequestId != "id" {
			t.Errorf("%q: %v: %s", resource, err, doc)
		}
		if len(e.Resource) > maxResource*3 {
			t.Errorf("a resource of %d bytes", len(e.Resource))
		}
	}
}

func TestCauseStaysInTheLog(t *testing.T) {
	cause := errors.New("backend key abc")
	e := Wrap(InternalError, cause, "")
	if !errors.Is(e, cause) || !strings.Contains(e.Error(), "abc") {
		t.Error("the cause is lost")
	}
	if strings.Contains(string(AppendXML(nil, e, "", "")), "abc") {
		t.Error("the cause is shown to the client")
	}
}

func TestFrom(t *testing.T) {
	if e := From(fmt.Errorf("cannot x: %w", New(SlowDown, "wait"))); e.Code != SlowDown || e.Message != "wait" {
		t.Errorf("%+v", e)
	}
	if e := From(errors.New("x")); e.Code != InternalError || e.Message == "" {
		t.Errorf("%+v", e)
	}
}
