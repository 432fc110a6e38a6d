//go:build !unix

package audit

import (
	"errors"
	"os"
)

const noFollow = 0

// lock fails: without a lock two agents could write one chain.
func lock(*os.File) error { return errors.ErrUnsupported }
