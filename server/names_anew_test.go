package server

import (
	"strings"
	"testing"
	"time"
)

// TestProxyThatKnewTheOldNames: a proxy that knew a bucket which another one removed and
// made anew calls no object absent that is there, and no object removed that is not.
func TestProxyThatKnewTheOldNames(t *testing.T) {
	for name, ask := range map[string]func(*rig) answer{
		"GET":     func(g *rig) answer { return g.get("/bkt/dir/k") },
		"HEAD":    func(g *rig) answer { return g.do(call{method: "HEAD", target: "/bkt/dir/k"}) },
		"LIST":    func(g *rig) answer { return g.get("/bkt/?list-type=2") },
		"PREFIX":  func(g *rig) answer { return g.get("/bkt/?list-type=2&prefix=dir%2F") },
		"DEEP":    func(g *rig) answer { return g.get("/bkt/?list-type=2&prefix=dir%2F&delimiter=%2F&start-after=dir%2Fa") },
		"VERSION": func(g *rig) answer { return g.get("/bkt/?versions") },
		"TAGGING": func(g *rig) answer { return g.get("/bkt/dir/k?tagging") },
		"COPY": func(g *rig) answer {
			return g.do(call{method: "PUT", target: "/other/c", header: map[string]string{"x-amz-copy-source": "/bkt/dir/k"}})
		},
		"DELETE": func(g *rig) answer { return g.do(call{method: "DELETE", target: "/bkt/dir/k"}) },
		"DELETES": func(g *rig) answer {
			return g.do(call{method: "POST", target: "/bkt/?delete", body: []byte("<Delete><Object><Key>dir/k</Key></Object></Delete>")})
		},
	} {
		t.Run(name, func(t *testing.T) {
			one, two := twoProxies(t, sealedNames)
			two.put("/bkt/dir/k", []byte("old"))
			one.want(one.do(call{method: "DELETE", target: "/bkt/dir/k"}), 204, "")
			one.want(one.do(call{method: "DELETE", target: "/bkt"}), 204, "")
			one.want(one.do(call{method: "PUT", target: "/bkt"}), 200, "")
			one.put("/bkt/dir/k", []byte("new"))
			time.Sleep(2 * 20 * time.Millisecond) // more than two's lease
			a := ask(two)
			now := one.get("/bkt/dir/k")
			switch {
			case a.status == 503: // to be asked again
			case a.status == 404:
				t.Errorf("an object that is there was called absent: %s", a.body)
			case a.status >= 300:
				t.Errorf("%d %s", a.status, a.body)
			case strings.HasPrefix(name, "DELETE") && now.status != 404:
				t.Errorf("removed, said %d, and is there: %s", a.status, now.body)
			case name != "COPY" && strings.Contains(string(a.body), "<Name>") && !strings.Contains(string(a.body), "<Key>dir/k</Key>"):
				t.Errorf("it is missing in %s", a.body)
			}
			if b := ask(two); b.status == 503 {
				t.Errorf("the second time: %d %s", b.status, b.body)
			}
		})
	}
}
