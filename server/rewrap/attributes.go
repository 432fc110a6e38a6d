package rewrap

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/reblock"
)

// What a store keeps beside an object belongs to the object that is written: a write
// that does not name it loses it. So it is asked for first and given with the write.
// S3 has no condition on it: who changes an object's tags, grants or locks in the
// moment of its move may lose that change.

var (
	// errNotKept: the object would lose what the store keeps beside it.
	errNotKept = errors.New("it would lose what the store keeps beside it")
	// errLocked: the store refuses to write an object that is under a lock.
	errLocked = errors.New("it is under an object lock")
	// errLockLost: the object was rewrapped, and its new version is not locked.
	errLockLost = errors.New("the object is under the active key, but the store does not show the lock that it was given")
)

// beside is what of the bucket decides which questions are asked.
type beside struct{ noLocks bool }

// look finds out whether objects of the bucket can have locks. What it does not see
// is asked of every object.
func (r *Run) look(ctx context.Context) {
	reply, err := r.ask(ctx, "GetObjectLockConfiguration", "", "object-lock")
	if err != nil {
		return
	}
	switch reply.Code {
	case "ObjectLockConfigurationNotFoundError", "NoSuchObjectLockConfiguration", "NotImplemented", "MethodNotAllowed":
		r.beside.noLocks = true
	}
}

// ask asks a question about the bucket, or about an object of it.
func (r *Run) ask(ctx context.Context, op, key, sub string) (*backend.Reply, error) {
	return r.cfg.Store.Relay(ctx, backend.Question{Op: op, Method: http.MethodGet, Bucket: r.cfg.Bucket, Key: key, Query: url.Values{sub: {""}}})
}

// aspect is one thing that stores keep beside an object.
type aspect struct {
	op, sub string
	lock    bool     // only in buckets with locks
	none    []string // codes that say there is none
	read    func(doc []byte, a *backend.Attributes) error
}

