package server

import (
	"os"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/service/s3"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// documented is one operation as docs/s3-compatibility.md has it.
type documented struct {
	op, how        string
	method, target string // target as the document has it: /bucket/key?name
	copies         bool   // with x-amz-copy-source
}

// refused says whether the document has the operation answered 501.
func (d documented) refused() bool { return d.how == "not offered" || d.how == "cannot be right" }

// ofNoAPI are operations that S3 documents outside of its API's list.
var ofNoAPI = []string{"POST Object", "CORS preflight"}

// byConfiguration is the document's word for what is off unless asked for.
const byConfiguration = "by configuration"

// onAnotherHost have the request of another operation at a host of their own.
var onAnotherHost = []string{"ListDirectoryBuckets"}

var documentedRequest = regexp.MustCompile("`([A-Z]+) (/[^`]*)`( with `x-amz-copy-source`)?")

// readCompat reads the tables of the document's chapter on operations.
func readCompat(t *testing.T) []documented {
	t.Helper()
	doc, err := os.ReadFile("../docs/s3-compatibility.md")
	if err != nil {
		t.Fatal(err)
	}
	_, chapter, _ := strings.Cut(string(doc), "\n## Operations\n")
	chapter, _, _ = strings.Cut(chapter, "\n## ")
	var all []documented
	for line := range strings.Lines(chapter) {
		cells := strings.Split(strings.Trim(strings.TrimSpace(line), "|"), "|")
		if !strings.HasPrefix(line, "| ") || strings.TrimSpace(cells[0]) == "Operation" {
			continue
		}
		if len(cells) != 4 {
			t.Fatalf("a row with %d cells: %s", len(cells), line)
		}
		names := strings.Split(strings.TrimSpace(cells[0]), ", ")
		requests := documentedRequest.FindAllStringSubmatch(cells[1], -1)
		for i, name := range names {
			d := documented{op: name, how: strings.TrimSpace(cells[2])}
			if slices.Contains(onAnotherHost, name) {
				requests = slices.Insert(requests, i, nil)
			} else if i < len(requests) {
				d.method, d.target, d.copies = requests[i][1], requests[i][2], requests[i][3] != ""
			}
			all = append(all, d)
		}
		if len(requests) != len(names) {
			t.Errorf("%d operations with %d requests: %s", len(names), len(requests), line)
		}
	}
	return all
}

// TestCompatibilityTableIsWhole: every operation of S3's API is documented once, and
// every row of the route table is among those that are not refused.
func TestCompatibilityTableIsWhole(t *testing.T) {
	table := map[string]documented{}
	for _, d := range readCompat(t) {
		if _, twice := table[d.op]; twice {
			t.Errorf("%s stands twice", d.op)
		}
		if !slices.Contains([]string{"sealed", "passed on", "answered", byConfiguration}, d.how) && !d.refused() {
			t.Errorf("%s is %q, which is none of the document's words", d.op, d.how)
		}
		table[d.op] = d
	}
	known := map[string]bool{}
	api := reflect.TypeFor[*s3.Client]()
	for i := range api.NumMethod() {
		if m := api.Method(i); m.Type.NumIn() >= 3 && strings.HasSuffix(m.Type.In(2).String(), "Input") {
			known[m.Name] = true
			if _, ok := table[m.Name]; !ok {
				t.Errorf("%s is not documented", m.Name)
			}
		}
	}
	if len(known) < 100 {
		t.Fatalf("the SDK has %d operations only", len(known))
	}
	served := map[string]bool{}
	for _, r := range routes {
		served[r.op] = true
		if d, ok := table[r.op]; !ok || d.refused() {
			t.Errorf("%s is served, and documented as %q", r.op, d.how)
		}
	}
	for op, d := range table {
		if !known[op] && !slices.Contains(ofNoAPI, op) {
			t.Errorf("%s is no operation of S3", op)
		}
		if !d.refused() && d.how != byConfiguration && !served[op] {
			t.Errorf("%s is documented as %s, and not served", op, d.how)
		}
	}
}

// TestOperationsAnswerAsDocumented sends every operation as the document writes it:
// what is refused never reaches the backend, what is passed on does as itself, and
// what is neither never asks the backend in the client's place.
func TestOperationsAnswerAsDocumented(t *testing.T) {
	g := newRig(t)
	g.store.buckets["bucket"] = map[string]*blob{}
	g.put("/bucket/key", []byte("x"))
	for _, d := range readCompat(t) {
		if d.method == "" {
			continue
		}
		c := call{method: d.method, target: valued(d.target), header: map[string]string{}}
		if d.copies {
			c.header["x-amz-copy-source"] = "/bucket/key"
		}
		if !d.refused() && d.how != byConfiguration {
			target, err := parseTarget(c.target)
			if err != nil {
				t.Fatalf("%s: %v", d.op, err)
			}
			r, err := match(c.method, target, func(name string) bool { return c.header[name] != "" })
			if err != nil || r.op != d.op {
				t.Errorf("%s is documented as %s %s, which is %+v, %v", d.op, d.method, d.target, r, err)
				continue
			}
			if r.body == smallBody || r.body == optionalBody || r.body == listBody {
				c.body = []byte("<x/>")
			}
		}
		g.store.buckets["bucket"] = map[string]*blob{format.StateKey: g.store.buckets["bucket"][format.StateKey]}
		g.put("/bucket/key", []byte("x"))
		before, asked := g.store.count(), len(g.store.asked)
		a := g.do(c)
		calls := g.store.callsSince(before)
		relayed := slices.ContainsFunc(g.store.asked[asked:], func(q backend.Question) bool { return q.Op == d.op })
		switch {
		case d.how == byConfiguration:
			if a.status < 400 || len(calls) > 0 {
				t.Errorf("%s is off, and answered %d; the backend was asked: %v", d.op, a.status, calls)
			}
		case d.refused():
			if a.status != 501 {
				t.Errorf("%s is %s, and answered %d", d.op, d.how, a.status)
			}
			if len(calls) > 0 {
				t.Errorf("%s is refused, and the backend was asked: %v", d.op, calls)
			}
		case a.status == 501:
			t.Errorf("%s is %s, and answered 501: %s", d.op, d.how, a.body)
		case relayed != (d.how == "passed on"):
			t.Errorf("%s is %s, and the backend was asked: %v", d.op, d.how, calls)
		}
	}
}

// valued gives the parameters of a documented target values that mean nothing.
func valued(target string) string {
	path, query, ok := strings.Cut(target, "?")
	if !ok {
		return target
	}
	names := strings.Split(query, "&")
	for i, n := range names {
		if strings.Contains(n, "=") {
			continue
		}
		switch n {
		case "partNumber", "uploadId":
			names[i] = n + "=1"
		default:
			names[i] = n + "="
		}
	}
	return path + "?" + strings.Join(names, "&")
}
