//go:build linux && !(amd64 || arm64 || riscv64)

package keyagent

import "golang.org/x/sys/unix"

// memfdSecret fails as on a kernel without it.
func memfdSecret() (fd int, err error) { return -1, unix.ENOSYS }
