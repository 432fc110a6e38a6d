package vault

import (
	"bufio"
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// childEnv names the directory in which the test binary has to be the process that is killed.
const childEnv = "VAULT_TEST_ENROL_IN"

func TestMain(m *testing.M) {
	if dir := os.Getenv(childEnv); dir != "" {
		if err := enrolForever(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(3)
		}
	}
	os.Exit(m.Run())
}

// enrolForever enrolls one generation after the other and says each that is confirmed.
func enrolForever(dir string) error {
	log, err := audit.Open(filepath.Join(dir, "audit"))
	if err != nil {
		return err
	}
	holder := keyagent.NewHolder()
	v, err := Open(Config{Holder: holder, PinsPath: filepath.Join(dir, "pins"), Audit: log})
	if err != nil {
		return err
	}
	k := memkey.PackageKey{Active: true}
	for g := v.Pins().Generation + 1; ; g++ {
		secret := make([]byte, keyagent.KeySize)
		secret[0] = 'a'
		if k.Master, err = keyagent.NewSecret(secret); err != nil {
			return err
		}
		if k.ID, k.KVT, err = derive(k.Master); err != nil {
			return err
		}
		p := pack(memkey.OpEnroll, g, []memkey.PackageKey{k}, buckets(fmt.Sprintf("bucket-%d", g%700))...)
		if _, err := v.Apply(context.Background(), request(1, p)); err != nil {
			return err
		}
		fmt.Println(g)
	}
}

// TestKillLeavesWholePins kills a process that does nothing but enroll, at random moments, and looks at what is left.
func TestKillLeavesWholePins(t *testing.T) {
	points, limit := 100, 10*time.Second
	if testing.Short() {
		points = 15
	}
	dir := t.TempDir()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	begin, confirmed, between := time.Now(), uint64(0), 0
	for n := range points {
		if time.Since(begin) > limit {
			t.Logf("%d points in %v", n, limit)
			break
		}
		cmd := exec.Command(self)
		cmd.Env = append(os.Environ(), childEnv+"="+dir)
		var fault strings.Builder
		cmd.Stderr = &fault
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(out)
		if !lines.Scan() {
			_ = cmd.Wait() // its stderr tells
			t.Fatalf("point %d: nothing was enrolled: %s", n, fault.String())
		}
		killed := time.AfterFunc(time.Duration(rand.Int64N(int64(20*time.Millisecond))), func() { _ = cmd.Process.Kill() })
		for ok := true; ok; ok = lines.Scan() {
			if _, err := fmt.Sscan(lines.Text(), &confirmed); err != nil {
				t.Fatalf("point %d: the child says %q", n, lines.Text())
			}
		}
		killed.Stop()
		_ = cmd.Wait()
		pins, err := ReadPins(filepath.Join(dir, "pins"))
		if err != nil {
			t.Fatalf("point %d: %v", n, err)
		}
		if pins.Generation < confirmed || pins.Generation > confirmed+1 {
			t.Fatalf("point %d: generation %d, confirmed was %d", n, pins.Generation, confirmed)
		}
		if pins.Generation != confirmed {
			between++
		}
		log, err := audit.Open(filepath.Join(dir, "audit"))
		if err != nil {
			t.Fatalf("point %d: %v", n, err)
		}
		log.Close()
	}
	if confirmed == 0 {
		t.Error("nothing was ever confirmed")
	}
	t.Logf("generation %d; %d kills came between pins and confirmation", confirmed, between)
}
