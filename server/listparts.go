package server

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type partsResult struct {
	XMLName              xml.Name     `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket               string       `xml:"Bucket"`
	Key                  string       `xml:"Key"`
	UploadID             string       `xml:"UploadId"`
	Initiator            owner        `xml:"Initiator"`
	Owner                owner        `xml:"Owner"`
	StorageClass         string       `xml:"StorageClass"`
	PartNumberMarker     int          `xml:"PartNumberMarker"`
	NextPartNumberMarker int          `xml:"NextPartNumberMarker,omitempty"`
	MaxParts             int          `xml:"MaxParts"`
	IsTruncated          bool         `xml:"IsTruncated"`
	ChecksumAlgorithm    string       `xml:"ChecksumAlgorithm"`
	ChecksumType         string       `xml:"ChecksumType"`
	Parts                []partResult `xml:"Part"`
}

type partResult struct {
	Number       int    `xml:"PartNumber"`
	LastModified string `xml:"LastModified"`
	ETag         string `xml:"ETag"`
	Size         int64  `xml:"Size"`
	checksumXML
}

// listParts tells the parts of an upload that goes on, with ETags that complete it. The
// backend says which attempt of each part is stored, the receipts which ETag it got: a
// part that has none is not told, and its client sends it again.
func (s *Server) listParts(r *request) error {
	out := partsResult{Bucket: r.bucket, Key: r.key, MaxParts: maxListKeys, Initiator: r.owner(), Owner: r.owner(), StorageClass: "STANDARD"}
	if v, ok := r.query.get("max-parts"); ok && v != "" {
		n, err := parseMax("max-parts", v)
		if err != nil {
			return err
		}
		out.MaxParts = min(n, maxListKeys)
	}
	if v, ok := r.query.get("part-number-marker"); ok && v != "" {
		var err error
		if out.PartNumberMarker, err = parseMax("part-number-marker", v); err != nil && !strings.HasPrefix(v, "-") {
			return s3err.Argument("part-number-marker", v, "Provided "+v+" not an integer or within integer range")
		} else if err != nil {
			return err
		}
	}
	if !s.receipts {
		return s3err.New(s3err.NotImplemented, "the parts of uploads are not kept track of here (multipart.resume); begin the upload again, or abort it")
	}
	u, err := s.openUpload(r)
	if err != nil {
		return err
	}
	_, record, err := u.staged()
	if err != nil {
		return err
	}
	out.UploadID = u.Token()
	out.StorageClass = cmp.Or(record.Attributes.StorageClass, out.StorageClass)
	out.ChecksumAlgorithm, out.ChecksumType = noChecksum, noChecksum
	if u.sums.checksum != nil {
		out.ChecksumAlgorithm, out.ChecksumType = u.sums.name, kindNames[u.sums.kind]
	}
	if err := u.fillParts(&out); err != nil {
		return err
	}
	return r.answerXML(out)
}

// noChecksum is S3's word for the checksum of an upload that was begun without one.
const noChecksum = "null"

// heldPart is the attempt of a part that is stored.
type heldPart struct {
	backend.StoredPart
	receipts []format.Receipt // of attempts of this number
}

// fillParts makes one page.
func (u *uploading) fillParts(out *partsResult) error {
	if out.MaxParts == 0 || out.PartNumberMarker >= format.MaxParts {
		return nil
	}
	held, more, err := u.heldParts(out.PartNumberMarker, out.MaxParts)
	if err != nil || len(held) == 0 {
		return err
	}
	last := held[len(held)-1].N
	if err := u.collectReceipts(out.PartNumberMarker, held); err != nil {
		return err
	}
	if out.IsTruncated = more; more {
		out.NextPartNumberMarker = last
	}
	for _, h := range held {
		if p, ok := h.told(); ok {
			out.Parts = append(out.Parts, p)
		}
	}
	return nil
}

// heldParts are the first parts with numbers above after: those of the backend's upload
// and those staged beside it. Of a number that has both, the later one counts, as at S3.
// more: there are others behind.
func (u *uploading) heldParts(after, most int) (held []heldPart, more bool, err error) {
	page, err := u.s.backend.Parts(u.ctx, u.target.bucket, u.key, u.BackendID(), after, most)
	if unknownUpload(err) {
		return nil, false, errNoUpload
	}
	if err != nil {
		return nil, false, err
	}
	staged, err := u.stagedParts(after)
	if err != nil {
		return nil, false, err
	}
	byNumber := make(map[int]heldPart, len(page.Parts)+len(staged))
	end := format.MaxParts
	for _, p := range page.Parts {
		byNumber[p.N] = heldPart{StoredPart: p}
		if page.Truncated {
			end = p.N // what the backend has behind it is not known yet
		}
	}
	for _, p := range staged {
		if has, ok := byNumber[p.N]; !ok || !p.LastModified.Before(has.LastModified) {
			byNumber[p.N] = heldPart{StoredPart: p}
		}
	}
	for _, h := range byNumber {
		held = append(held, h)
	}
	slices.SortFunc(held, func(a, b heldPart) int { return a.N - b.N })
	for i, h := range held {
		if i == most || h.N > end {
			return held[:i], true, nil
		}
	}
	return held, page.Truncated, nil
}

// stagedParts are the parts with numbers above after that are stored beside the upload.
func (u *uploading) stagedParts(after int) (parts []backend.StoredPart, err error) {
	err = u.besides("last-", "", func(e backend.Entry) bool {
		n, err := strconv.Atoi(strings.TrimPrefix(e.Key, u.StagingPrefix()+"last-"))
		if err == nil && n > after && u.LastKey(n) == e.Key {
			parts = append(parts, backend.StoredPart{Part: backend.Part{N: n, ETag: e.ETag}, Size: e.Size, LastModified: e.LastModified})
		}
		return true
	})
	return parts, err
}

// collectReceipts gives each part the receipts of its number. What does not open is the
// backend's doing: it is passed over, as if it were not there.
func (u *uploading) collectReceipts(after int, held []heldPart) error {
	byNumber := make(map[int]*heldPart, len(held))
	for i := range held {
		byNumber[held[i].N] = &held[i]
	}
	end := u.ReceiptsAfter(held[len(held)-1].N)
	prefix := strings.TrimPrefix(u.ReceiptPrefix(), u.StagingPrefix())
	return u.besides(prefix, u.ReceiptsAfter(after), func(e backend.Entry) bool {
		if e.Key > end {
			return false
		}
		receipt, err := u.OpenReceipt(e.Key)
		if err != nil {
			u.log.Warn().Err(err).Msg("passing over a receipt that does not open")
			return true
		}
		if h := byNumber[receipt.Number()]; h != nil {
			h.receipts = append(h.receipts, receipt)
		}
		return true
	})
}

// besides visits what is staged under a prefix, behind a name, until visit has enough.
func (u *uploading) besides(prefix, after string, visit func(backend.Entry) bool) error {
	opt := backend.ListOptions{Prefix: u.StagingPrefix() + prefix, StartAfter: after, MaxKeys: maxListKeys}
	for {
		page, err := u.s.backend.List(u.ctx, u.target.bucket, opt)
		if err != nil {
			return err
		}
		for _, e := range page.Objects {
			if !visit(e) {
				return nil
			}
		}
		if !page.Truncated {
			return nil
		}
		opt.ContinuationToken = page.NextToken
	}
}

// told is the part as a client sees it, if exactly one receipt is of the stored attempt.
func (h heldPart) told() (p partResult, ok bool) {
	for _, r := range h.receipts {
		etag, said, fits := r.ETag(strings.Trim(h.ETag, `"`))
		if !fits || said.SealedSize() != h.Size {
			continue
		}
		if ok && p.ETag != partETag(etag) {
			return partResult{}, false
		}
		p, ok = partResult{Number: h.N, LastModified: h.LastModified.UTC().Format(xmlTime), ETag: partETag(etag), Size: said.PlainSize}, true
		if c, summed := openNote(said.Note).sealed(); summed {
			p.checksumXML = c.digestXML()
		}
	}
	return p, ok
}
