package systemd

import (
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// firstSocket is the number of the first descriptor that systemd passes on.
const firstSocket = 3

// maxSockets bounds what is believed of LISTEN_FDS.
const maxSockets = 64

// Sockets returns the listening TCP sockets that systemd opened for this process,
// by FileDescriptorName= of their units; none if there are none. Each must have one
// of the wanted names, and each name comes once at most: a socket that nobody
// accepts from would swallow clients. The listeners are the caller's.
func Sockets(getenv func(string) string, wanted ...string) (map[string]net.Listener, error) {
	if pid, err := strconv.Atoi(getenv("LISTEN_PID")); err != nil || pid != os.Getpid() {
		return nil, nil // none, or a parent's
	}
	n, err := strconv.Atoi(getenv("LISTEN_FDS"))
	if err != nil || n < 0 || n > maxSockets {
		return nil, fmt.Errorf("cannot take the sockets of systemd: LISTEN_FDS is %q", getenv("LISTEN_FDS"))
	}
	names := strings.Split(getenv("LISTEN_FDNAMES"), ":")
	files := make([]*os.File, n)
	for i := range files {
		unix.CloseOnExec(firstSocket + i)
		files[i] = os.NewFile(uintptr(firstSocket+i), "socket of systemd")
	}
	found, err := listeners(files, names, wanted)
	for _, f := range files {
		f.Close() // a listener has a descriptor of its own
	}
	if err != nil {
		for _, l := range found {
			l.Close()
		}
		return nil, fmt.Errorf("cannot take the sockets of systemd: %w", err)
	}
	return found, nil
}

// listeners pairs files with their names. On an error, what it returns is to be closed.
func listeners(files []*os.File, names, wanted []string) (map[string]net.Listener, error) {
	found := map[string]net.Listener{}
	if len(files) > 0 && len(names) != len(files) {
		return found, fmt.Errorf("%d sockets have %d names (FileDescriptorName= of their units)", len(files), len(names))
	}
	known := make(map[string]bool, len(wanted))
	for _, w := range wanted {
		known[w] = true
	}
	for i, f := range files {
		name := names[i]
		if !known[name] {
			return found, fmt.Errorf("no use for one named %q; want FileDescriptorName= to be %s", name, strings.Join(wanted, " or "))
		}
		if found[name] != nil {
			return found, fmt.Errorf("two are named %q", name)
		}
		l, err := net.FileListener(f)
		if err != nil {
			return found, fmt.Errorf("%q is no listening socket: %w", name, err)
		}
		found[name] = l
		if _, ok := l.(*net.TCPListener); !ok {
			return found, fmt.Errorf("%q is no TCP socket", name)
		}
	}
	return found, nil
}
