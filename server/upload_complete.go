package server

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/s3err"
)

type completeResult struct {
	XMLName  xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location string   `xml:"Location"`
	Bucket   string   `xml:"Bucket"`
	Key      string   `xml:"Key"`
	ETag     string   `xml:"ETag"`
	checksumXML
}

// completing is one Complete. The client's list is all it has to go by.
type completing struct {
	*uploading
	plan   *format.Plan
	cond   backend.Conditions
	sum    sealedChecksum // of the object; no algorithm: none
	offers bool           // sum is the offered one
	meta   format.Meta    // of the object, once it is there
	// final is the number of the part that holds the end of the object, last its ETag once
	// it is stored.
	final int
	last  string
}

// completeMultipart makes an object of an upload. Whatever happens on the way, the
// key has its old object or the whole new one, and the same request may be sent
// again, to any proxy: what was done by then is found by the object's OID.
func (s *Server) completeMultipart(r *request) error {
	if err := r.refuseHeaders("x-amz-server-side-encryption*"); err != nil {
		return err
	}
	cond, err := r.conditions()
	if err != nil {
		return err
	}
	list, err := s.partList(r)
	if err != nil {
		return err
	}
	u, err := s.openUpload(r)
	if err != nil {
		return err
	}
	claim, err := u.sums.claimedTotal(r)
	if err != nil {
		return err
	}
	plan, err := u.PlanComplete(list.parts)
	if err != nil {
		return uploadFault(err)
	}
	if err := u.sums.check(list.sums, plan.ETags); err != nil {
		return err
	}
	sum, summed, err := u.sums.settle(claim, plan.ETags)
	if err != nil {
		return err
	}
	offers := !summed && u.sums.checksum == nil && s.offered() != nil
	if offers {
		sum, offers = offeredTotal(plan.ETags)
	}
	if err := r.checkObjectSize(plan); err != nil {
		return err
	}
	c := &completing{uploading: u, plan: plan, cond: cond, sum: sum, offers: offers, final: max(plan.Final, 1)}
	var made backend.Written
	if err = s.pin(r, &c.cond); err != nil {
		made, err = c.done(err) // it may be this very Complete that has replaced the object
	} else if err = s.proveCondition(r, c.cond, true); err == nil {
		made, err = c.run()
	}
	if err != nil {
		return err
	}
	s.keepETag(u.bucket.id, r.key, c.meta, made.ETag)
	c.versioned = made.Version != ""
	c.cleanUp()
	r.showVersion(made.Version)
	out := completeResult{Location: r.location(), Bucket: r.target.bucket, Key: r.key, ETag: s.etagOf(c.meta, made.ETag)}
	if c.sum.checksum != nil {
		out.checksumXML = c.sum.inXML()
	}
	return r.answerXML(out)
}

// location is the URL of the request's object, as the client may name it.
func (r *request) location() string {
	scheme := "http"
	if r.http.IsTLS() {
		scheme = "https"
	}
	at := url.URL{Scheme: scheme, Host: string(r.http.Host()), Path: "/" + r.target.bucket + "/" + r.key}
	return at.String()
}

// partList reads the list of parts, within the byte budget.
func (s *Server) partList(r *request) (partList, error) {
	res, err := s.engine.Reserve(r.ctx, listFactor*r.body.length)
	if err != nil {
		return partList{}, err
	}
	defer res.Release()
	doc, err := io.ReadAll(&r.body)
	if err != nil {
		return partList{}, err
	}
	return parseParts(doc)
}

// checkObjectSize holds the list to the size that the client expects.
func (r *request) checkObjectSize(plan *format.Plan) error {
	text := r.header("x-amz-mp-object-size")
	if text == "" {
		return nil
	}
	switch n, err := strconv.ParseInt(text, 10, 64); {
	case err != nil:
		return s3err.New(s3err.InvalidRequest, "Value for x-amz-mp-object-size header is invalid: '%s'", text)
	case n < 0:
		return s3err.New(s3err.InvalidRequest, "Value for x-amz-mp-object-size header is less than zero: '%d'", n)
	case n != plan.PlainSize():
		// The other servers' sentence has the two sizes in this order, and clients compare
		// sentences; which is which stands beside it.
		return s3err.New(s3err.InvalidRequest, "The provided 'x-amz-mp-object-size' header value %d does not match what was computed: %d", plan.PlainSize(), n).
			With("additionalMessage", fmt.Sprintf("the header says %d bytes, the parts have %d", n, plan.PlainSize()))
	}
	return nil
}

