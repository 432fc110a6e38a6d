package backend

import (
	"context"
	"net/http"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestAttributesAreSentAndSigned: with a Put and with the begin of an upload, and no
// header without a value.
func TestAttributesAreSentAndSigned(t *testing.T) {
	all := AttributesFrom(func(name string) string { return "v-" + name })
	for name, send := range map[string]func(*Client, Attributes) error{
		"put": func(c *Client, a Attributes) error {
			_, err := put(c, pattern(10), Conditions{Attributes: a})
			return err
		},
		"upload": func(c *Client, a Attributes) error {
			_, err := c.CreateUploadWith(context.Background(), "bucket", "key", a)
			return err
		},
	} {
		step := stored
		if name == "upload" {
			step = reply(200, "<InitiateMultipartUploadResult><UploadId>id</UploadId></InitiateMultipartUploadResult>")
		}
		for _, with := range []Attributes{all, {}, {Tagging: "a=b"}} {
			s := newScript(t, step)
			if err := send(newTestClient(t, s.URL), with); err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			r := s.requests()[0]
			signed := regexp.MustCompile(`SignedHeaders=([^,]*)`).FindStringSubmatch(r.header.Get("Authorization"))
			for _, f := range with.fields() {
				if got := r.header.Get(f.name); got != *f.value {
					t.Errorf("%s: %s is %q, want %q", name, f.name, got, *f.value)
				}
				if *f.value != "" && !slices.Contains(strings.Split(signed[1], ";"), f.name) {
					t.Errorf("%s: %s is not signed", name, f.name)
				}
			}
		}
	}
	if !all.Any() || (Attributes{}).Any() || len(AttributeHeaders()) != 10 {
		t.Errorf("%v", AttributeHeaders())
	}
}

// TestDeleteOptionsAreSent: a condition is the backend's to hold, and its refusal is
// the caller's to see; such a request is never repeated.
func TestDeleteOptionsAreSent(t *testing.T) {
	s := newScript(t, early(204, ""))
	c := newTestClient(t, s.URL)
	if _, err := c.DeleteWith(t.Context(), "bucket", "key", DeleteOptions{IfMatch: `"e"`, BypassGovernance: true}); err != nil {
		t.Fatal(err)
	}
	h := s.requests()[0].header
	if h.Get("If-Match") != `"e"` || h.Get("X-Amz-Bypass-Governance-Retention") != "true" {
		t.Errorf("%v", h)
	}
	s = newScript(t, early(204, ""))
	if err := newTestClient(t, s.URL).Delete(t.Context(), "bucket", "key"); err != nil {
		t.Fatal(err)
	}
	if h := s.requests()[0].header; h.Get("If-Match")+h.Get("X-Amz-Bypass-Governance-Retention") != "" {
		t.Errorf("%v", h)
	}
	s = newScript(t, s3fault(412, "PreconditionFailed", "x"))
	if k := KindOf(second(newTestClient(t, s.URL).DeleteWith(t.Context(), "bucket", "key", DeleteOptions{IfMatch: `"e"`}))); k != Precondition {
		t.Errorf("%s", k)
	}
	s = newScript(t, s3fault(500, "InternalError", "x"), early(204, ""))
	if k := KindOf(second(newTestClient(t, s.URL).DeleteWith(t.Context(), "bucket", "key", DeleteOptions{IfMatch: `"e"`}))); k != Busy || len(s.requests()) != 1 {
		t.Errorf("%s after %d requests", k, len(s.requests()))
	}
	s = newScript(t, deleted("<Deleted><Key>a</Key></Deleted>"))
	if _, err := newTestClient(t, s.URL).DeleteManyWith(t.Context(), "bucket", []ObjectID{{Key: "a"}}, DeleteOptions{BypassGovernance: true}); err != nil || s.requests()[0].header.Get("X-Amz-Bypass-Governance-Retention") != "true" {
		t.Errorf("%v", err)
	}
	if _, err := c.DeleteManyWith(t.Context(), "bucket", []ObjectID{{Key: "a"}}, DeleteOptions{IfMatch: "e"}); KindOf(err) != Invalid {
		t.Errorf("a condition on many: %v", err)
	}
}

func TestBucketOptionsAreSent(t *testing.T) {
	s := newScript(t, reply(200, ""))
	opt := BucketOptions{ACL: "private", Ownership: "ObjectWriter", GrantFullControl: "id=a", GrantRead: "id=b", GrantReadACP: "id=c", GrantWrite: "id=d", GrantWriteACP: "id=e", ObjectLock: true, Tags: []Tag{{"k", "v"}}}
	if err := newTestClient(t, s.URL).CreateBucket(t.Context(), "bucket", opt); err != nil {
		t.Fatal(err)
	}
	r := s.requests()[0]
	for name, want := range map[string]string{"X-Amz-Acl": "private", "X-Amz-Object-Ownership": "ObjectWriter", "X-Amz-Grant-Full-Control": "id=a", "X-Amz-Grant-Read": "id=b",
		"X-Amz-Grant-Read-Acp": "id=c", "X-Amz-Grant-Write": "id=d", "X-Amz-Grant-Write-Acp": "id=e", "X-Amz-Bucket-Object-Lock-Enabled": "true"} {
		if got := r.header.Get(name); got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
	if !strings.Contains(string(r.body), "<Tag><Key>k</Key><Value>v</Value></Tag>") {
		t.Errorf("%s", r.body)
	}
}

// TestStoreWithoutAnOperationIsARefusal: the client may hear that; other 5xx are
// for the retry loop.
func TestStoreWithoutAnOperationIsARefusal(t *testing.T) {
	for code, refusal := range map[string]bool{"NotImplemented": true, "InternalError": false, "": false} {
		c := relayTo(t, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(501)
			w.Write([]byte("<Error><Code>" + code + "</Code></Error>"))
		})
		reply, err := c.Relay(t.Context(), Question{Op: "GetObjectAcl", Method: "GET", Bucket: "bkt", Key: "k"})
		if got := err == nil && reply.Status == 501 && reply.Code == code; got != refusal {
			t.Errorf("%q: %+v, %v", code, reply, err)
		}
	}
}

// TestMessagesHideTheAccessKey: what a client may be shown of the store's words.
func TestMessagesHideTheAccessKey(t *testing.T) {
	s := newScript(t, s3fault(400, "InvalidTag", "no tags for "+testAccess))
	_, err := put(newTestClient(t, s.URL), pattern(10), Conditions{})
	e, ok := err.(*Error)
	if !ok || e.Code != "InvalidTag" || !strings.HasPrefix(e.Message, "no tags for ") || strings.Contains(e.Message, testAccess) {
		t.Errorf("%+v", err)
	}
}
