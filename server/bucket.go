package server

import (
	"encoding/xml"
	"errors"
	"io"
	"net/http"
	"strings"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
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
	r.http.Response.Header.Set("x-amz-bucket-region", s.clientRegion())
	r.http.Response.Header.SetContentLength(0)
	return nil
}

type location struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

// bucketLocation answers the region that clients see. S3's first has no name in this
// document.
func (s *Server) bucketLocation(r *request) error {
	if err := s.backend.HeadBucket(r.ctx, r.bucket); err != nil {
		return err
	}
	return r.answerXML(location{Region: s.locationName()})
}

// locationName is the region as a LocationConstraint has it.
func (s *Server) locationName() string {
	if s.clientRegion() == firstRegion {
		return ""
	}
	return s.region
}

// createBucket makes a bucket at the backend, in the backend's region, whatever region
// clients see. Its first object initialises it for sealing.
func (s *Server) createBucket(r *request) error {
	defer s.rules.forget(r.bucket)
	defer s.locks.forget(r.bucket)
	opt := backend.BucketOptions{
		ACL: r.header("x-amz-acl"), Ownership: r.header("x-amz-object-ownership"), ObjectLock: strings.EqualFold(r.header("x-amz-bucket-object-lock-enabled"), "true"),
		GrantFullControl: r.header("x-amz-grant-full-control"), GrantRead: r.header("x-amz-grant-read"), GrantReadACP: r.header("x-amz-grant-read-acp"),
		GrantWrite: r.header("x-amz-grant-write"), GrantWriteACP: r.header("x-amz-grant-write-acp"),
	}
	doc, err := io.ReadAll(&r.body)
	if err != nil {
		return err
	}
	if len(doc) > 0 {
		var in struct {
			XMLName            xml.Name
			LocationConstraint string `xml:"LocationConstraint"`
			Tags               []struct {
				Key   string `xml:"Key"`
				Value string `xml:"Value"`
			} `xml:"Tags>Tag"`
		}
		if err := readXML(doc, &in); err != nil || in.XMLName.Local != "CreateBucketConfiguration" {
			return s3err.New(s3err.MalformedXML, "the document is not a CreateBucketConfiguration")
		}
		if at := in.LocationConstraint; s.region != "" && at != "" && at != s.locationName() {
			return s3err.New(s3err.InvalidLocationConstraint, "").With("LocationConstraint", at)
		}
		for _, tag := range in.Tags {
			opt.Tags = append(opt.Tags, backend.Tag{Key: tag.Key, Value: tag.Value})
		}
	}
	if _, err := s.keys.Ring(); err != nil {
		return err // nobody could use it
	}
	if err := s.backend.CreateBucket(r.ctx, r.bucket, opt); err != nil && !ownWork(err, s3err.BucketAlreadyOwnedByYou) {
		return refusalOf(bucketFault(err), aboutBuckets)
	}
	s.gate.forget(r.bucket)
	r.http.Response.Header.Set("Location", "/"+r.bucket)
	r.http.Response.Header.Set("x-amz-bucket-arn", "arn:aws:s3:::"+r.bucket)
	r.http.Response.Header.SetContentLength(0)
	return nil
}

// deleteBucket removes a bucket that is empty. Where it was written to, this takes
// longer than leaseTime.
func (s *Server) deleteBucket(r *request) error {
	defer s.rules.forget(r.bucket)
	defer s.locks.forget(r.bucket)
	ring, err := s.keys.Ring()
	if err != nil {
		return err
	}
	if err := s.gate.remove(r.ctx, ring, r.bucket); err != nil {
		return s.gate.left(r.ctx, r.bucket, err)
	}
	r.http.SetStatusCode(http.StatusNoContent)
	return nil
}

// bucketFault gives the client the backend's reason where it is one of S3's.
func bucketFault(err error) error {
	var e *backend.Error
	if errors.As(err, &e) {
		for _, code := range []s3err.Code{s3err.BucketAlreadyExists, s3err.BucketAlreadyOwnedByYou} {
			if e.Code == string(code) {
				return s3err.Wrap(code, err, "")
			}
		}
	}
	return err
}

// ownWork says that an error is what a retry meets when the first attempt worked
// and its answer was lost.
func ownWork(err error, code s3err.Code) bool {
	var e *backend.Error
	return errors.As(err, &e) && e.Unsure && e.Code == string(code)
}
