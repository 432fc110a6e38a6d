//go:build unix

package hashing

import (
	"fmt"
	"os"
	"syscall"
	"testing"
)

// guarded is a page that no byte before and none behind can be touched of.
func guarded(t *testing.T) []byte {
	t.Helper()
	size := os.Getpagesize()
	all, err := syscall.Mmap(-1, 0, 3*size, syscall.PROT_READ|syscall.PROT_WRITE, syscall.MAP_ANON|syscall.MAP_PRIVATE)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { syscall.Munmap(all) })
	for _, edge := range [][]byte{all[:size], all[2*size:]} {
		if err := syscall.Mprotect(edge, syscall.PROT_NONE); err != nil {
			t.Fatal(err)
		}
	}
	return all[size : 2*size : 2*size]
}

// TestNothingBesideTheBytesIsRead: every kernel, one stream and groups of every number, of bytes
// that begin and end where the memory does. One byte more would be a fault.
func TestNothingBesideTheBytesIsRead(t *testing.T) {
	var pages [maxLanes][]byte
	for i := range pages {
		pages[i] = guarded(t)
		copy(pages[i], random(uint64(i), len(pages[i])))
	}
	for _, k := range Kernels() {
		t.Run(string(k), func(t *testing.T) {
			e := engine(t, k)
			for _, want := range allSums {
				alone := e.New(want)
				alone.Write(pages[0])
				check(t, fmt.Sprintf("sums %d, alone", want), alone, pages[0])
				if k == Standard {
					continue // it has no groups
				}
				for n := 2; n <= e.most(alone.kind); n++ {
					var g group
					for i := range n {
						d := e.New(want)
						d.length = uint64(len(pages[i]))
						d.visit = visit{d: d, p: pages[i]}
						g.add(&d.visit)
					}
					g.hash()
					for i, v := range g.visits[:n] {
						check(t, fmt.Sprintf("sums %d, stream %d of %d", want, i, n), v.d, pages[i])
					}
				}
			}
		})
	}
}
