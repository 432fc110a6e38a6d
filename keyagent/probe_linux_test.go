package keyagent

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
)

func TestProbeTellsWhoAnswers(t *testing.T) {
	checkLeaks(t)
	h := newTestHolder(t) // without keys: it is asked for none
	socket, _ := serveTest(t, h, Policy{})
	if err := Probe(t.Context(), ClientConfig{Socket: socket}); err != nil {
		t.Error(err)
	}
	if err := Probe(t.Context(), ClientConfig{Socket: socket, ServerUIDs: []int{os.Geteuid() + 1}}); err == nil {
		t.Error("a foreign server is believed")
	}
	closed, _ := serveTest(t, h, Policy{UIDs: []int{os.Geteuid() + 1}})
	if err := Probe(t.Context(), ClientConfig{Socket: closed}); !errors.Is(err, ErrRefused) {
		t.Errorf("from an agent that takes others: %v", err)
	}
	if err := Probe(t.Context(), ClientConfig{Socket: filepath.Join(t.TempDir(), "none")}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("without a socket: %v", err)
	}
	other := evilAgent(t, func(uc *net.UnixConn) { _, _ = uc.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n")) })
	if err := Probe(t.Context(), ClientConfig{Socket: other}); err == nil {
		t.Error("what is no key agent counts as one")
	}
}
