package server

import (
	"encoding/xml"
)

// headBucket answers 200 for a bucket whose gate is open. A missing one is 404,
// one that a wrong key must not touch 503.
func (s *Server) headBucket(r *request) error {
	if err := s.backend.HeadBucket(r.ctx, r.bucket); err != nil {
		return err
	}
	if _, _, err := s.access(r.ctx, r.bucket); err != nil {
		return err
	}
	r.http.Response.Header.SetContentLength(0)
	return nil
}

type bucketList struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   owner    `xml:"Owner"`
	// Buckets is left out when there are none: PBS cannot read an empty element.
	Buckets *bucketEntries `xml:"Buckets"`
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
}

// proxyOwner is the one owner the proxy knows.
var proxyOwner = owner{ID: "s3-crypt-proxy", DisplayName: "s3-crypt-proxy"}

// listBuckets shows the backend's buckets that this proxy serves.
func (s *Server) listBuckets(r *request) error {
	all, err := s.backend.Buckets(r.ctx)
	if err != nil {
		return err
	}
	out := bucketList{Owner: proxyOwner}
	for _, b := range all {
		if s.scope(b.Name, "") != nil {
			continue
		}
		if out.Buckets == nil {
			out.Buckets = &bucketEntries{}
		}
		out.Buckets.Bucket = append(out.Buckets.Bucket, bucketEntry{b.Name, b.Created.UTC().Format(xmlTime)})
	}
	return r.answerXML(out)
}
