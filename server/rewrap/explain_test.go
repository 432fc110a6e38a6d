package rewrap

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/backend"
)

func edit(data []byte, change func([]byte) []byte) []byte { return change(bytes.Clone(data)) }

func flip(at int) func([]byte) []byte {
	return func(b []byte) []byte {
		b[(at+len(b))%len(b)] ^= 1
		return b
	}
}

func cut(n int) func([]byte) []byte { return func(b []byte) []byte { return b[:(n+len(b))%len(b)] } }

// TestExplain: each thing that can be wrong with an object has its own answer.
func TestExplain(t *testing.T) {
	f, ring := newFake(), ringOf(t, 'B', 'A')
	f.setState(t, ring)
	plain := bytes.Repeat([]byte("0123456789abcdef"), 10_000) // 3 segments
	one := sealed(t, ring, "one", plain)
	parts := sealedParts(t, ring, "parts", 6<<20, 5<<20+77, 100)
	for key, data := range map[string][]byte{
		"good":            sealed(t, ring, "good", plain),
		"empty":           sealed(t, ring, "empty", nil),
		"older":           sealed(t, ringOf(t, 'A'), "older", plain),
		"foreign-key":     sealed(t, ringOf(t, 'C'), "foreign-key", plain),
		"moved":           one,
		"plain":           bytes.Repeat([]byte("plain text "), 200),
		"tiny":            []byte("plain"),
		"nothing":         {},
		"cut":             edit(sealed(t, ring, "cut", plain), cut(-100)),
		"cut-to-segment":  edit(sealed(t, ring, "cut-to-segment", plain), cut(512+2*format.Stride)),
		"cut-to-block":    edit(sealed(t, ring, "cut-to-block", plain), cut(512)),
		"cut-in-block":    edit(sealed(t, ring, "cut-in-block", plain), cut(300)),
		"longer":          edit(sealed(t, ring, "longer", plain), func(b []byte) []byte { return append(b, 'x') }),
		"longer-empty":    edit(sealed(t, ring, "longer-empty", nil), func(b []byte) []byte { return append(b, 0) }),
		"flip-block":      edit(sealed(t, ring, "flip-block", plain), flip(400)),
		"flip-commitment": edit(sealed(t, ring, "flip-commitment", plain), flip(60)),
		"flip-body":       edit(sealed(t, ring, "flip-body", plain), flip(-1)),
		"flip-version":    edit(sealed(t, ring, "flip-version", plain), flip(4)),
		"parts":           parts,
		"parts-moved":     parts,
		"parts-cut":       edit(sealedParts(t, ring, "parts-cut", 6<<20, 100), cut(-100)),
		"parts-flip":      edit(sealedParts(t, ring, "parts-flip", 6<<20, 100), flip(3<<20)),
		"parts-flip-head": edit(sealedParts(t, ring, "parts-flip-head", 6<<20, 100), flip(50)),
	} {
		f.put(t, key, data)
	}
	before := len(f.objects)
	for key, want := range map[string]struct {
		cause Cause
		text  string
	}{
		"good":            {Readable, "160000 bytes, xchacha20-poly1305, under the active key " + keyID(t, 'B').String()},
		"empty":           {Readable, "0 bytes"},
		"older":           {Readable, "under an older key " + keyID(t, 'A').String()},
		"foreign-key":     {WrongKey, "under key " + keyID(t, 'C').String() + ", which is not loaded"},
		"moved":           {Swapped, "not sealed under this name"},
		"plain":           {NotSealed, "something else than a proxy"},
		"tiny":            {NotSealed, "something else than a proxy"},
		"nothing":         {Truncated, "no bytes"},
		"absent":          {Absent, "no such object"},
		"cut":             {Truncated, "of 160560 stored bytes"},
		"cut-to-segment":  {Truncated, "of 160560 stored bytes"},
		"cut-to-block":    {Truncated, "512 of 160560 stored bytes"},
		"cut-in-block":    {Truncated, "300 stored bytes"},
		"longer":          {Extended, "160561 stored bytes, sealed were 160560"},
		"longer-empty":    {Extended, "529 stored bytes, sealed were 528"},
		"flip-block":      {Tampered, "its block was changed"},
		"flip-commitment": {Swapped, "or its block was changed"},
		"flip-body":       {Tampered, "131072 of 160000 bytes open"},
		"flip-version":    {Foreign, "another format version"},
		"parts":           {Readable, "every byte of it opens"},
		"parts-moved":     {Swapped, "not sealed under this name"},
		"parts-cut":       {Truncated, ""},
		"parts-flip":      {Tampered, "bytes open"},
		"parts-flip-head": {Foreign, "or its first bytes were changed"},
	} {
		x, err := Explain(t.Context(), Config{Store: f, Ring: ring, Bucket: name}, key, true)
		if err != nil || x.Cause != want.cause || !strings.Contains(x.Text, want.text) || strings.Contains(x.Text, "\n") {
			t.Errorf("%s: %v %+v", key, err, x)
		}
		if x.Cause == Readable && x.Looked != x.Plain {
			t.Errorf("%s: %d of %d bytes were looked at", key, x.Looked, x.Plain)
		}
		// The block alone does not see what is behind it, and says so.
		x, err = Explain(t.Context(), Config{Store: f, Ring: ring, Bucket: name}, key, false)
		if err != nil || x.Looked != 0 || x.Cause == Readable && !strings.Contains(x.Text, "the rest was not looked at") {
			t.Errorf("%s, its block alone: %v %+v", key, err, x)
		}
	}
	if len(f.objects) != before || slices.ContainsFunc(f.calls, func(c string) bool {
		return strings.HasPrefix(c, "Put") || strings.HasPrefix(c, "Delete") || strings.HasPrefix(c, "Create")
	}) {
		t.Errorf("it wrote: %v", f.calls)
	}
}

// TestExplainDoesNotBlameTheObjectForTheBackend: a fault of the store is an error, and
// no word about the object.
func TestExplainDoesNotBlameTheObjectForTheBackend(t *testing.T) {
	ring := ringOf(t, 'B', 'A')
	f := newFake()
	f.setState(t, ring)
	f.put(t, "k", sealed(t, ring, "k", bytes.Repeat([]byte("x"), 100_000)))
	calls := 0
	for n := 1; ; n++ {
		calls = 0
		f.before = func(int, string, string) error {
			if calls++; calls == n {
				return &backend.Error{Kind: backend.Busy, Op: "GetObject"}
			}
			return nil
		}
		x, err := Explain(context.Background(), Config{Store: f, Ring: ring, Bucket: name}, "k", true)
		if calls < n {
			if err != nil || x.Cause != Readable {
				t.Errorf("without a fault: %v %+v", err, x)
			}
			if n < 4 {
				t.Errorf("only %d calls", calls)
			}
			return
		}
		var fault *backend.Error
		if !errors.As(err, &fault) || x != (Explanation{}) {
			t.Errorf("call %d failed: %v %+v", n, err, x)
		}
	}
}
