package systemd

import (
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestMain is also the child that systemd would start: it answers once on each
// socket, with the socket's name, or prints why not.
func TestMain(m *testing.M) {
	if os.Getenv("S3CP_TEST_CHILD") == "" {
		os.Exit(m.Run())
	}
	if os.Getenv("LISTEN_PID") == "self" {
		os.Setenv("LISTEN_PID", fmt.Sprint(os.Getpid()))
	}
	found, err := Sockets(os.Getenv, "clients", "admin")
	if err != nil {
		fmt.Println(err)
		os.Exit(0)
	}
	inherited, _ := exec.Command("sh", "-c", "ls /proc/self/fd").Output()
	if strings.Contains(string(inherited), "\n5\n") {
		fmt.Println("a child has a socket")
	}
	fmt.Println(len(found), "sockets")
	for _, name := range []string{"clients", "admin"} {
		if l := found[name]; l != nil {
			c, err := l.Accept()
			if err != nil {
				fmt.Println(err)
				os.Exit(1)
			}
			fmt.Fprintln(c, name)
			c.Close()
		}
	}
	os.Exit(0)
}

// tcp is a listening socket and its address.
func tcp(t *testing.T) (*os.File, string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	f, err := l.(*net.TCPListener).File()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { f.Close() })
	return f, l.Addr().String()
}

// child starts ourselves as systemd starts a service.
func child(t *testing.T, names, pid string, files ...*os.File) (*exec.Cmd, io.Reader) {
	t.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "S3CP_TEST_CHILD=1", "GORACE=atexit_sleep_ms=0", "LISTEN_PID="+pid, fmt.Sprintf("LISTEN_FDS=%d", len(files)), "LISTEN_FDNAMES="+names)
	cmd.ExtraFiles = files
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cmd.Wait() })
	return cmd, out
}

func TestSockets(t *testing.T) {
	clients, clientsAddr := tcp(t)
	admin, adminAddr := tcp(t)
	_, out := child(t, "admin:clients", "self", admin, clients) // the order is systemd's business
	for _, want := range []struct{ addr, says string }{{clientsAddr, "clients\n"}, {adminAddr, "admin\n"}} {
		c, err := net.Dial("tcp", want.addr)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(c)
		c.Close()
		if err != nil || string(got) != want.says {
			t.Errorf("%q, %v; want %q", got, err, want.says)
		}
	}
	if said, _ := io.ReadAll(out); string(said) != "2 sockets\n" {
		t.Errorf("it says %q", said)
	}
}

func TestSocketsThatAreRefused(t *testing.T) {
	a, _ := tcp(t)
	b, _ := tcp(t)
	unixSocket := func() *os.File {
		l, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.(*net.UnixListener).File()
		if err != nil {
			t.Fatal(err)
		}
		return f
	}()
	plain, err := os.Open(os.DevNull)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		names, pid, want string
		files            []*os.File
	}{
		{"clients", "1", "0 sockets", []*os.File{a}},
		{"clients", "", "0 sockets", []*os.File{a}},
		{"", "self", `no use for one named ""`, []*os.File{a}},
		{"unknown", "self", `no use for one named "unknown"; want FileDescriptorName= to be clients or admin`, []*os.File{a}},
		{"clients", "self", "2 sockets have 1 names", []*os.File{a, b}},
		{"clients:clients", "self", `two are named "clients"`, []*os.File{a, b}},
		{"clients", "self", `"clients" is no listening socket`, []*os.File{plain}},
		{"clients", "self", `"clients" is no TCP socket`, []*os.File{unixSocket}},
	} {
		_, out := child(t, c.names, c.pid, c.files...)
		if said, _ := io.ReadAll(out); !strings.Contains(string(said), c.want) {
			t.Errorf("%q for %q: it says %q, want %q", c.names, c.pid, said, c.want)
		}
	}
}
