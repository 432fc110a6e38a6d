//go:build !unix

package vault

import (
	"errors"
	"os"
)

// lockFile fails: without a lock two agents could write one pins file.
func lockFile(string) (*os.File, error) { return nil, errors.ErrUnsupported }
