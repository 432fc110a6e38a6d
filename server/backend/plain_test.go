package backend

import (
	"encoding/xml"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// node is a document's element, with its text if it has no children.
type node struct {
	XMLName xml.Name
	Text    string `xml:",chardata"`
	Nodes   []node `xml:",any"`
}

// trimmed leaves the text of nodes without children alone, and the local names.
func trimmed(n node) node {
	out := node{XMLName: xml.Name{Local: n.XMLName.Local}}
	if len(n.Nodes) == 0 {
		out.Text = n.Text
	}
	for _, c := range n.Nodes {
		out.Nodes = append(out.Nodes, trimmed(c))
	}
	return out
}

// tree reads the element that was entered with the name.
func tree(p *plain, name string) (node, error) {
	n := node{XMLName: xml.Name{Local: name}}
	leaf := *p
	leaf.open = slices.Clone(p.open)
	if text, err := leaf.value(); err == nil {
		*p, n.Text = leaf, text
		return n, nil
	}
	err := children(p, func(name string) error {
		c, err := tree(p, name)
		n.Nodes = append(n.Nodes, c)
		return err
	})
	if err == nil && n.Nodes == nil {
		err = errNotPlain // a text that value has just refused
	}
	return n, err
}

var plainDocuments = []string{
	listDoc(last), listDoc(last + listed("a", 1)), listDoc("<EncodingType>url</EncodingType><CommonPrefixes><Prefix>a%2F</Prefix></CommonPrefixes>" + listed("a&amp;&lt;&#x20;&#10;&quot;", 3)),
	versionsDocument(last + version("a", "i", 1) + marker("a", "j")),
	"<a/>", "<a></a>", "<a b=\"c\" xmlns:x=\"y\" x:z='w'>\n <b/>\n<c >d</c></a>\n", "<a>é&#233;€</a>", "<?xml version=\"1.0\"?>\n<a>]]</a>", "<a><b>&apos;&#128512;</b></a>",
}

var otherDocuments = []string{
	"<a><![CDATA[b]]></a>", "<a><!-- b --></a>", "<x:a xmlns:x='y'></x:a>", "<a>\r\n</a>", "<!DOCTYPE a><a/>", "<a>&b;</a>", "<a>&#0;</a>", "<a>&#xD800;</a>", "<a>\x00</a>", "<a>\xff</a>", "<a>]]></a>",
	"<a>b</A>", "<a></a><b/>", "<a>b", "<a b=c/>", "<a b='&lt;'/>", "<a>b</a >", "", "a", "<", "<a", "</a>", "<a>&lt</a>", "<a>&#x110000;</a>", "\ufeff<a/>", "<a>\ufffe</a>", strings.Repeat("<a>", 20) + strings.Repeat("</a>", 20),
}

// FuzzPlainIsWhatXMLIs: what the scanner takes, encoding/xml takes for the same.
func FuzzPlainIsWhatXMLIs(f *testing.F) {
	for _, s := range append(slices.Clone(plainDocuments), otherDocuments...) {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, doc string) {
		p := newPlain(doc)
		name, ok, err := p.enter()
		if err != nil || !ok {
			return
		}
		got, err := tree(p, name)
		if err != nil || p.end() != nil {
			return
		}
		var want node
		if err := xml.Unmarshal([]byte(doc), &want); err != nil {
			t.Fatalf("%q is taken for %+v, and is no XML: %v", doc, got, err)
		}
		if want = trimmed(want); !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %+v, not %+v", doc, want, got)
		}
		p = newPlain(doc)
		p.enter()
		if err := errors.Join(p.skip(), p.end()); err != nil {
			t.Fatalf("%q cannot be skipped: %v", doc, err)
		}
	})
}

// FuzzListingIsReadOneWay: both readers of documents make the same of one, or refuse it.
func FuzzListingIsReadOneWay(f *testing.F) {
	for _, s := range append(slices.Clone(plainDocuments), otherDocuments...) {
		f.Add(s, false)
		f.Add(s, true)
		f.Add(listDoc(s+last), false)
	}
	f.Fuzz(func(t *testing.T, doc string, versions bool) {
		root := objectsRoot
		if versions {
			root = versionsRoot
		}
		read := func(e elements) (*listing, error) {
			l := &listing{versions: versions}
			err := readElements(e, root, func(e elements) error {
				return children(e, func(name string) error { return l.read(e, name) })
			})
			return l, err
		}
		got, err := read(newPlain(doc))
		if errors.Is(err, errNotPlain) {
			return
		}
		want, oracle := read(&parsed{d: xml.NewDecoder(strings.NewReader(doc))})
		if (err == nil) != (oracle == nil) && err == nil {
			t.Fatalf("%q is taken, and %v", doc, oracle)
		}
		if err == nil && !reflect.DeepEqual(got, want) {
			t.Fatalf("%q is %+v, not %+v", doc, want, got)
		}
	})
}

// TestPlainTakesWhatStoresWrite, and leaves all else to encoding/xml, which it must not be slower for.
func TestPlainTakesWhatStoresWrite(t *testing.T) {
	for i, doc := range append(slices.Clone(plainDocuments), otherDocuments...) {
		p := newPlain(doc)
		_, ok, err := p.enter()
		if err == nil && ok {
			err = errors.Join(p.skip(), p.end())
		}
		plain := err == nil && ok
		if want := i < len(plainDocuments); plain != want && !strings.Contains(doc, "='") {
			t.Errorf("%q: plain is %v", doc, plain)
		}
	}
}

