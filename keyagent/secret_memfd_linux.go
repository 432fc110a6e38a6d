//go:build linux && (amd64 || arm64 || riscv64)

package keyagent

import "golang.org/x/sys/unix"

// memfdSecret is memfd_secret(2) on the architectures for which x/sys has it.
func memfdSecret() (fd int, err error) { return unix.MemfdSecret(unix.O_CLOEXEC) }
