package server

import (
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type copyPartResult struct {
	XMLName      xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CopyPartResult"`
	ETag         string   `xml:"ETag"`
	LastModified string   `xml:"LastModified"`
	checksumXML
}

const sourceRangeHeader = "x-amz-copy-source-range"

// uploadPartCopy makes a part of another object, or of a range of it: opened and
// proved here, then sealed anew, since a part's key is the upload's own.
func (s *Server) uploadPartCopy(r *request) error {
	if err := r.refuseHeaders("x-amz-server-side-encryption*", "x-amz-copy-source-server-side-encryption*"); err != nil {
		return err
	}
	number, err := partNumber(r)
	if err != nil {
		return err
	}
	from, err := copySource(r.header("x-amz-copy-source"))
	if err != nil {
		if _, _, gone := s.access(r.ctx, r.bucket); backendKind(gone) == backend.NoBucket {
			return gone // S3 looks for the bucket first
		}
		return err
	}
	if r.hasHeader(sourceRangeHeader) {
		if err := checkSourceRange(r.header(sourceRangeHeader)); err != nil {
			return err
		}
	}
	if err := s.scope(r, toRead, from.Bucket, from.Key); err != nil {
		return err
	}
	if err := s.admitSource(r.ctx, from.Bucket, from.Key); err != nil {
		return err
	}
	u, err := s.openUpload(r)
	if err != nil {
		return err
	}
	for range maxRestarts {
		var etag string
		var note partNote
		etag, note, err = u.copyPart(number, from)
		if err == nil {
			out := copyPartResult{ETag: etag, LastModified: s.now().UTC().Format(xmlTime)}
			if c, ok := note.sealed(); ok {
				out.checksumXML = c.digestXML()
			}
			return r.answerXML(out)
		}
		if errors.Is(err, errNotModified) {
			return r.notModified()
		}
		if !errors.Is(err, errChanged) {
			return err
		}
	}
	return s3err.Wrap(s3err.ServiceUnavailable, err, "the source keeps changing while it is read; try again")
}

// copyPart opens the source and stores what is asked for of it, summed as the upload
// wants its parts.
func (u *uploading) copyPart(number int, from backend.CopySource) (etag string, note partNote, err error) {
	spec := u.header(sourceRangeHeader)
	behind := int64(everything)
	if u.hasHeader(sourceRangeHeader) {
		behind = rangeGuess(spec)
	}
	o, err := u.s.openObject(u.ctx, from.Bucket, from.Key, from.Version, behind)
	if err != nil {
		return "", note, sourceFault(err, from)
	}
	err = u.readConditions("x-amz-copy-source-").check(u.s.namesOf(o.meta(), o.etag), o.modified)
	span := byteRange{0, o.plainSize()}
	if err == nil && u.hasHeader(sourceRangeHeader) {
		span, err = sourceRange(spec, o.plainSize())
	}
	var p *partUp
	if err == nil {
		p, err = u.newPart(number, span.n)
	}
	if err != nil {
		o.close()
		return "", note, err
	}
	body, err := u.s.openPlain(u.ctx, o, span, behind, nil)
	if err != nil {
		return "", note, err
	}
	defer body.Close()
	body.op = u.route.op
	want := digests{engine: u.body.want.engine}
	if u.sums.checksum != nil {
		want.compute(u.sums.checksum)
	}
	if u.wantsMD5(p) {
		want.computeMD5()
	}
	offer := u.offer(&want)
	r, w := io.Pipe()
	given := make(chan struct{})
	go func() {
		defer close(given)
		_, err := body.WriteTo(w)
		w.CloseWithError(err) // nil is io.EOF: the source is proved to its end
	}()
	u.showSourceVersion(o.version)
	etag, err = p.store(&summed{r, &want}, func() partNote {
		if sum := want.sum(); sum != nil {
			note.checksum, note.sum = want.checksum, sum
		}
		note.md5, note.offer = want.plainMD5(), offer()
		return note
	})
	r.Close() // frees a waiting write
	<-given
	return etag, note, err
}

// summed gives a source's bytes and computes digests of them, which are known with the
// io.EOF. Nobody claims them, so they cannot be wrong.
type summed struct {
	io.Reader
	want *digests
}

func (s *summed) Read(p []byte) (int, error) {
	n, err := s.Reader.Read(p)
	s.want.write(p[:n])
	if err == io.EOF {
		if wrong := s.want.prove(); wrong != nil {
			return n, wrong
		}
	}
	return n, err
}

// sourceRange reads x-amz-copy-source-range: first and last byte, both within the
// source.
func sourceRange(spec string, size int64) (byteRange, error) {
	if err := checkSourceRange(spec); err != nil {
		return byteRange{}, err
	}
	span, ok, err := parseRange(spec, size)
	if err != nil || !ok || spec != fmt.Sprintf("bytes=%d-%d", span.off, span.off+span.n-1) {
		return span, s3err.Argument(sourceRangeHeader, strconv.FormatInt(size, 10), fmt.Sprintf("Range specified is not valid for source object of size: %d", size))
	}
	return span, nil
}

// checkSourceRange holds the header to its one form, whatever the source.
func checkSourceRange(spec string) error {
	span, ok, err := parseRange(spec, math.MaxInt64)
	if err != nil || !ok || spec != fmt.Sprintf("bytes=%d-%d", span.off, span.off+span.n-1) {
		return s3err.Argument(sourceRangeHeader, spec, "The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	return nil
}
