//go:build !linux

package keyagent

import (
	"errors"
	"fmt"
	"net"
)

// The local hand-over needs SO_PEERCRED, SCM_RIGHTS and memfd as Linux has them. Elsewhere the package still builds, for
// the administrator's tool, and every use of the socket fails.
var errLinuxOnly = fmt.Errorf("the local key socket needs Linux: %w", errors.ErrUnsupported)

// Listen fails: see errLinuxOnly.
func Listen(string) (net.Listener, error) { return nil, errLinuxOnly }

// Harden fails: see errLinuxOnly.
func Harden() error { return errLinuxOnly }

func peerOf(*net.UnixConn) (Peer, error) { return Peer{}, errLinuxOnly }

func newRegion(int, func([]byte) error) (int, error) { return -1, errLinuxOnly }

func openRegion(int, int, func([]byte) error) error { return errLinuxOnly }

func readWithFDs(*net.UnixConn, []byte) (int, []int, error) { return 0, nil, errLinuxOnly }

func writeWithFD(*net.UnixConn, []byte, int) error { return errLinuxOnly }

func closeFD(int) {}
