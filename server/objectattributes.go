package server

import (
	"encoding/xml"
	"slices"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type attributesResult struct {
	XMLName      xml.Name     `xml:"http://s3.amazonaws.com/doc/2006-03-01/ GetObjectAttributesResponse"`
	ETag         string       `xml:"ETag,omitempty"` // without quotes here
	Checksum     *checksumXML `xml:"Checksum"`
	ObjectParts  *objectParts `xml:"ObjectParts"`
	StorageClass string       `xml:"StorageClass,omitempty"`
	ObjectSize   *int64       `xml:"ObjectSize"`
}

// checksumXML is a checksum as documents have it: one element named after the
// algorithm, and its type.
type checksumXML struct {
	CRC32     string `xml:"ChecksumCRC32,omitempty"`
	CRC32C    string `xml:"ChecksumCRC32C,omitempty"`
	CRC64NVME string `xml:"ChecksumCRC64NVME,omitempty"`
	SHA1      string `xml:"ChecksumSHA1,omitempty"`
	SHA256    string `xml:"ChecksumSHA256,omitempty"`
	SHA512    string `xml:"ChecksumSHA512,omitempty"`
	MD5       string `xml:"ChecksumMD5,omitempty"`
	XXHASH64  string `xml:"ChecksumXXHASH64,omitempty"`
	XXHASH3   string `xml:"ChecksumXXHASH3,omitempty"`
	XXHASH128 string `xml:"ChecksumXXHASH128,omitempty"`
	Type      string `xml:"ChecksumType,omitempty"`
}

// inXML is the checksum as documents have it.
func (c sealedChecksum) inXML() checksumXML {
	x := c.digestXML()
	x.Type = kindNames[c.kind]
	return x
}

// digestXML is inXML for documents that do not tell the type.
func (c sealedChecksum) digestXML() (x checksumXML) {
	element := map[string]*string{
		"CRC32": &x.CRC32, "CRC32C": &x.CRC32C, "CRC64NVME": &x.CRC64NVME, "SHA1": &x.SHA1, "SHA256": &x.SHA256,
		"SHA512": &x.SHA512, "MD5": &x.MD5, "XXHASH64": &x.XXHASH64, "XXHASH3": &x.XXHASH3, "XXHASH128": &x.XXHASH128,
	}[c.name]
	if element == nil {
		panic("BUG: the checksum " + c.name + " has no element")
	}
	*element = c.value()
	return x
}

// attributeNames is what GetObjectAttributes can be asked for.
var attributeNames = []string{"ETag", "Checksum", "ObjectParts", "StorageClass", "ObjectSize"}

// objectAttributes answers from the block, as HeadObject does, and from the part table
// where the parts are asked for.
func (s *Server) objectAttributes(r *request) error {
	if err := r.refuseReadHeaders(); err != nil {
		return err
	}
	if _, _, err := s.access(r.ctx, r.bucket); err != nil {
		return err
	}
	asked, err := r.askedAttributes()
	if err != nil {
		return err
	}
	page, err := r.partsPage()
	if err != nil {
		return err
	}
	version, err := r.version()
	if err != nil {
		return err
	}
	o, err := s.openKnown(r.ctx, r.bucket, r.key, version)
	if isMarker(err) {
		return s3err.Wrap(s3err.NoSuchKey, err, "") // it has no attributes, whoever names it
	}
	if err != nil {
		return err
	}
	defer o.close()
	var out attributesResult
	for _, name := range asked {
		switch name {
		case "ETag":
			out.ETag = strings.Trim(s.etagOf(o.meta(), o.etag), `"`)
		case "Checksum":
			if c, ok := openChecksum(o.meta()); ok {
				doc := c.inXML()
				out.Checksum = &doc
			}
		case "ObjectParts":
			if out.ObjectParts, err = s.partsOf(r.ctx, o, page); err != nil {
				return err
			}
		case "ObjectSize":
			size := o.plainSize()
			out.ObjectSize = &size
		case "StorageClass":
			out.StorageClass = shownClass(o.kept.StorageClass)
		}
	}
	r.showVersion(o.version)
	r.http.Response.Header.Set("Last-Modified", o.modified.UTC().Format(httpTime))
	return r.answerXML(out)
}

// askedAttributes reads the list, which may come in several lines.
func (r *request) askedAttributes() ([]string, error) {
	const header = "x-amz-object-attributes"
	var asked []string
	for _, h := range r.lines {
		if h.Name != header {
			continue
		}
		for name := range strings.SplitSeq(h.Value, ",") {
			if name = strings.TrimSpace(name); name == "" {
				continue
			}
			if !slices.Contains(attributeNames, name) {
				return nil, s3err.Argument(header, name, "Invalid attribute name specified.")
			}
			asked = append(asked, name)
		}
	}
	if len(asked) == 0 {
		return nil, s3err.New(s3err.InvalidRequest, "The x-amz-object-attributes header specifying the attributes to be retrieved is either missing or empty")
	}
	return asked, nil
}
