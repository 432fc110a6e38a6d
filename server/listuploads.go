package server

import (
	"cmp"
	"context"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type uploadsResult struct {
	XMLName            xml.Name       `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket             string         `xml:"Bucket"`
	KeyMarker          string         `xml:"KeyMarker"`
	UploadIDMarker     string         `xml:"UploadIdMarker"`
	NextKeyMarker      string         `xml:"NextKeyMarker,omitempty"`
	NextUploadIDMarker string         `xml:"NextUploadIdMarker,omitempty"`
	Delimiter          string         `xml:"Delimiter,omitempty"`
	Prefix             string         `xml:"Prefix"`
	EncodingType       string         `xml:"EncodingType,omitempty"`
	MaxUploads         int            `xml:"MaxUploads"`
	IsTruncated        bool           `xml:"IsTruncated"`
	Uploads            []uploadResult `xml:"Upload"`
	CommonPrefixes     []listPrefix   `xml:"CommonPrefixes"`
}

type uploadResult struct {
	Key               string `xml:"Key"`
	UploadID          string `xml:"UploadId"`
	Initiator         owner  `xml:"Initiator"`
	Owner             owner  `xml:"Owner"`
	StorageClass      string `xml:"StorageClass"`
	Initiated         string `xml:"Initiated"`
	ChecksumAlgorithm string `xml:"ChecksumAlgorithm,omitempty"`
	ChecksumType      string `xml:"ChecksumType,omitempty"`
}

// goingOn is an upload that a listing found.
type goingOn struct {
	key, id, class string
	initiator      string // access key; "" where the record does not say
	created        time.Time
	sums           summing
}

// before is the order of S3's listing: by key, then by age.
func (a goingOn) compare(b goingOn) int {
	return cmp.Or(strings.Compare(a.key, b.key), a.created.Compare(b.created), strings.Compare(a.id, b.id))
}

// listUploads tells the uploads of a bucket that go on, with the ids that Create gave
// out: each has a sealed record beside it, under a name that tells nothing. All of them
// are read, whatever page is asked for: one small request for each upload, eight at a time.
func (s *Server) listUploads(r *request) error {
	out, err := r.uploadsOptions()
	if err != nil {
		return err
	}
	ring, b, err := s.access(r.ctx, r.bucket)
	if err != nil {
		return err
	}
	if b.fresh || out.MaxUploads == 0 {
		return r.answerXML(out)
	}
	ids, err := s.uploadPrefixes(r)
	if err != nil {
		return err
	}
	res, err := s.engine.Reserve(r.ctx, int64(len(ids)+1)*recordRoom)
	if err != nil {
		return err
	}
	defer res.Release()
	all, err := s.readUploads(r, b, uploadRing{ring, b.sealing(ring)}, ids)
	if err != nil {
		return err
	}
	if !r.client.grant.replaces() {
		// An id is the right to go on with an upload, and to end it.
		all = slices.DeleteFunc(all, func(up goingOn) bool { return up.initiator != r.accessKey })
	}
	slices.SortFunc(all, goingOn.compare)
	if all, err = s.uploadsBehind(r, b, ring, out, all); err != nil {
		return err
	}
	out.fill(r.owner(), all)
	return r.answerXML(out.encoded())
}

// uploadsOptions reads the query.
func (r *request) uploadsOptions() (*uploadsResult, error) {
	out := &uploadsResult{Bucket: r.bucket, MaxUploads: maxListKeys}
	if v, ok := r.query.get("max-uploads"); ok && v != "" {
		n, err := parseMax("max-uploads", v)
		if err != nil {
			return nil, err
		}
		out.MaxUploads = min(n, maxListKeys)
	}
	if v, ok := r.query.get("encoding-type"); ok && v != "" {
		if v != "url" {
			return nil, s3err.New(s3err.InvalidArgument, "encoding-type must be url")
		}
		out.EncodingType = v
	}
	out.Prefix, _ = r.query.get("prefix")
	out.Delimiter, _ = r.query.get("delimiter")
	out.KeyMarker, _ = r.query.get("key-marker")
	out.UploadIDMarker, _ = r.query.get("upload-id-marker")
	return out, nil
}

// uploadPrefixes lists where the bucket's uploads have what lies beside them.
func (s *Server) uploadPrefixes(r *request) (prefixes []string, err error) {
	opt := backend.ListOptions{Prefix: format.UploadPrefix, Delimiter: "/", MaxKeys: maxListKeys}
	for {
		page, err := s.backend.List(r.ctx, r.bucket, opt)
		if err != nil {
			return nil, err
		}
		prefixes = append(prefixes, page.CommonPrefixes...)
		if len(prefixes) > maxUploads {
			return nil, s3err.New(s3err.ServiceUnavailable, "the bucket has more than %d unfinished uploads; a lifecycle rule of the backend removes old ones", maxUploads)
		}
		if !page.Truncated {
			return prefixes, nil
		}
		opt.ContinuationToken = page.NextToken
	}
}

// readUploads opens the records. One that is gone ended meanwhile; one that does not
// open, or has no record, is counted and left out: it cannot be gone on with.
func (s *Server) readUploads(r *request, b *bucket, ring uploadRing, prefixes []string) ([]goingOn, error) {
	found := make([]*goingOn, len(prefixes))
	group, ctx := errgroup.WithContext(r.ctx)
	group.SetLimit(recordReaders)
	for i, prefix := range prefixes {
		group.Go(func() error {
			up, err := s.readUpload(ctx, r.route.op, b, ring, r.bucket, prefix)
			switch {
			case backendKind(err) == backend.NotFound:
				return nil
			case unreadable(err) || errors.Is(err, format.ErrUpload):
				s.metrics.foreignListed.Inc()
				r.log.Warn().Err(err).Msg("passing over an unfinished upload whose record does not open")
				return nil
			}
			found[i] = up
			return err
		})
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	all := make([]goingOn, 0, len(found))
	for _, up := range found {
		if up != nil {
			all = append(all, *up)
		}
	}
	return all, nil
}

// readUpload opens one record, and proves that it belongs where it lies.
func (s *Server) readUpload(ctx context.Context, op string, b *bucket, ring uploadRing, bucket, prefix string) (*goingOn, error) {
	_, record, err := s.readRecord(ctx, op, bucket, prefix+"create")
	if err != nil {
		return nil, err
	}
	at, err := where(b, string(record.Key))
	if err != nil {
		return nil, format.ErrUpload // begun before there were records
	}
	up, err := format.OpenUpload(ring, at, record.UploadID)
	if err != nil {
		return nil, err
	}
	oid := up.OID()
	sums, ok := openSumming(up.Checksum())
	if prefix != format.UploadPrefix+hex.EncodeToString(oid[:])+"/" || !ok {
		return nil, format.ErrUpload
	}
	return &goingOn{key: string(record.Key), id: record.UploadID, class: cmp.Or(record.Attributes.StorageClass, "STANDARD"), initiator: record.Initiator, created: up.Created(), sums: sums}, nil
}

// uploadsBehind leaves out what the prefix and the markers do. With a key marker alone,
// uploads of that key are behind us; with an upload id as well, those up to that upload.
// The marker's upload may have ended meanwhile: its id tells its place all the same. S3
// takes another id too, that of an upload which follows the key marker.
func (s *Server) uploadsBehind(r *request, b *bucket, ring Keyring, out *uploadsResult, all []goingOn) ([]goingOn, error) {
	behind := func(goingOn) bool { return true }
	switch {
	case out.KeyMarker == "": // an upload id means nothing without a key
	case out.UploadIDMarker == "":
		behind = func(up goingOn) bool { return up.key > out.KeyMarker }
	default:
		marker, ok := uploadAt(b, ring, out.KeyMarker, out.UploadIDMarker)
		if !ok {
			i := slices.IndexFunc(all, func(up goingOn) bool { return up.key >= out.KeyMarker })
			j := slices.IndexFunc(all, func(up goingOn) bool { return up.id == out.UploadIDMarker })
			if i < 0 || j < i || all[i].key != all[j].key && !out.within(out.KeyMarker, all[j].key) {
				return nil, s3err.Argument("upload-id-marker", out.UploadIDMarker, "Invalid uploadId marker")
			}
			marker = all[j]
		}
		behind = func(up goingOn) bool { return up.compare(marker) > 0 }
	}
	return slices.DeleteFunc(all, func(up goingOn) bool { return !strings.HasPrefix(up.key, out.Prefix) || !behind(up) }), nil
}

// within says whether the marker is the common prefix that a key was listed under.
func (l *uploadsResult) within(marker, key string) bool {
	return l.Delimiter != "" && strings.HasSuffix(marker, l.Delimiter) && strings.HasPrefix(key, marker)
}

// uploadAt is the upload of a key that an id says it is, whether or not it goes on.
func uploadAt(b *bucket, ring Keyring, key, id string) (goingOn, bool) {
	at, err := where(b, key)
	if err != nil {
		return goingOn{}, false
	}
	up, err := format.OpenUpload(uploadRing{ring, b.sealing(ring)}, at, id)
	if err != nil {
		return goingOn{}, false
	}
	return goingOn{key: key, id: id, created: up.Created()}, true
}

// fill makes one page of uploads in order. A common prefix takes one place; if the page
// ends with one, its first upload is the marker, and S3 lists it again on the next page.
func (l *uploadsResult) fill(who owner, all []goingOn) {
	last := ""
	for _, up := range all {
		name, prefixed := up.key, false
		if rest := up.key[len(l.Prefix):]; l.Delimiter != "" {
			if i := strings.Index(rest, l.Delimiter); i >= 0 {
				name, prefixed = up.key[:len(l.Prefix)+i+len(l.Delimiter)], true
			}
		}
		if prefixed && name == last {
			continue
		}
		if len(l.Uploads)+len(l.CommonPrefixes) == l.MaxUploads {
			l.IsTruncated = true
			return
		}
		l.NextKeyMarker, l.NextUploadIDMarker = name, up.id
		if prefixed {
			last = name
			l.CommonPrefixes = append(l.CommonPrefixes, listPrefix{name})
			continue
		}
		x := uploadResult{Key: up.key, UploadID: up.id, Initiator: who, Owner: who, StorageClass: up.class, Initiated: up.created.UTC().Format(xmlTime)}
		if up.sums.checksum != nil {
			x.ChecksumAlgorithm, x.ChecksumType = up.sums.name, kindNames[up.sums.kind]
		}
		l.Uploads = append(l.Uploads, x)
	}
	l.NextKeyMarker, l.NextUploadIDMarker = "", ""
}

// encoded percent-encodes what encoding-type=url covers, if it was asked for.
func (l *uploadsResult) encoded() *uploadsResult {
	if l.EncodingType == "" {
		return l
	}
	for _, s := range []*string{&l.Prefix, &l.Delimiter, &l.KeyMarker, &l.NextKeyMarker} {
		*s = listEncoded(*s)
	}
	for i := range l.Uploads {
		l.Uploads[i].Key = listEncoded(l.Uploads[i].Key)
	}
	for i := range l.CommonPrefixes {
		l.CommonPrefixes[i].Prefix = listEncoded(l.CommonPrefixes[i].Prefix)
	}
	return l
}
