package server

import (
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// own is every version and marker that the bucket keeps of the proxy's own objects,
// without its state.
func (m *memory) own(bucket string) (out []string) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for k, past := range m.history[bucket] {
		for _, o := range past {
			if strings.HasPrefix(k, format.ReservedPrefix) && k != format.StateKey {
				out = append(out, k+"@"+o.version)
			}
		}
	}
	return out
}

// TestUploadsLeaveNoVersions: in a bucket that keeps versions nothing of an upload is
// left either, nor a delete marker, that no client could see or remove.
func TestUploadsLeaveNoVersions(t *testing.T) {
	for _, status := range []string{"Enabled", "Suspended"} {
		for name, end := range map[string]func(*partsUp, ...listed) answer{"complete": (*partsUp).complete, "abort": func(u *partsUp, _ ...listed) answer { return u.abort() }} {
			g := newRig(t)
			g.store.versioning["bkt"] = status
			g.put("/bkt/first", nil)
			u := g.begin("/bkt/k", nil)
			first := u.part(1, pattern(5*mib))
			u.part(2, pattern(10)) // sent twice
			last := u.part(2, pattern(11))
			if len(g.store.own("bkt")) == 0 {
				t.Fatal("nothing was staged")
			}
			if a := end(u, listed{1, first}, listed{2, last}); a.status >= 300 {
				t.Fatalf("%s: %d %s", name, a.status, a.body)
			}
			if left := g.store.own("bkt"); len(left) > 0 {
				t.Errorf("%s, %s: left %q", name, status, left)
			}
			if a := u.abort(); a.status != 404 {
				t.Errorf("%s, %s: the upload goes on: %d", name, status, a.status)
			}
		}
	}
}

// TestLockedVersionsDoNotHoldAnUpload: what an object lock keeps is hidden instead.
func TestLockedVersionsDoNotHoldAnUpload(t *testing.T) {
	g := versioned(t)
	u := g.begin("/bkt/k", nil)
	u.part(1, pattern(10))
	tried := false
	g.store.before = func(op, _, _ string) error {
		if op == "DeleteMany" && !tried {
			tried = true
			return &backend.Error{Kind: backend.Denied, Op: op, Status: 403, Code: "AccessDenied", Message: "object lock"}
		}
		return nil
	}
	g.want(u.abort(), 204, "")
	g.want(u.abort(), 404, "NoSuchUpload")
	if !tried || g.value("backend_uploads_orphaned_total") != 1 {
		t.Error("not counted")
	}
}
