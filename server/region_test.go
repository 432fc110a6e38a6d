package server

import (
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/sigv4"
)

// inRegion signs for one region and gives what the proxy makes of it.
func (g *rig) inRegion(region string, presigned bool) answer {
	g.t.Helper()
	signer, target := sigv4.NewSigner(testAccess, testSecret, region), "/bkt/k"
	headers, err := signer.Sign("GET", g.addr, target, nil, sigv4.UnsignedPayload, time.Now())
	if presigned && err == nil {
		headers = []sigv4.Header{{Name: "host", Value: g.addr}}
		target, err = signer.Presign("GET", g.addr, target, nil, time.Now(), time.Minute)
	}
	if err != nil {
		g.t.Fatal(err)
	}
	return g.do(call{method: "GET", target: "/", edit: func(string) string {
		lines := "GET " + target + " HTTP/1.1\r\n"
		for _, h := range headers {
			lines += h.Name + ": " + h.Value + "\r\n"
		}
		return lines
	}})
}

// TestRegionHoldsSignatures: with a region set, signatures name it, in every form, and who
// names another one is told which it is. Without, any will do.
func TestRegionHoldsSignatures(t *testing.T) {
	g := newRig(t, func(c *Config) { c.Region = "us-west-1" }) // the rig's own
	any := newRig(t)
	for _, r := range []*rig{g, any} {
		r.put("/bkt/k", []byte("x"))
		for _, presigned := range []bool{false, true} {
			r.want(r.inRegion("us-west-1", presigned), 200, "")
		}
	}
	any.want(any.inRegion("eu-west-1", false), 200, "")
	any.want(any.inRegion("eu-west-1", true), 200, "")
	a := g.inRegion("eu-west-1", false)
	g.want(a, 400, "AuthorizationHeaderMalformed")
	if !strings.Contains(string(a.body), "the region &#34;eu-west-1&#34; is wrong; expecting &#34;us-west-1&#34;</Message><Region>us-west-1</Region>") {
		t.Errorf("%s", a.body)
	}
	a = g.inRegion("eu-west-1", true)
	g.want(a, 400, "AuthorizationQueryParametersError")
	if !strings.Contains(string(a.body), "the region &#34;eu-west-1&#34; is wrong") {
		t.Errorf("%s", a.body)
	}
	if err := g.s.SetTerms(Terms{Credentials: []Credential{{AccessKey: testAccess, SecretKey: testSecret}}}); err != nil {
		t.Fatal(err)
	}
	g.want(g.inRegion("eu-west-1", false), 400, "AuthorizationHeaderMalformed")
}

// TestRegionIsTold by every verb that has one, and new buckets are in it.
func TestRegionIsTold(t *testing.T) {
	create := func(region string) []byte {
		return []byte("<CreateBucketConfiguration><LocationConstraint>" + region + "</LocationConstraint></CreateBucketConfiguration>")
	}
	for region, want := range map[string]struct {
		shown, location string
		good, bad       []string
	}{
		"":          {"us-east-1", "", []string{"", "us-east-1", "anywhere"}, nil},
		"us-west-1": {"us-west-1", "us-west-1", []string{"", "us-west-1"}, []string{"us-east-1", "eu-west-1"}},
	} {
		g := newRig(t, func(c *Config) { c.Region = region })
		g.put("/bkt/k", []byte("x"))
		if got := g.do(call{method: "HEAD", target: "/bkt"}).header.Get("x-amz-bucket-region"); got != want.shown {
			t.Errorf("region %q: HeadBucket tells %q", region, got)
		}
		if got := between(g.do(call{method: "GET", target: "/"}).body, "BucketRegion"); got != want.shown {
			t.Errorf("region %q: ListBuckets tells %q", region, got)
		}
		if body := string(g.do(call{method: "GET", target: "/bkt?location"}).body); !strings.HasSuffix(body, ">"+want.location+"</LocationConstraint>") {
			t.Errorf("region %q: GetBucketLocation tells %s", region, body)
		}
		for i, at := range append(want.good, want.bad...) {
			a := g.do(call{method: "PUT", target: "/fresh-" + string(rune('a'+i)), body: create(at)})
			if i < len(want.good) {
				g.want(a, 200, "")
			} else if g.want(a, 400, "InvalidLocationConstraint"); g.store.buckets["fresh-"+string(rune('a'+i))] != nil {
				t.Errorf("region %q: a bucket was made", region)
			}
		}
	}
	// S3's first region has no name there.
	if s := (&Server{region: firstRegion}); s.locationName() != "" || s.clientRegion() != firstRegion {
		t.Errorf("%q", s.locationName())
	}
}