// completeTries is how often the end of an object is stored: a Complete of the same
// upload that runs beside this one replaces the end that this one has stored.
const completeTries = 8

// completeWait is how long such a Complete gives way at most, at first.
const completeWait = 20 * time.Millisecond

func (c *completing) run() (made backend.Written, err error) {
	meta, _, err := c.staged()
	if err == errNoUpload {
		return c.done(errNoUpload)
	}
	if err != nil {
		return made, err
	}
	meta.WrittenAt = c.s.now()
	if c.sum.checksum != nil {
		meta.Checksum = c.sum.encode()
	}
	c.meta = meta
	c.meta.PartsMD5 = partsMD5(c.plan.ETags)
	if c.offers && format.CheckTailMeta(c.meta, c.bucket.blockSize) != nil {
		c.meta.Checksum, c.sum = nil, sealedChecksum{}
	}
	if format.CheckTailMeta(c.meta, c.bucket.blockSize) != nil {
		c.meta.PartsMD5 = format.PartsMD5{} // Create kept no room for it: the mode was another
	}
	meta = c.meta
	attempt := c.asMultipart
	if c.plan.Stream {
		attempt = c.asStream
	}
	for try := range completeTries {
		if made, err = attempt(meta); backendCode(err) != "InvalidPart" {
			break
		}
		if made, doneErr := c.done(err); doneErr == nil {
			return made, nil
		}
		if !c.crossed() {
			break
		}
		if err := pause(c.ctx, rand.N(completeWait<<min(try, 4))); err != nil {
			return made, err
		}
		err = s3err.Wrap(s3err.ServiceUnavailable, err, "this upload is being completed by another request; try again")
	}
	return c.judge(made, err)
}

// crossed says whether the end that this Complete has stored is not the one that the
// backend has: another Complete of the same upload runs beside it.
func (c *completing) crossed() bool {
	page, err := c.s.backend.Parts(c.ctx, c.target.bucket, c.key, c.BackendID(), c.final-1, 1)
	if err != nil {
		return unknownUpload(err)
	}
	return len(page.Parts) != 1 || page.Parts[0].N != c.final || strings.Trim(page.Parts[0].ETag, `"`) != strings.Trim(c.last, `"`)
}

// aborted says whether the backend's upload is gone: Abort removes it first, and what is
// staged behind it.
func (c *completing) aborted() bool {
	_, err := c.s.backend.Parts(c.ctx, c.target.bucket, c.key, c.BackendID(), 0, 1)
	return unknownUpload(err)
}

// pause waits, or ends with the request.
func pause(ctx context.Context, d time.Duration) error {
	select {
	case <-time.After(d):
		return nil
	case <-ctx.Done():
		return fmt.Errorf("cannot wait for another request: %w", ctx.Err())
	}
}

// underWay waits a moment for the object of an upload that the backend does not know any
// more while nobody has cleaned up behind it: the backend may still be making the object,
// for a request that was cut off. If one of our own was, nobody can say that the upload
// did not become an object.
func (c *completing) underWay(why error) (made backend.Written, err error) {
	otherwise := error(errNoUpload)
	var e *backend.Error
	if errors.As(why, &e) && e.Unsure {
		otherwise = s3err.Wrap(s3err.ServiceUnavailable, why, "the upload is being completed; try again")
	}
	for try := range completeTries {
		if made, err = c.done(otherwise); err != otherwise || c.goesOn() != nil {
			return made, err
		}
		if err := pause(c.ctx, completeWait<<min(try, 2)); err != nil {
			return made, err
		}
	}
	return made, err
}

// errStagedGone: the last part that the list names is not what is staged.
var errStagedGone = errors.New("the staged part is not the one in the list")

