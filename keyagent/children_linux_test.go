package keyagent

import (
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"runtime"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// testMask hides the needles of a memory search from the search itself.
const testMask = 0x5a

func childClient(apply func(Ring) error) {
	client, err := NewClient(ClientConfig{Socket: os.Getenv(socketEnv), Name: "child",
		MinBackoff: 5 * time.Millisecond, MaxBackoff: 50 * time.Millisecond,
		Logf: func(format string, args ...any) { fmt.Printf("log "+format+"\n", args...) }})
	if err != nil {
		fatal(err)
	}
	fatal(client.Run(context.Background(), apply))
}

// childHashClient prints what it got and proves that it has the active key.
func childHashClient() {
	childClient(func(ring Ring) error {
		proof := "-"
		for _, k := range ring.Keys {
			if k.Active {
				_ = k.Master.Use(func(key []byte) { proof = fingerprint(key) })
			}
		}
		fmt.Printf("ring %d %d %s\n", ring.Generation, len(ring.Keys), proof)
		return nil
	})
}

// childHoldingClient keeps clones of the keys, as a proxy would keep what it derives, and never touches the bytes.
func childHoldingClient() {
	decoy := readDecoy()
	var held []*Secret
	go childClient(func(ring Ring) error {
		for _, k := range ring.Keys {
			s, err := k.Master.Clone()
			if err != nil {
				return err
			}
			held = append(held, s)
		}
		fmt.Printf("ring %d %d -\n", ring.Generation, len(ring.Keys))
		return nil
	})
	answerSearches()
	runtime.KeepAlive(decoy)
	runtime.KeepAlive(held)
}

// childAgent reads a decoy and a key from its input, straight into the buffer that NewSecret clears, and serves it.
func childAgent() {
	decoy := readDecoy()
	key := make([]byte, KeySize)
	if _, err := io.ReadFull(os.Stdin, key); err != nil {
		fatal(err)
	}
	s, err := NewSecret(key)
	if err != nil {
		fatal(err)
	}
	h := NewHolder()
	if _, err := h.Load([]Key{{Label: "only", Master: s, Active: true}}); err != nil {
		fatal(err)
	}
	ln, err := Listen(os.Getenv(socketEnv))
	if err != nil {
		fatal(err)
	}
	go func() { fatal(Serve(context.Background(), ln, h, Policy{})) }()
	fmt.Println("ready", s.Memory())
	answerSearches()
	runtime.KeepAlive(decoy)
}

func readDecoy() []byte {
	decoy := make([]byte, KeySize)
	if _, err := io.ReadFull(os.Stdin, decoy); err != nil {
		fatal(err)
	}
	return decoy
}

// answerSearches searches the own memory once per input byte: "s" prints the result, "a" dies with a core dump.
func answerSearches() {
	needles := parseNeedles(os.Getenv(needlesEnv))
	for {
		var command [1]byte
		if _, err := io.ReadFull(os.Stdin, command[:]); err != nil {
			return
		}
		if command[0] == 'a' {
			var unlimited uint64
			unlimited--
			if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{Cur: unlimited, Max: unlimited}); err != nil {
				fatal(err)
			}
			if err := unix.Kill(os.Getpid(), unix.SIGABRT); err != nil { // with GOTRACEBACK=crash a core dump
				fatal(err)
			}
			select {}
		}
		found, err := searchMemory("self", needles)
		if err != nil {
			fatal(err)
		}
		fmt.Println("found", strings.Join(found, " "))
	}
}

// childChangingAgent changes its ring all the time, until it is killed.
func childChangingAgent() {
	ln, err := Listen(os.Getenv(socketEnv))
	if err != nil {
		fatal(err)
	}
	h := NewHolder()
	go func() { fatal(Serve(context.Background(), ln, h, Policy{})) }()
	fmt.Println("ready")
	for n := 1; ; n++ {
		keys, err := testRing(n)
		if err != nil {
			fatal(err)
		}
		if _, err := h.Load(keys); err != nil {
			fatal(err)
		}
		time.Sleep(200 * time.Microsecond)
	}
}

// childCrash writes to a key and must die of it.
func childCrash() {
	s, err := GenerateSecret()
	if err != nil {
		fatal(err)
	}
	_ = s.Use(func(key []byte) { key[0] ^= 1 })
	fmt.Println("survived")
}

// childHarden hardens itself, says so, and dies with SIGABRT when its input ends.
func childHarden() {
	if os.Getenv("KEYAGENT_TEST_HARDEN") != "no" {
		if err := Harden(); err != nil {
			fatal(err)
		}
	}
	dumpable, err := unix.PrctlRetInt(unix.PR_GET_DUMPABLE, 0, 0, 0, 0)
	if err != nil {
		fatal(err)
	}
	var core unix.Rlimit
	if err := unix.Getrlimit(unix.RLIMIT_CORE, &core); err != nil {
		fatal(err)
	}
	fmt.Println("dumpable", dumpable, "core", core.Cur, core.Max)
	_, _ = io.ReadAll(os.Stdin)
}

// childForeignServer listens on the socket's name without the checks of Listen, as another user's process might.
func childForeignServer() {
	ln, err := net.Listen("unix", os.Getenv(socketEnv))
	if err != nil {
		fatal(err)
	}
	if err := os.Chmod(os.Getenv(socketEnv), 0o666); err != nil {
		fatal(err)
	}
	h := NewHolder()
	keys, err := testRing(1)
	if err != nil {
		fatal(err)
	}
	if _, err := h.Load(keys); err != nil {
		fatal(err)
	}
	fmt.Println("ready")
	fatal(Serve(context.Background(), ln, h, Policy{UIDs: []int{0, os.Getuid()}}))
}

// childMemoryLimit asks for more locked memory than it may have.
func childMemoryLimit() {
	if err := unix.Setrlimit(unix.RLIMIT_MEMLOCK, &unix.Rlimit{Cur: 16 << 10, Max: 16 << 10}); err != nil {
		fatal(err)
	}
	for range 100 {
		if _, err := GenerateSecret(); err != nil {
			fmt.Println("error:", err, errors.Is(err, syscall.EAGAIN))
			return
		}
	}
	fmt.Println("no limit")
}

func parseNeedles(text string) [][]byte {
	var needles [][]byte
	for _, field := range strings.Fields(text) {
		n, err := hex.DecodeString(field)
		if err != nil {
			fatal(err)
		}
		needles = append(needles, n)
	}
	return needles
}
