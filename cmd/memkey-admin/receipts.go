package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// record is one line of the receipts file: what a server confirmed, without anything secret. It is the administrator's
// witness of the server's audit log, and what a drill compares with. Its keys are spelled as in the server's pins file.
type record struct {
	Time       time.Time `json:"time"`
	Server     string    `json:"server"` // fingerprint
	Op         string    `json:"op"`
	Generation uint64    `json:"generation"`
	Keys       []keyView `json:"keys"`
	AuditSeq   uint64    `json:"audit_seq"`
	AuditHead  string    `json:"audit_head"`
}

// maxReceipts bounds what is read back; a receipt has 200 bytes to 2 KiB.
const maxReceipts = 8 << 20

// keepReceipt appends to the receipts file. It is an extra: a server that has confirmed is not unconfirmed by it. The
// error is for a server whose audit log has lost entries since the last receipt.
func (a *app) keepReceipt(c *config, op memkey.Op, r memkey.Receipt) (rec record, rolled error) {
	rec = record{Time: a.now(), Server: c.ExpectedFingerprint, Op: op.String(), Generation: r.Generation, Keys: []keyView{}, AuditSeq: r.AuditSeq, AuditHead: hex.EncodeToString(r.AuditHead[:])}
	for _, k := range r.Keys {
		rec.Keys = append(rec.Keys, viewState(k))
	}
	if last, err := lastRecord(c.receipts(), func(r record) bool { return r.Server == rec.Server && r.AuditSeq > 0 }); err == nil && last.AuditSeq >= rec.AuditSeq && rec.AuditSeq > 0 {
		rolled = fail(exitConflict, fmt.Sprintf("memkey-server audit verify --witness %d:%s, on the server: somebody cut its log off, or put an older one back", last.AuditSeq, last.AuditHead),
			fmt.Errorf("the server has confirmed %s, but its audit log has %d entries and had %d on %s: entries are gone", rec.Op, rec.AuditSeq, last.AuditSeq, last.Time.Format(time.RFC3339)))
	}
	if rec.AuditSeq == 0 {
		a.hint("warning: the server could not write its audit log") // a clear does not wait for it
	}
	line, err := json.Marshal(rec)
	if err == nil {
		err = appendLine(c.receipts(), line)
	}
	if err != nil {
		a.hint("warning: cannot keep the receipt: %v", err)
	}
	return rec, rolled
}

// confirmed reports what the server has confirmed, and fails if rolled says so: in JSON with the failure alone, since
// there is one object.
func (a *app) confirmed(r deliverResult, rolled error) error {
	if rolled != nil && a.json {
		return rolled
	}
	if err := a.report(r); err != nil {
		return err
	}
	return rolled
}

func appendLine(path string, line []byte) error {
	f, err := os.OpenFile(path, os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o600)
	if err != nil {
		return err
	}
	end, err := f.Seek(0, io.SeekEnd)
	if err == nil && end > 0 { // a line that was cut off by a crash must not spoil this one
		var b [1]byte
		if _, err = f.ReadAt(b[:], end-1); err == nil && b[0] != '\n' {
			line = append([]byte{'\n'}, line...)
		}
	}
	if err == nil {
		_, err = f.Write(append(line, '\n'))
	}
	if err == nil {
		err = f.Sync()
	}
	return errors.Join(err, f.Close())
}

// lastRecord returns the last record that wanted likes, or fs.ErrNotExist. Lines that are no records are passed over.
func lastRecord(path string, wanted func(record) bool) (record, error) {
	f, err := os.Open(path)
	if err != nil {
		return record{}, fmt.Errorf("cannot read the receipts: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return record{}, fmt.Errorf("cannot read the receipts: %w", err)
	}
	data, err := io.ReadAll(io.NewSectionReader(f, max(0, info.Size()-maxReceipts), maxReceipts))
	if err != nil {
		return record{}, fmt.Errorf("cannot read the receipts: %w", err)
	}
	lines := bytes.Split(data, []byte("\n"))
	for i := len(lines) - 1; i >= 0; i-- {
		var r record
		if json.Unmarshal(lines[i], &r) == nil && r.Op != "" && wanted(r) {
			return r, nil
		}
	}
	return record{}, fmt.Errorf("cannot read the receipts: there is none: %w", fs.ErrNotExist)
}
