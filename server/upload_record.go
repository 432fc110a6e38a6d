package server

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

// uploadRecord is the sealed body of …/create: what cannot be known without it of an
// upload that is found in a listing, and what its object will need. Its metadata are
// the object's.
type uploadRecord struct {
	Key        []byte             `json:"key"`
	UploadID   string             `json:"upload_id"`
	Initiator  string             `json:"initiator,omitempty"` // access key
	Attributes backend.Attributes `json:"attributes,omitzero"`
}

// stageRecord stores metadata and record of the object to be. From then on the upload
// exists.
func (s *Server) stageRecord(r *request, b *bucket, sealing keyring, up *format.Upload, meta format.Meta, record uploadRecord) error {
	at, err := where(b, up.CreateKey())
	if err != nil {
		return err
	}
	body, err := json.Marshal(record)
	if err != nil {
		return fmt.Errorf("cannot encode the record of an upload: %w", err)
	}
	meta.PlainSize = int64(len(body)) // headers bound it: far less than a segment
	sealer, err := format.NewSealer(sealing, at, meta, format.SealOptions{Suite: s.suite, BlockSize: b.blockSize})
	if err != nil {
		return err
	}
	object := make([]byte, sealer.SealedSize())
	n := copy(object, sealer.Block())
	copy(object[n:], body)
	segmentSealer(sealer).SealInPlace(object[n:], len(body), 0)
	_, err = b.Put(r.ctx, r.target.bucket, up.CreateKey(), newBytesReader(object), int64(len(object)), backend.Conditions{})
	return err
}

// readRecord reads what stageRecord stored under key. An upload that an earlier
// version began has no record but its metadata.
func (s *Server) readRecord(ctx context.Context, op, bucket, key string) (meta format.Meta, record uploadRecord, err error) {
	o, err := s.openObject(ctx, bucket, key, "", everything)
	if err != nil {
		return meta, record, err
	}
	if o.multi != nil || o.plainSize() > format.SegmentSize {
		o.close()
		return meta, record, fmt.Errorf("cannot read the record of an upload: %w: it has %d bytes", format.ErrUnsupported, o.plainSize())
	}
	meta = o.meta()
	plain, err := s.openPlain(ctx, o, byteRange{0, o.plainSize()}, everything, nil)
	if err != nil {
		return meta, record, err
	}
	defer plain.Close()
	plain.op = op
	var body bytes.Buffer
	if _, err := plain.WriteTo(&body); err != nil || body.Len() == 0 {
		return meta, record, err
	}
	if err := json.Unmarshal(body.Bytes(), &record); err != nil {
		return meta, record, fmt.Errorf("cannot read the record of an upload: %w", format.ErrIntegrity)
	}
	return meta, record, nil
}