// TestListingInAnyXML: what is not plain is read by encoding/xml, to the same end.
func TestListingInAnyXML(t *testing.T) {
	want := listDoc(last + "<Prefix/>" + listed("a&amp;b", 7) + listed("c", 1))
	for name, doc := range map[string]string{
		"CDATA":       strings.Replace(want, "a&amp;b", "<![CDATA[a&b]]>", 1),
		"half CDATA":  strings.Replace(want, "a&amp;b", "a<![CDATA[&b]]>", 1),
		"comment":     strings.Replace(want, last, "<!-- x -->"+last, 1),
		"line ends":   strings.Replace(want, last, "\r\n"+last+"\r\n", 1),
		"prefixes":    strings.NewReplacer("<?", "<?", "xmlns=", "xmlns:s=", "</", "</s:", "<", "<s:").Replace(want),
		"byte mark":   "\ufeff" + want,
		"upper case":  strings.NewReplacer("<Key>", "<KEY>", "</Key>", "</KEY>", "Contents", "CONTENTS").Replace(want),
		"self closed": strings.Replace(want, last, "<Delimiter/>"+last, 1),
		"end tags":    strings.ReplaceAll(want, "</Key>", "</Key >"),
		"indented":    strings.ReplaceAll(want, "><", ">\n  <"),
	} {
		s := newScript(t, reply(200, doc))
		p, err := newTestClient(t, s.URL).List(t.Context(), "bucket", ListOptions{})
		if err != nil || len(p.Objects) != 2 || p.Objects[0].Key != "a&b" || p.Objects[0].Size != 7 || p.Objects[1].Key != "c" {
			t.Errorf("%s: %+v, %v\n%s", name, p, err, doc)
		}
	}
}

// TestListingSaysThingsOnce: and in the form that they have. Whatever is otherwise may hide entries.
func TestListingSaysThingsOnce(t *testing.T) {
	for name, doc := range map[string]string{
		"two flags":         listDoc("<IsTruncated>true</IsTruncated>" + last + listed("a", 1)),
		"two keys":          listDoc(last + strings.Replace(listed("a", 1), "<Key>a</Key>", "<Key>a</Key><Key>b</Key>", 1)),
		"two sizes":         listDoc(last + strings.Replace(listed("a", 1), "<Size>1</Size>", "<Size>1</Size><Size>2</Size>", 1)),
		"flag is no flag":   listDoc("<IsTruncated>maybe</IsTruncated>" + listed("a", 1)),
		"flag is empty":     listDoc("<IsTruncated/>" + listed("a", 1)),
		"element in a key":  listDoc(last + listed("a<b/>c", 1)),
		"text beside":       listDoc(last + "and so on" + listed("a", 1)),
		"text in an entry":  listDoc(last + strings.Replace(listed("a", 1), "<Size>", "x<Size>", 1)),
		"two documents":     listDoc(last) + listDoc(last+listed("a", 1)),
		"unknown reference": listDoc(last + listed("a&b;", 1)),
		"not closed":        listDoc(last + "<Contents><Key>a</Key>"),
		"crossed":           listDoc(last + strings.Replace(listed("a", 1), "</Size>", "</Key>", 1)),
		"only numbers lack": "<ListBucketResult><KeyCount/></ListBucketResult>",
		"space in a size":   listDoc(last + strings.Replace(listed("a", 1), ">1<", "> 1<", 1)),
	} {
		s := newScript(t, reply(200, doc))
		p, err := newTestClient(t, s.URL).List(t.Context(), "bucket", ListOptions{})
		if p != nil || KindOf(err) != Busy {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestPrefixesMayShareAnElement: some stores write all into one.
func TestPrefixesMayShareAnElement(t *testing.T) {
	s := newScript(t, reply(200, listDoc(last+"<CommonPrefixes><Prefix>a/</Prefix><Prefix>b/</Prefix></CommonPrefixes>")))
	p, err := newTestClient(t, s.URL).List(t.Context(), "bucket", ListOptions{Delimiter: "/"})
	if err != nil || !slices.Equal(p.CommonPrefixes, []string{"a/", "b/"}) {
		t.Errorf("%+v, %v", p, err)
	}
}

// thousand is a page of 1,000 names as stores write it.
func thousand() string {
	var b strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&b, "<Contents><Key>.chunks/0a1b/0a1b%060x</Key><LastModified>2026-06-05T10:20:30.000Z</LastModified><ETag>&#34;9bb58f26192e4ba00f01e2e7b136bbd8&#34;</ETag><Size>%d</Size><StorageClass>STANDARD</StorageClass><Owner><ID>x</ID></Owner></Contents>", i, i)
	}
	return listDoc(last + "<EncodingType>url</EncodingType>" + b.String())
}

// BenchmarkReadListing reads a page of 1,000 names by the scanner, and by encoding/xml.
func BenchmarkReadListing(b *testing.B) {
	doc := []byte(thousand())
	for name, reader := range map[string]func() elements{
		"plain": func() elements { return newPlain(string(doc)) },
		"xml":   func() elements { return &parsed{d: xml.NewDecoder(strings.NewReader(string(doc)))} },
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(doc)))
			b.ReportAllocs()
			for b.Loop() {
				var l listing
				err := readElements(reader(), objectsRoot, func(e elements) error {
					return children(e, func(name string) error { return l.read(e, name) })
				})
				if err != nil || len(l.entries) != 1000 {
					b.Fatal(len(l.entries), err)
				}
			}
		})
	}
}
