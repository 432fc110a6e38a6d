package keyagent

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"runtime/debug"
	"slices"
	"strings"
	"testing"
	"unsafe"

	"golang.org/x/sys/unix"
)

// secretOn makes a Secret on a given page, so that both kinds of memory are tested on every kernel that has them.
func secretOn(t *testing.T, page lockedPage, key []byte) *Secret {
	t.Helper()
	copy(page.key(), key)
	if err := page.freeze(); err != nil {
		t.Fatal(err)
	}
	s := &Secret{mem: &keyMemory{page: page}}
	s.mem.handles.Store(1)
	return s
}

// eachMemory runs f with a secret in each kind of memory.
func eachMemory(t *testing.T, f func(t *testing.T, s *Secret)) {
	for kind, make := range map[string]func(*lockedPage) error{"memfd_secret": (*lockedPage).mapSecret, "mlock": (*lockedPage).mapLocked} {
		t.Run(kind, func(t *testing.T) {
			size := uintptr(os.Getpagesize())
			base, err := unix.MmapPtr(-1, 0, nil, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
			if err != nil {
				t.Fatal(err)
			}
			page := lockedPage{base: base, size: size}
			if err := make(&page); err != nil {
				page.free()
				if kind == "memfd_secret" && secretMemoryMissing(err) {
					t.Skipf("this kernel or sandbox has no memfd_secret: %v", err)
				}
				t.Fatal(err)
			}
			if page.kind != kind {
				t.Errorf("kind %q", page.kind)
			}
			s := secretOn(t, page, testKey(1))
			defer s.Wipe()
			f(t, s)
		})
	}
}

// faults tells whether f dies from a memory fault.
func faults(f func()) (died bool) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			if !strings.Contains(fmt.Sprint(r), "fault") && !strings.Contains(fmt.Sprint(r), "invalid memory address") {
				panic(r)
			}
			died = true
		}
	}()
	f()
	return false
}

func TestKeyPageIsReadOnlyAndGuarded(t *testing.T) {
	eachMemory(t, func(t *testing.T, s *Secret) {
		var sink byte
		err := s.Use(func(key []byte) {
			if faults(func() { sink = key[0] }) {
				t.Error("a key cannot be read")
			}
			if !faults(func() { key[0] = 1 }) {
				t.Error("a key can be written")
			}
			past := unsafe.Add(unsafe.Pointer(&key[0]), KeySize)
			if !faults(func() { sink = *(*byte)(past) }) {
				t.Error("the byte past a key can be read")
			}
			before := unsafe.Add(unsafe.Pointer(&key[0]), KeySize-os.Getpagesize()-1)
			if !faults(func() { sink = *(*byte)(before) }) {
				t.Error("the byte before the page can be read")
			}
		})
		_ = sink
		if err != nil {
			t.Error(err)
		}
	})
}

// mapping is one line of /proc/self/smaps.
type mapping struct {
	from, to uintptr
	name     string
	flags    []string // VmFlags: lo locked, dd not dumped, dc not copied by fork, wf wiped by fork
}

func mappingAt(t *testing.T, at uintptr) (mapping, bool) {
	f, err := os.Open("/proc/self/smaps")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var m mapping
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var from, to uintptr
		if n, _ := fmt.Sscanf(lines.Text(), "%x-%x ", &from, &to); n == 2 {
			m = mapping{from: from, to: to, name: lines.Text()}
		}
		if flags, ok := strings.CutPrefix(lines.Text(), "VmFlags:"); ok && m.from <= at && at < m.to {
			m.flags = strings.Fields(flags)
			return m, true
		}
	}
	return m, false
}

func TestKeyPageIsLockedNotDumpedNotInheritedAndGoneAfterWipe(t *testing.T) {
	eachMemory(t, func(t *testing.T, s *Secret) {
		var at uintptr
		_ = s.Use(func(key []byte) { at = uintptr(unsafe.Pointer(&key[0])) })
		m, ok := mappingAt(t, at)
		if !ok {
			t.Fatal("no mapping at the key")
		}
		want := []string{"lo", "dd", "dc"}
		if s.Memory() == "mlock" {
			want = append(want, "wf")
		}
		for _, flag := range want {
			if !slices.Contains(m.flags, flag) {
				t.Errorf("flag %q is missing in %q of %q", flag, m.flags, m.name)
			}
		}
		if m.to-m.from != uintptr(os.Getpagesize()) {
			t.Errorf("mapping of %d bytes, want a page", m.to-m.from)
		}
		s.Wipe()
		if m, ok := mappingAt(t, at); ok {
			t.Errorf("still mapped after Wipe: %q", m.name)
		}
	})
}

func TestSecretMemoryCannotBeReadThroughProc(t *testing.T) {
	eachMemory(t, func(t *testing.T, s *Secret) {
		if s.Memory() != "memfd_secret" {
			t.Skip("only memfd_secret keeps /proc/self/mem out")
		}
		mem, err := os.Open("/proc/self/mem")
		if err != nil {
			t.Fatal(err)
		}
		defer mem.Close()
		var at int64
		_ = s.Use(func(key []byte) { at = int64(uintptr(unsafe.Pointer(&key[0]))) })
		got := make([]byte, KeySize)
		if n, err := mem.ReadAt(got, at); err == nil || n != 0 || !bytes.Equal(got, make([]byte, KeySize)) {
			t.Errorf("read %d bytes of a key (%v)", n, err)
		}
	})
}

func TestWipeZeroesBeforeItUnmaps(t *testing.T) {
	fd, err := unix.MemfdCreate("probe", unix.MFD_CLOEXEC) // a second view on the page that outlives the mapping
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	size := uintptr(os.Getpagesize())
	if err := unix.Ftruncate(fd, int64(size)); err != nil {
		t.Fatal(err)
	}
	base, err := unix.MmapPtr(-1, 0, nil, 3*size, unix.PROT_NONE, unix.MAP_PRIVATE|unix.MAP_ANON)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := unix.MmapPtr(fd, 0, unsafe.Add(base, size), size, unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED|unix.MAP_FIXED); err != nil {
		t.Fatal(err)
	}
	s := secretOn(t, lockedPage{base: base, size: size}, testKey(1))
	clone, err := s.Clone()
	if err != nil {
		t.Fatal(err)
	}
	view := func() []byte {
		b := make([]byte, size)
		if _, err := unix.Pread(fd, b, 0); err != nil {
			t.Fatal(err)
		}
		return b
	}
	s.Wipe()
	if !bytes.Contains(view(), testKey(1)) {
		t.Error("the key is gone while a clone lives")
	}
	clone.Wipe()
	if !bytes.Equal(view(), make([]byte, size)) {
		t.Error("the key is still there after the last Wipe")
	}
}

func TestSecretsLeaveNothingBehind(t *testing.T) {
	checkLeaks(t)
	before := lockedKB()
	var secrets []*Secret
	for range 20 {
		s, err := GenerateSecret()
		if err != nil {
			t.Fatal(err)
		}
		secrets = append(secrets, s)
	}
	if got, want := lockedKB()-before, 20*os.Getpagesize()/1024; got != want {
		t.Errorf("20 keys lock %d KiB, want %d: the leak checks would be blind", got, want)
	}
	for _, bad := range [][]byte{make([]byte, KeySize), make([]byte, 5)} {
		if s, err := NewSecret(bad); err == nil {
			s.Wipe()
			t.Error("bad key accepted")
		}
	}
	Ring{Keys: []Key{{Master: nil}}}.Wipe()
	for _, s := range secrets {
		s.Wipe()
	}
}