// judge looks behind what a failure says: each of these also happens when this very
// Complete was done before, and its answer lost.
func (c *completing) judge(made backend.Written, err error) (backend.Written, error) {
	const older = "a part was sent again, and the list names the older one"
	var own *s3err.Error
	switch {
	case errors.As(err, &own): // said where the cause was known
	case errors.Is(err, errStagedGone), backendCode(err) == "InvalidPart":
		if c.aborted() {
			return c.done(errNoUpload)
		}
		return c.done(s3err.Wrap(s3err.InvalidPart, err, older))
	case unknownUpload(err):
		return c.underWay(err)
	case backendKind(err) == backend.Precondition:
		return c.done(err)
	case c.cond.IfMatch != "" && backendCode(err) == string(s3err.NoSuchKey):
		return c.done(s3err.Wrap(s3err.NoSuchKey, err, "")) // If-Match speaks of an object that is not there
	}
	return made, err
}

// asMultipart stores the end of the object as the last part and completes the
// backend's upload.
func (c *completing) asMultipart(meta format.Meta) (made backend.Written, err error) {
	room := c.plan.EndSize(c.bucket.blockSize)
	if c.plan.Staged != nil && c.plan.Staged.SealedSize() <= wholeStaged {
		room += room + c.plan.Staged.SealedSize()
	}
	res, err := c.s.engine.Reserve(c.ctx, room)
	if err != nil {
		return made, err
	}
	defer res.Release()
	end, err := c.plan.SealEnd(c.sealing, meta, c.bucket.blockSize)
	if err != nil {
		return made, err
	}
	if c.last, err = c.storeEnd(end); err != nil {
		return made, err
	}
	parts := make([]backend.Part, len(c.plan.Parts), len(c.plan.Parts)+1)
	for i, p := range c.plan.Parts {
		parts[i] = backend.Part{N: p.Number, ETag: `"` + p.ETag + `"`}
	}
	return c.commit(append(parts, backend.Part{N: c.final, ETag: c.last}), end)
}

// commit completes the backend's upload of parts that end with end. The backend does so
// once: a completion that is late finds the upload gone, and replaces nothing that was
// stored since.
func (c *completing) commit(parts []backend.Part, end []byte) (made backend.Written, err error) {
	made, err = c.bucket.CompleteUpload(c.ctx, c.target.bucket, c.key, c.BackendID(), parts, c.cond)
	if err == nil && !made.Replaced {
		err = c.confirm(made, end[len(end)-c.bucket.blockSize:])
	}
	if made.Replaced || err == errOvertaken {
		return c.overtaken(made)
	}
	return made, err
}

// errOvertaken: another write has the object's place already.
var errOvertaken = errors.New("the object was replaced as soon as it was complete")

// overtaken is the success of an upload whose object was there, and is no more because
// another write came behind it: at S3 the later write wins, and both succeed. If that
// write is this upload's own, by another request, its ETag is told, for that object stands.
func (c *completing) overtaken(made backend.Written) (backend.Written, error) {
	meta, sum := c.meta, c.sum
	twin, err := c.done(errOvertaken)
	if err == errOvertaken {
		c.meta, c.sum = meta, sum
		return made, nil
	}
	return twin, err
}

// confirm finds the tail at the end of the new object, and the object of the size
// that the law gives it, before anybody is told of success (SPEC.md section 12.6).
func (c *completing) confirm(made backend.Written, tail []byte) error {
	size := c.plan.SealedSize(c.bucket.blockSize)
	want := &backend.Range{First: size - int64(len(tail)), Last: size - 1}
	obj, err := getPinned(c.ctx, c.s.backend, c.target.bucket, c.key, made.Version, false, backend.GetOptions{Range: want, IfMatch: made.ETag})
	switch backendKind(err) {
	case backend.Precondition:
		return errOvertaken
	case backend.NotFound:
		return s3err.Wrap(s3err.ServiceUnavailable, err, "the object was removed as soon as it was complete")
	}
	if errors.Is(err, backend.ErrRange) {
		return fmt.Errorf("cannot confirm the object: %w: it is smaller than its parts", format.ErrIntegrity)
	}
	if isArchived(err) {
		return c.confirmArchived(made, size)
	}
	if err != nil {
		return err
	}
	defer obj.Body.Close()
	got := make([]byte, len(tail))
	if _, err := io.ReadFull(obj.Body, got); err != nil {
		return fmt.Errorf("cannot confirm the object: %w", err)
	}
	if obj.Size != size || !bytes.Equal(got, tail) {
		return fmt.Errorf("cannot confirm the object: %w: it does not end with its tail", format.ErrIntegrity)
	}
	return nil
}

