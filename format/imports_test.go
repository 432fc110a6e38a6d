package format

import (
	"go/parser"
	"go/token"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// TestImports: this package is bytes in, bytes out. What it may import is listed; everything else, io and sync first of all, is not.
func TestImports(t *testing.T) {
	allowed := map[string]bool{
		"bytes": true, "crypto/aes": true, "crypto/cipher": true, "crypto/rand": true, "crypto/sha256": true, "crypto/subtle": true,
		"encoding/base64": true, "encoding/binary": true, "encoding/hex": true, "encoding/json": true, "errors": true, "fmt": true,
		"math/bits": true, "slices": true, "sort": true, "strings": true, "time": true, "golang.org/x/crypto/chacha20poly1305": true,
	}
	files, err := filepath.Glob("*.go")
	if err != nil || len(files) < 20 {
		t.Fatalf("%d files, %v", len(files), err)
	}
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
		if err != nil {
			t.Fatal(err)
		}
		for _, spec := range file.Imports {
			if path, err := strconv.Unquote(spec.Path.Value); err != nil || !allowed[path] {
				t.Errorf("%s imports %s", name, path)
			}
		}
	}
}
