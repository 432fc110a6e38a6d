package backend

import (
	"bytes"
	"strings"
	"testing"
)

// TestHintIsKeptAsUserMetadata: where it fits, and nothing else of it is sent or read.
func TestHintIsKeptAsUserMetadata(t *testing.T) {
	block := pattern(1024)
	s := newScript(t, reply(200, "", "Etag", `"e"`), reply(200, "x", "Etag", `"e"`, "X-Amz-Meta-Scpx-Block", Hint(block), "X-Amz-Meta-Other", "o"),
		reply(200, "", "Etag", `"e"`, "X-Amz-Meta-Scpx-Block", "no base64!"))
	c := newTestClient(t, s.URL)
	if _, err := c.Put(ctx, "bucket", "key", strings.NewReader("x"), 1, Conditions{Attributes: Attributes{BlockHint: Hint(block)}}); err != nil {
		t.Fatal(err)
	}
	if got := s.requests()[0].header.Get("X-Amz-Meta-Scpx-Block"); got != Hint(block) || len(got)+len(hintName) > maxUserMeta {
		t.Errorf("sent %d bytes", len(got))
	}
	o, err := c.Get(ctx, "bucket", "key", GetOptions{})
	if err != nil || !bytes.Equal(o.Hint, block) {
		t.Fatalf("%v, %v", o, err)
	}
	o.Body.Close()
	if h, err := c.Head(ctx, "bucket", "key"); err != nil || h.Hint != nil {
		t.Errorf("%+v, %v", h, err)
	}
	if Hint(pattern(2048)) != "" || MaxHint < 1024 || MaxHint >= 2048 {
		t.Errorf("blocks of up to %d bytes are said to fit", MaxHint)
	}
	if AttributesFrom(func(string) string { return "v" }).BlockHint != "" || (Attributes{BlockHint: "h"}).Any() {
		t.Error("a client can set a hint")
	}
}