// storeEnd stores the last part of the backend's upload: the staged part, if there
// is one, and the end of the object behind it.
func (c *completing) storeEnd(end []byte) (etag string, err error) {
	store, bucket, id, n := c.s.backend, c.target.bucket, c.BackendID(), c.plan.Final
	if c.plan.Staged == nil {
		return store.UploadPart(c.ctx, bucket, c.key, id, n, bytes.NewReader(end), int64(len(end)))
	}
	body, err := c.openStaged()
	if err != nil {
		return "", err
	}
	defer body.Close()
	size := c.plan.Staged.SealedSize()
	if size > wholeStaged {
		// Part number 10,000 may have gigabytes: it flows through, and can be sent once.
		return store.StreamPart(c.ctx, bucket, c.key, id, n, io.MultiReader(body, bytes.NewReader(end)), size+int64(len(end)))
	}
	whole := make([]byte, size, size+int64(len(end)))
	if _, err := io.ReadFull(body, whole); err != nil {
		return "", fmt.Errorf("cannot read the staged part: %w", err)
	}
	whole = append(whole, end...)
	return store.UploadPart(c.ctx, bucket, c.key, id, n, bytes.NewReader(whole), int64(len(whole)))
}

// done finds the object that this very list has become and returns its ETag; otherwise,
// if the key has no object or one of another origin, the error given. Another Complete of
// the upload may have made it of other attempts: who has not sent those is not told of
// success.
func (c *completing) done(otherwise error) (made backend.Written, err error) {
	o, err := c.s.openHead(c.ctx, c.target.bucket, c.key, "")
	switch {
	case backendKind(err) == backend.NotFound:
		if backendKind(otherwise) == backend.Precondition && c.cond.IfNoneMatch {
			return made, s3err.Wrap(s3err.ConditionalRequestConflict, otherwise, "the object was removed meanwhile; try again")
		}
		return made, otherwise
	case unreadable(err):
		if backendKind(otherwise) == backend.Precondition && c.cond.IfMatch == "" {
			return made, s3err.Wrap(s3err.ServiceUnavailable, err, "the existing object cannot be read; try again")
		}
		return made, otherwise
	case isArchived(err) && otherwise == errOvertaken:
		return made, otherwise // whoever wrote it came later
	case err != nil:
		return made, err
	}
	defer o.close()
	if oid, ok := o.oid(); !ok || oid != c.OID() || o.plainSize() != c.plan.PlainSize() {
		return made, otherwise
	}
	if mine, err := c.made(o); err != nil {
		return made, err
	} else if !mine {
		return made, otherwise
	}
	c.meta = o.meta()
	c.sum, _ = openChecksum(c.meta)
	return backend.Written{ETag: o.etag, Version: o.version}, c.bucket.stands(c.ctx)
}

// made says whether an object of this upload has the attempts of the client's list and
// no others. Of a stream the MD5 of its part tells: one that does not is another attempt
// for all that is known.
func (c *completing) made(o *stored) (bool, error) {
	if o.multi == nil {
		was, is := o.meta(), partsMD5(c.plan.ETags)
		sum, ok := openChecksum(was)
		return c.plan.Stream && (is.Parts != 0 && was.PartsMD5 == is || !digesting) &&
			(!ok || c.sum.checksum != sum.checksum || bytes.Equal(sum.sum, c.sum.sum)), nil
	}
	if c.plan.Stream || o.multi.tail.Parts() != len(c.plan.ETags) {
		return false, nil
	}
	parts, err := c.s.openTable(c.ctx, o)
	if err != nil {
		return false, err
	}
	return c.plan.Made(parts), nil
}
