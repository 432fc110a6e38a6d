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
	a.keepReceipt(&other, memkey.OpDeliver, memkey.Receipt{AuditSeq: 1})
	if hints.Len() != 0 {
		t.Errorf("warned: %s", hints.String())
	}
	a.keepReceipt(c, memkey.OpDeliver, memkey.Receipt{AuditSeq: 5})
	if !strings.Contains(hints.String(), "entries are gone") {
		t.Errorf("no warning: %q", hints.String())
	}

	if err := os.WriteFile(filepath.Join(c.dir, receiptsFile), []byte("\x00\xff\n{}\n[]\nnull\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := lastRecord(c.receipts(), all); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file of garbage: %v", err)
	}
}
