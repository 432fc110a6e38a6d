package backend

import "encoding/base64"

// hintName is the user metadata that keeps a copy of an object's sealed block (SPEC.md section 20).
const hintName = "scpx-block"

// hintHeader is the header with it, in net/http's form.
const hintHeader = "X-Amz-Meta-Scpx-Block"

// maxUserMeta is S3's limit on the names and values of an object's user metadata (user guide, "Working with
// object metadata").
const maxUserMeta = 2048

// MaxHint is the length of the largest block, in bytes, that fits into user metadata as a hint.
const MaxHint = (maxUserMeta - len(hintName)) / 4 * 3

// Hint is the value that keeps a block as user metadata, or "" for one that is too large.
func Hint(block []byte) string {
	if len(block) > MaxHint {
		return ""
	}
	return base64.StdEncoding.EncodeToString(block)
}

// hinted reads the hint out of an object's user metadata; nil if there is none, or it is no block of this
// store's making. Whether it is true is for the caller to prove.
func hinted(text string) []byte {
	if text == "" || len(text) > maxUserMeta {
		return nil
	}
	block, err := base64.StdEncoding.Strict().DecodeString(text)
	if err != nil {
		return nil
	}
	return block
}