func aspects() []aspect {
	return []aspect{
		{"GetObjectTagging", "tagging", false, []string{"NoSuchTagSet", "NoSuchTagSetError"}, readTags},
		{"GetObjectAcl", "acl", false, []string{"AccessControlListNotSupported"}, readACL},
		{"GetObjectRetention", "retention", true, []string{"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}, readRetention},
		{"GetObjectLegalHold", "legal-hold", true, []string{"NoSuchObjectLockConfiguration", "ObjectLockConfigurationNotFoundError"}, readLegalHold},
	}
}

// attributes asks for all that the object's next version must be given, and, if there
// is any, for a proof that the store keeps what it is given with a write of this kind.
func (r *Run) attributes(ctx context.Context, key string, obj *backend.Object, parts bool) (backend.Attributes, error) {
	var a backend.Attributes
	if obj.StorageClass != "STANDARD" { // what a write without a class gets
		a.StorageClass = obj.StorageClass
	}
	for _, as := range aspects() {
		if as.lock && r.beside.noLocks {
			continue
		}
		if err := r.aspect(ctx, key, as, &a); err != nil {
			return a, err
		}
	}
	if until, err := time.Parse(time.RFC3339, a.RetainUntil); err == nil && !until.After(r.cfg.clock.now()) {
		a.LockMode, a.RetainUntil = "", "" // it is over, and a store takes none that is
	}
	return a, r.proveKept(ctx, a, parts)
}

func (r *Run) aspect(ctx context.Context, key string, as aspect, a *backend.Attributes) error {
	reply, err := r.ask(ctx, as.op, key, as.sub)
	switch {
	case err != nil:
		return err
	case slices.Contains(as.none, reply.Code), reply.Code == "NotImplemented", reply.Code == "MethodNotAllowed":
		return nil
	case reply.Code == "NoSuchKey":
		return reblock.ErrSourceChanged
	case reply.Code != "" || reply.Status >= 300:
		return fmt.Errorf("%w: the store answers %s with status %d %s", errNotKept, as.op, reply.Status, reply.Code)
	}
	if err := as.read(reply.Body, a); err != nil {
		return fmt.Errorf("%w: cannot carry what %s tells: %w", errNotKept, as.op, err)
	}
	return nil
}

func decodeAspect(doc []byte, root string, into any, name *xml.Name) error {
	if err := xml.Unmarshal(doc, into); err != nil {
		return errors.New("the answer is not XML")
	}
	if name.Local != root {
		return fmt.Errorf("the answer is no %s", root)
	}
	return nil
}

func readTags(doc []byte, a *backend.Attributes) error {
	var in struct {
		XMLName xml.Name
		Tags    []struct{ Key, Value string } `xml:"TagSet>Tag"`
	}
	if err := decodeAspect(doc, "Tagging", &in, &in.XMLName); err != nil {
		return err
	}
	var pairs []string
	for _, t := range in.Tags {
		pairs = append(pairs, url.QueryEscape(t.Key)+"="+url.QueryEscape(t.Value))
	}
	slices.Sort(pairs)
	a.Tagging = strings.Join(pairs, "&")
	return nil
}

// readACL turns grants into headers. The one that every object has without any, all
// rights for its owner, needs none; stores without grants show it too.
func readACL(doc []byte, a *backend.Attributes) error {
	var in struct {
		XMLName xml.Name
		Owner   struct{ ID string }
		Grants  []struct {
			Grantee    struct{ ID, URI string }
			Permission string
		} `xml:"AccessControlList>Grant"`
	}
	if err := decodeAspect(doc, "AccessControlPolicy", &in, &in.XMLName); err != nil {
		return err
	}
	if len(in.Grants) == 1 {
		g := in.Grants[0]
		if g.Permission == "FULL_CONTROL" && g.Grantee.URI == "" && (g.Grantee.ID == in.Owner.ID || g.Grantee.ID == "") {
			return nil
		}
	}
	grants := map[string][]string{}
	for _, g := range in.Grants {
		who := `id="` + g.Grantee.ID + `"`
		if g.Grantee.URI != "" {
			who = `uri="` + g.Grantee.URI + `"`
		}
		if g.Grantee.ID == "" && g.Grantee.URI == "" || strings.ContainsAny(g.Grantee.ID+g.Grantee.URI, "\"\r\n") {
			return errors.New("a grant without a usable name")
		}
		grants[g.Permission] = append(grants[g.Permission], who)
	}
	for permission, field := range map[string]*string{"FULL_CONTROL": &a.GrantFullControl, "READ": &a.GrantRead, "READ_ACP": &a.GrantReadACP, "WRITE_ACP": &a.GrantWriteACP} {
		slices.Sort(grants[permission])
		*field = strings.Join(grants[permission], ", ")
		delete(grants, permission)
	}
	if len(grants) > 0 {
		return errors.New("a grant that no header of a write has")
	}
	return nil
}

func readRetention(doc []byte, a *backend.Attributes) error {
	var in struct {
		XMLName               xml.Name
		Mode, RetainUntilDate string
	}
	if err := decodeAspect(doc, "Retention", &in, &in.XMLName); err != nil {
		return err
	}
	if _, err := time.Parse(time.RFC3339, in.RetainUntilDate); in.Mode != "" && err != nil {
		return errors.New("a lock without a usable date")
	}
	if in.Mode != "" {
		a.LockMode, a.RetainUntil = in.Mode, in.RetainUntilDate
	}
	return nil
}

func readLegalHold(doc []byte, a *backend.Attributes) error {
	var in struct {
		XMLName xml.Name
		Status  string
	}
	if err := decodeAspect(doc, "LegalHold", &in, &in.XMLName); err != nil {
		return err
	}
	if in.Status == "ON" {
		a.LegalHold = "ON"
	}
	return nil
}

// besideFields is how many attributes proveKept can try.
const besideFields = 5

// proveKept shows, on an object of our own, that the store keeps tags and grants that
// come with a PUT, or with an upload: some take them and forget them. Locks cannot be
// tried on an object that must go again.
func (r *Run) proveKept(ctx context.Context, a backend.Attributes, parts bool) error {
	want := backend.Attributes{Tagging: a.Tagging, GrantFullControl: a.GrantFullControl, GrantRead: a.GrantRead, GrantReadACP: a.GrantReadACP, GrantWriteACP: a.GrantWriteACP}
	if !want.Any() {
		return nil
	}
	// A store that keeps one of them may forget another.
	set := 0
	for i, field := range [besideFields]string{want.Tagging, want.GrantFullControl, want.GrantRead, want.GrantReadACP, want.GrantWriteACP} {
		if field != "" {
			set |= 1 << i
		}
	}
	p, write := &r.proofs.putKept[set], r.putScratch
	if parts {
		p, write = &r.proofs.partsKept[set], r.uploadScratch
	}
	return p.once(func() error {
		// The names of tags may say something; their number and form do not.
		if want.Tagging != "" {
			want.Tagging = "rewrap=a+proof"
		}
		return r.onScratch(ctx, func(ctx context.Context, key string) error {
			if err := write(ctx, key, backend.Conditions{Attributes: want}); err != nil {
				return fmt.Errorf("cannot try what the store keeps: %w", err)
			}
			var got backend.Attributes
			for _, as := range aspects() {
				if as.lock {
					continue
				}
				if err := r.aspect(ctx, key, as, &got); err != nil {
					return err
				}
			}
			if got != want {
				return fmt.Errorf("%w: it forgets tags or grants that come with a write", errNotKept)
			}
			return nil
		})
	})
}

// refused says that a write was denied that an object lock explains.
func refused(err error, with backend.Attributes) bool {
	var e *backend.Error
	return errors.As(err, &e) && (e.Code == "ObjectLocked" || e.Kind == backend.Denied && (with.LockMode != "" || with.LegalHold != ""))
}

// locked says whether the store shows the locks that a write was given.
func (r *Run) locked(ctx context.Context, key string, with backend.Attributes) bool {
	want := backend.Attributes{LockMode: with.LockMode, RetainUntil: with.RetainUntil, LegalHold: with.LegalHold}
	if !want.Any() {
		return true
	}
	var got backend.Attributes
	for _, as := range aspects() {
		if as.lock && r.aspect(ctx, key, as, &got) != nil {
			return false
		}
	}
	a, aerr := time.Parse(time.RFC3339, want.RetainUntil)
	b, berr := time.Parse(time.RFC3339, got.RetainUntil)
	same := want.LockMode == "" || aerr == nil && berr == nil && !b.Before(a.Truncate(time.Second)) && got.LockMode == want.LockMode
	return same && (want.LegalHold == "" || got.LegalHold == want.LegalHold)
}
