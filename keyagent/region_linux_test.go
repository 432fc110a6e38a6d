package keyagent

import (
	"bytes"
	"errors"
	"os"
	"testing"

	"golang.org/x/sys/unix"
)

func fillWith(content []byte) func([]byte) error {
	return func(b []byte) error { copy(b, content); return nil }
}

var regionKinds = map[string]func(int, func([]byte) error) (int, error){
	"memfd_secret": newSecretRegion, "sealed memfd": newSealedRegion,
}

func eachRegion(t *testing.T, content []byte, f func(t *testing.T, fd int, secret bool)) {
	for kind, create := range regionKinds {
		t.Run(kind, func(t *testing.T) {
			checkLeaks(t)
			fd, err := create(len(content), fillWith(content))
			if kind == "memfd_secret" && secretMemoryMissing(err) {
				t.Skipf("this kernel or sandbox has no memfd_secret: %v", err)
			}
			if err != nil {
				t.Fatal(err)
			}
			defer closeFD(fd)
			f(t, fd, kind == "memfd_secret")
		})
	}
}

func TestRegionCannotBeChangedInSizeNorReadAsAFile(t *testing.T) {
	content := bytes.Repeat([]byte("region! "), 10)
	eachRegion(t, content, func(t *testing.T, fd int, secret bool) {
		for _, size := range []int64{0, 10, 1 << 20} {
			if err := unix.Ftruncate(fd, size); err == nil {
				t.Errorf("the region was resized to %d", size)
			}
		}
		got := make([]byte, len(content))
		n, err := unix.Pread(fd, got, 0)
		if secret && (err == nil || n > 0) {
			t.Errorf("pread returns %d bytes of secret memory", n)
		}
		if !secret {
			if _, err := unix.Pwrite(fd, []byte{1}, 0); !errors.Is(err, unix.EPERM) {
				t.Errorf("pwrite on a sealed region: %v, want EPERM", err)
			}
			if _, err := unix.Mmap(fd, 0, len(content), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED); err == nil {
				t.Error("a sealed region can be mapped writable")
			}
		}
		if flags, err := unix.FcntlInt(uintptr(fd), unix.F_GETFD, 0); err != nil || flags&unix.FD_CLOEXEC == 0 {
			t.Errorf("descriptor flags %#x, %v: want close-on-exec", flags, err)
		}
		read := false
		err = openRegion(fd, len(content), func(b []byte) error { read = bytes.Equal(b, content); return nil })
		if err != nil || !read {
			t.Errorf("openRegion: %v, right bytes: %t", err, read)
		}
		for _, size := range []int{len(content) - 1, len(content) + 1, 4096, 5000} {
			err := openRegion(fd, size, func([]byte) error { t.Error("called"); return nil })
			if !errors.Is(err, ErrProtocol) {
				t.Errorf("size %d: %v, want ErrProtocol", size, err)
			}
		}
	})
}

// TestRegionMustBeProtectedMemory: anything the sender could still change or shrink under the reader is refused.
func TestRegionMustBeProtectedMemory(t *testing.T) {
	checkLeaks(t)
	unsealed, err := unix.MemfdCreate("x", unix.MFD_CLOEXEC|unix.MFD_ALLOW_SEALING)
	if err != nil {
		t.Fatal(err)
	}
	defer closeFD(unsealed)
	if err := unix.Ftruncate(unsealed, 100); err != nil {
		t.Fatal(err)
	}
	var pipe [2]int
	if err := unix.Pipe2(pipe[:], unix.O_CLOEXEC); err != nil {
		t.Fatal(err)
	}
	defer closeFD(pipe[0])
	defer closeFD(pipe[1])
	file, err := os.CreateTemp(t.TempDir(), "")
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	if err := file.Truncate(100); err != nil {
		t.Fatal(err)
	}
	refuse := func(name string, fd int) {
		t.Helper()
		err := openRegion(fd, 100, func([]byte) error { t.Error("called"); return nil })
		if !errors.Is(err, ErrProtocol) {
			t.Errorf("%s: %v, want ErrProtocol", name, err)
		}
	}
	refuse("unsealed memfd", unsealed)
	refuse("pipe", pipe[0])
	refuse("file", int(file.Fd()))
	for _, seals := range []int{unix.F_SEAL_SHRINK, unix.F_SEAL_GROW, unix.F_SEAL_WRITE} {
		if _, err := unix.FcntlInt(uintptr(unsealed), unix.F_ADD_SEALS, seals); err != nil {
			t.Fatal(err)
		}
		refuse("partly sealed memfd", unsealed)
	}
}

func TestRegionIsClosedWhenItsContentCannotBeWritten(t *testing.T) {
	for kind, create := range regionKinds {
		t.Run(kind, func(t *testing.T) {
			checkLeaks(t)
			broken := errors.New("broken")
			fd, err := create(100, func([]byte) error { return broken })
			if kind == "memfd_secret" && secretMemoryMissing(err) {
				t.Skipf("this kernel or sandbox has no memfd_secret: %v", err)
			}
			if fd != -1 || !errors.Is(err, broken) {
				t.Errorf("%d, %v; want the error of fill", fd, err)
			}
		})
	}
}
