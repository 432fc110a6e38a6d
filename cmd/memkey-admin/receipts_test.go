package main

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

func TestReceipts(t *testing.T) {
	c := &config{ExpectedFingerprint: "f1", dir: t.TempDir()}
	var hints bytes.Buffer
	a := &app{sys: surroundings{err: &hints}}
	all := func(record) bool { return true }
	if _, err := lastRecord(c.receipts(), all); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("no file: %v", err)
	}
	key := memkey.KeyState{ID: format.KeyID{1}, KVT: [32]byte{2}, Active: true}
	a.keepReceipt(c, memkey.OpEnroll, memkey.Receipt{Generation: 3, Active: key.ID, Keys: []memkey.KeyState{key}, AuditSeq: 10})
	a.keepReceipt(c, memkey.OpClear, memkey.Receipt{AuditSeq: 11})
	if hints.Len() != 0 {
		t.Errorf("warned: %s", hints.String())
	}

	// A crash in the middle of a line.
	f, err := os.OpenFile(c.receipts(), os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteString(`{"time":"2026-01-01T00:00:00Z","op":"enr`); err != nil {
		t.Fatal(err)
	}
	f.Close()
	a.keepReceipt(c, memkey.OpDeliver, memkey.Receipt{Generation: 3, Active: key.ID, Keys: []memkey.KeyState{key}, AuditSeq: 12})
	last, err := lastRecord(c.receipts(), func(r record) bool { return len(r.Keys) > 0 })
	if err != nil || last.Op != "deliver" || last.Generation != 3 || last.Keys[0].ID != "0100000000000000" || !last.Keys[0].Active {
		t.Errorf("%+v, %v", last, err)
	}
	if first, err := lastRecord(c.receipts(), func(r record) bool { return r.Op == "clear" }); err != nil || first.AuditSeq != 11 {
		t.Errorf("%+v, %v", first, err)
	}
	if info, err := os.Stat(c.receipts()); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}

	// The server's log got shorter; that of another server has nothing to do with it.
	other := *c
	other.ExpectedFingerprint = "f2"
	if _, rolled := a.keepReceipt(&other, memkey.OpDeliver, memkey.Receipt{AuditSeq: 1}); rolled != nil || hints.Len() != 0 {
		t.Errorf("%v, warned: %s", rolled, hints.String())
	}
	if _, rolled := a.keepReceipt(c, memkey.OpClear, memkey.Receipt{}); rolled != nil || !strings.Contains(hints.String(), "could not write its audit log") {
		t.Errorf("a clear without a line: %v, %q", rolled, hints.String())
	}
	_, rolled := a.keepReceipt(c, memkey.OpDeliver, memkey.Receipt{AuditSeq: 5})
	var failed *failure
	if !errors.As(rolled, &failed) || failed.code != exitConflict || !strings.Contains(rolled.Error(), "entries are gone") || !strings.Contains(failed.next, "--witness 12:") {
		t.Errorf("a log that got shorter: %v", rolled)
	}
	// One object in JSON, and it says so; for people the result too.
	for _, asJSON := range []bool{false, true} {
		var out bytes.Buffer
		a := &app{sys: surroundings{out: &out, err: &hints}, json: asJSON}
		if err := a.confirmed(deliverResult{record: record{Op: "deliver"}}, rolled); err != rolled || (out.Len() == 0) != asJSON {
			t.Errorf("JSON %t: %v, %q", asJSON, err, out.String())
		}
	}

	if err := os.WriteFile(filepath.Join(c.dir, receiptsFile), []byte("\x00\xff\n{}\n[]\nnull\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lastRecord(c.receipts(), all); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file of garbage: %v", err)
	}
}
