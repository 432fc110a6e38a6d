//go:build integration

package integration

import (
	"context"
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"strings"
	"testing"
)

// TestContractWithHiddenNamesAndSizes: PBS notices nothing where names are sealed and sizes padded, and the provider, who
// would learn the digests of chunks from their names, sees none.
func TestContractWithHiddenNamesAndSizes(t *testing.T) {
	t.Parallel()
	w := start(t, nil, "encryption:\n  sealed_names: [\"*\"]\n  padded_sizes: [\"*\"]\n")
	w.hides = true
	d := w.datastore(t, "kept")
	must(t, d.Create(context.Background())) // the cases ask for the bucket's state, which the first write makes
	w.holds(t, contract())
	keys := chunks(t, d, 5)
	known := []string{"chunks", d.Name, "in-use"}
	for _, key := range keys {
		known = append(known, path.Base(key))
		if _, err := os.Stat(w.stored(w.name(t, key))); err != nil {
			t.Errorf("%s is not where its sealed name says: %v", key, err)
		}
	}
	must(t, filepath.WalkDir(w.backend.Dir, func(file string, _ fs.DirEntry, err error) error {
		for _, word := range known {
			if strings.Contains(strings.TrimPrefix(file, w.backend.Dir), word) {
				t.Errorf("the backend sees %s in the name %s", word, file)
			}
		}
		return err
	}))
}
