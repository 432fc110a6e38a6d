package keyagent

import (
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// regionSeals make a memfd as unchangeable in size as secret memory is, and in content as well.
const regionSeals = unix.F_SEAL_SEAL | unix.F_SEAL_SHRINK | unix.F_SEAL_GROW | unix.F_SEAL_WRITE

// newRegion makes a region of size bytes, has fill write it, and returns its descriptor, which the caller closes. No
// mapping of it is left in this process. Every client gets a region of its own: one that is shared could be mapped
// writable by one client and changed under another.
func newRegion(size int, fill func(b []byte) error) (fd int, err error) {
	fd, err = newSecretRegion(size, fill)
	if secretMemoryMissing(err) {
		return newSealedRegion(size, fill)
	}
	return fd, err
}

func newSecretRegion(size int, fill func(b []byte) error) (int, error) {
	fd, err := memfdSecret()
	if err != nil {
		return -1, fmt.Errorf("cannot create secret memory: %w", err)
	}
	if err = unix.Ftruncate(fd, int64(size)); err != nil {
		err = fmt.Errorf("cannot size secret memory: %w", err)
	} else {
		err = withMapping(fd, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, locked, fill)
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// newSealedRegion is the region of a kernel without memfd_secret: shared memory that nobody can change once it is sent.
// It is locked only while it is mapped, and the kernel clears its pages not when they are freed but before they are
// used again.
func newSealedRegion(size int, fill func(b []byte) error) (int, error) {
	flags := unix.MFD_CLOEXEC | unix.MFD_ALLOW_SEALING | unix.MFD_NOEXEC_SEAL
	fd, err := unix.MemfdCreate("keyring", flags)
	if errors.Is(err, unix.EINVAL) { // before Linux 6.3
		fd, err = unix.MemfdCreate("keyring", flags&^unix.MFD_NOEXEC_SEAL)
	}
	if err != nil {
		return -1, fmt.Errorf("cannot create shared memory: %w", err)
	}
	if err = unix.Ftruncate(fd, int64(size)); err != nil {
		err = fmt.Errorf("cannot size shared memory: %w", err)
	} else if err = withMapping(fd, size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED, unlocked, fill); err == nil {
		if _, err = unix.FcntlInt(uintptr(fd), unix.F_ADD_SEALS, regionSeals); err != nil {
			err = fmt.Errorf("cannot seal shared memory: %w", err)
		}
	}
	if err != nil {
		unix.Close(fd)
		return -1, err
	}
	return fd, nil
}

// openRegion checks that fd is a region of exactly size bytes that cannot shrink under the reader, and calls read with
// its bytes, which are valid during the call only. It does not close fd.
func openRegion(fd, size int, read func(b []byte) error) error {
	var fs unix.Statfs_t
	if err := unix.Fstatfs(fd, &fs); err != nil {
		return fmt.Errorf("cannot examine the key region: %w", err)
	}
	share, lock := unix.MAP_SHARED, locked
	if fs.Type != unix.SECRETMEM_MAGIC {
		seals, err := unix.FcntlInt(uintptr(fd), unix.F_GET_SEALS, 0)
		if err != nil || seals&regionSeals != regionSeals {
			return fmt.Errorf("the key region is neither secret memory nor sealed: %w", ErrProtocol)
		}
		lock = unlocked
		share = unix.MAP_PRIVATE // kernels before 6.7 refuse a shared mapping of sealed memory
	}
	var st unix.Stat_t
	if err := unix.Fstat(fd, &st); err != nil {
		return fmt.Errorf("cannot examine the key region: %w", err)
	}
	if st.Size != int64(size) {
		return fmt.Errorf("key region of %d bytes, want %d: %w", st.Size, size, ErrProtocol)
	}
	return withMapping(fd, size, unix.PROT_READ, share, lock, read)
}

// Secret memory is locked by nature and mlock fails on it; other memory is locked while it is mapped.
const (
	locked   = true
	unlocked = false
)

func withMapping(fd, size, prot, share int, isLocked bool, f func(b []byte) error) error {
	page := os.Getpagesize()
	length := uintptr((size + page - 1) / page * page)
	at, err := unix.MmapPtr(fd, 0, nil, length, prot, share)
	if err != nil {
		return fmt.Errorf("cannot map the key region: %w", lockLimit(err))
	}
	defer func() {
		if err := unix.MunmapPtr(at, length); err != nil {
			panic("BUG: cannot unmap a key region: " + err.Error())
		}
	}()
	all := unsafe.Slice((*byte)(at), length)
	if !isLocked {
		if err := unix.Mlock(all); err != nil {
			return lockLimit(err)
		}
	}
	for _, advice := range []int{unix.MADV_DONTDUMP, unix.MADV_DONTFORK} {
		if err := unix.Madvise(all, advice); err != nil {
			return fmt.Errorf("cannot keep the key region from dumps and children: %w", err)
		}
	}
	return f(all[:size])
}
