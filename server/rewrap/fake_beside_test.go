package rewrap

import (
	"context"
	"fmt"
	"html"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// Relay answers what is asked about the bucket and what lies beside its objects.
func (f *fake) Relay(ctx context.Context, q backend.Question) (reply *backend.Reply, err error) {
	err = f.call(ctx, q.Op, q.Key, func() error {
		refuse := func(status int, code string) error {
			reply = &backend.Reply{Status: status, Code: code}
			return nil
		}
		answer := func(format string, args ...any) error {
			reply = &backend.Reply{Status: http.StatusOK, Body: fmt.Appendf(nil, format, args...)}
			return nil
		}
		if code := f.hides[q.Op]; code != "" {
			return refuse(403, code)
		}
		o, ok := f.objects[q.Key]
		if q.Key != "" && !ok {
			return refuse(404, "NoSuchKey")
		}
		switch q.Op {
		case "GetObjectTagging":
			var tags strings.Builder
			for _, pair := range strings.FieldsFunc(o.with.Tagging, func(r rune) bool { return r == '&' }) {
				k, v, _ := strings.Cut(pair, "=")
				k, _ = url.QueryUnescape(k)
				v, _ = url.QueryUnescape(v)
				fmt.Fprintf(&tags, "<Tag><Key>%s</Key><Value>%s</Value></Tag>", html.EscapeString(k), html.EscapeString(v))
			}
			return answer(`<Tagging xmlns="http://s3.amazonaws.com/doc/2006-03-01/"><TagSet>%s</TagSet></Tagging>`, &tags)
		case "GetObjectAcl":
			return answer(`<AccessControlPolicy><Owner><ID>me</ID></Owner><AccessControlList>%s</AccessControlList></AccessControlPolicy>`, grantsXML(o.with))
		case "GetObjectRetention":
			if o.with.LockMode == "" {
				return refuse(404, "NoSuchObjectLockConfiguration")
			}
			return answer("<Retention><Mode>%s</Mode><RetainUntilDate>%s</RetainUntilDate></Retention>", o.with.LockMode, o.with.RetainUntil)
		case "GetObjectLegalHold":
			if o.with.LegalHold == "" {
				return refuse(404, "NoSuchObjectLockConfiguration")
			}
			return answer("<LegalHold><Status>%s</Status></LegalHold>", o.with.LegalHold)
		case "GetObjectLockConfiguration":
			if !f.locks {
				return refuse(404, "ObjectLockConfigurationNotFoundError")
			}
			return answer("<ObjectLockConfiguration><ObjectLockEnabled>Enabled</ObjectLockEnabled></ObjectLockConfiguration>")
		case "GetBucketVersioning":
			if !f.versioned {
				return answer("<VersioningConfiguration/>")
			}
			return answer("<VersioningConfiguration><Status>Enabled</Status></VersioningConfiguration>")
		case "ListObjectVersions":
			return answer("%s", f.versionsXML(q.Query))
		}
		return refuse(501, "NotImplemented")
	})
	return reply, err
}

// grantsXML shows what the headers of a write gave.
func grantsXML(a backend.Attributes) string {
	var b strings.Builder
	all := []struct{ permission, value string }{{"FULL_CONTROL", a.GrantFullControl}, {"READ", a.GrantRead}, {"READ_ACP", a.GrantReadACP}, {"WRITE_ACP", a.GrantWriteACP}}
	if a.GrantFullControl+a.GrantRead+a.GrantReadACP+a.GrantWriteACP == "" {
		all[0].value = `id="me"`
	}
	for _, g := range all {
		for _, who := range strings.FieldsFunc(g.value, func(r rune) bool { return r == ',' }) {
			name, value, _ := strings.Cut(strings.TrimSpace(who), "=")
			name = strings.ToUpper(name)
			fmt.Fprintf(&b, "<Grant><Grantee><%s>%s</%s></Grantee><Permission>%s</Permission></Grant>", name, strings.Trim(value, `"`), name, g.permission)
		}
	}
	return b.String()
}

// versionsXML is a page of two versions.
func (f *fake) versionsXML(q url.Values) string {
	type row struct {
		key, id string
		latest  bool
		size    int
	}
	var rows []row
	for _, v := range f.history {
		rows = append(rows, row{v.key, v.id, false, len(v.data)})
	}
	for key, o := range f.objects {
		rows = append(rows, row{key, "latest", true, len(o.data)})
	}
	slices.SortFunc(rows, func(a, b row) int { return strings.Compare(a.key+"\x00"+a.id, b.key+"\x00"+b.id) })
	at := q.Get("key-marker") + "\x00" + q.Get("version-id-marker")
	rows = slices.DeleteFunc(rows, func(r row) bool { return q.Has("key-marker") && r.key+"\x00"+r.id <= at })
	more := len(rows) > 2
	if more {
		rows = rows[:2]
	}
	var b strings.Builder
	fmt.Fprintf(&b, "<ListVersionsResult><EncodingType>url</EncodingType><IsTruncated>%v</IsTruncated>", more)
	if more {
		fmt.Fprintf(&b, "<NextKeyMarker>%s</NextKeyMarker><NextVersionIdMarker>%s</NextVersionIdMarker>", url.QueryEscape(rows[1].key), rows[1].id)
	}
	for _, r := range rows {
		fmt.Fprintf(&b, "<Version><Key>%s</Key><VersionId>%s</VersionId><IsLatest>%v</IsLatest><Size>%d</Size></Version>", url.QueryEscape(r.key), r.id, r.latest, r.size)
	}
	return b.String() + "</ListVersionsResult>"
}
