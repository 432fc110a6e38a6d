package server

import (
	"encoding/xml"
	"sort"
	"strconv"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type bucketList struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   owner    `xml:"Owner"`
	// Buckets is left out when there are none: PBS cannot read an empty element.
	Buckets           *bucketEntries `xml:"Buckets"`
	ContinuationToken string         `xml:"ContinuationToken,omitempty"`
	Prefix            string         `xml:"Prefix,omitempty"`
}

type owner struct {
	ID          string `xml:"ID"`
	DisplayName string `xml:"DisplayName"`
}

type bucketEntries struct {
	Bucket []bucketEntry `xml:"Bucket"`
}

type bucketEntry struct {
	Name         string `xml:"Name"`
	CreationDate string `xml:"CreationDate"`
	BucketRegion string `xml:"BucketRegion"`
}

// firstRegion is S3's first region, whose LocationConstraint is empty. Clients see it where
// signatures may name any: where the backend's buckets lie is not their concern.
const firstRegion = "us-east-1"

// clientRegion is the region that clients see.
func (s *Server) clientRegion() string { return orDefault(s.region, firstRegion) }

// listBuckets shows the backend's buckets that this proxy serves, in the order of
// their names. The continuation token is the last name shown.
func (s *Server) listBuckets(r *request) error {
	page := maxBuckets
	if v, ok := r.query.get("max-buckets"); ok {
		n, err := strconv.Atoi(v)
		if err != nil || n < 1 || n > maxBuckets {
			return s3err.Argument("max-buckets", v, "Argument max-buckets must be an integer between 1 and 10000.")
		}
		page = n
	}
	out := bucketList{Owner: r.owner()}
	out.Prefix, _ = r.query.get("prefix")
	after, _ := r.query.get("continuation-token")
	region, regional := r.query.get("bucket-region")
	all, err := s.backend.Buckets(r.ctx)
	if err != nil {
		return err
	}
	sort.Slice(all, func(i, j int) bool { return all[i].Name < all[j].Name })
	var shown []bucketEntry
	for _, b := range all {
		if s.scope(r, toList, b.Name, "") != nil || !strings.HasPrefix(b.Name, out.Prefix) || b.Name <= after || regional && region != s.clientRegion() {
			continue
		}
		if len(shown) == page {
			out.ContinuationToken = shown[page-1].Name
			break
		}
		shown = append(shown, bucketEntry{b.Name, b.Created.UTC().Format(xmlTime), s.clientRegion()})
	}
	if len(shown) > 0 {
		out.Buckets = &bucketEntries{shown}
	}
	return r.answerXML(out)
}
