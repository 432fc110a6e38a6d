package keyagent

import (
	"context"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"
)

func TestProbeTellsWhoAnswers(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t)
	socket, _ := serveTest(t, h, Policy{Deriver: hashDeriver{}})
	if names, err := Probe(t.Context(), ClientConfig{Socket: socket}, 50*time.Millisecond); err != nil || len(names.Keys) != 0 {
		t.Errorf("without keys: %+v, %v", names, err)
	}
	load(t, h, 1)
	if names, err := Probe(t.Context(), ClientConfig{Socket: socket}, 10*time.Second); err != nil || len(names.Keys) != 2 || !names.Keys[1].Active {
		t.Errorf("with keys: %+v, %v", names, err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Probe(ctx, ClientConfig{Socket: socket}, 10*time.Second); err == nil {
		t.Error("it goes on when its caller has ended")
	}
	if _, err := Probe(t.Context(), ClientConfig{Socket: socket, ServerUIDs: []int{os.Geteuid() + 1}}, time.Second); err == nil {
		t.Error("a foreign server is believed")
	}
	closed, _ := serveTest(t, h, Policy{UIDs: []int{os.Geteuid() + 1}})
	if _, err := Probe(t.Context(), ClientConfig{Socket: closed}, time.Second); !errors.Is(err, ErrRefused) {
		t.Errorf("from an agent that takes others: %v", err)
	}
	if _, err := Probe(t.Context(), ClientConfig{Socket: filepath.Join(t.TempDir(), "none")}, time.Second); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
	other := evilAgent(t, func(uc *net.UnixConn) { _, _ = uc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	if _, err := Probe(t.Context(), ClientConfig{Socket: other}, time.Second); err == nil {
		t.Error("what is no key agent counts as one")
	}
}
