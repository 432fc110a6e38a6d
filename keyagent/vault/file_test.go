package vault

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/audit"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/keyagent/memkey"
)

// badDisk fails one of its steps, before or after it did its work.
type badDisk struct {
	disk
	step  string
	after bool
	times int // how often it fails; below zero = always
}

func (d *badDisk) do(step string, work func() error) error {
	if step != d.step || d.times == 0 {
		return work()
	}
	d.times--
	if d.after {
		if err := work(); err != nil {
			return err
		}
	}
	return syscall.ENOSPC
}

func (d *badDisk) write(temp string, content []byte) error {
	return d.do("write", func() error { return d.disk.write(temp, content) })
}
func (d *badDisk) rename(from, to string) error {
	return d.do("rename", func() error { return d.disk.rename(from, to) })
}
func (d *badDisk) syncDir(name string) error {
	return d.do("syncDir", func() error { return d.disk.syncDir(name) })
}

func TestFailedPinWriteChangesNothing(t *testing.T) {
	for _, loaded := range []bool{false, true} {
		for _, step := range []string{"write", "rename", "syncDir"} {
			r := newEnrolled(t, loaded)
			before := r.snapshot()
			r.file.storage = &badDisk{step: step, times: 1}
			p := pack(memkey.OpEnroll, 6, keys(t, "abC"))
			_, status, detail := r.send(1, p)
			if status != memkey.StatusFailed || !strings.Contains(detail, "no space") {
				t.Errorf("%s: %v, %s", step, status, detail)
			}
			if after := r.snapshot(); after != before {
				t.Errorf("%s: the state went from\n%s\nto\n%s", step, before, after)
			}
			if left, err := filepath.Glob(r.pinsPath() + ".new"); err != nil || len(left) != 0 {
				t.Errorf("%s: %v is left", step, left)
			}
			lines := r.lines()
			if !strings.Contains(lines[1], `"generation":6`) || !strings.Contains(lines[2], `"result":"undone"`) {
				t.Errorf("%s: the log has %v", step, lines[1:])
			}
			// A directory that did not go to disk leaves a doubt; the rest does not.
			_, status, _ = r.send(1, pack(memkey.OpEnroll, 6, keys(t, "abC")))
			want := memkey.StatusOK
			if step == "syncDir" {
				want = memkey.StatusFailed
				r.must(memkey.OpDeliver, 5, "aB")
				r.close()
				r.open(1)
				r.must(memkey.OpEnroll, 6, "abC")
			}
			if status != want {
				t.Errorf("%s: the next enrolment: %v, want %v", step, status, want)
			}
			if r.loaded() != "abC" || r.Pins().Generation != 6 {
				t.Errorf("%s: in the end %q, generation %d", step, r.loaded(), r.Pins().Generation)
			}
		}
	}
}

// TestFailedRestoreLeavesOneOfTheTwo: whatever else fails after the rename, the file is whole, and what is loaded stays.
func TestFailedRestoreLeavesOneOfTheTwo(t *testing.T) {
	for _, enrolled := range []bool{false, true} {
		r := newRig(t, 1)
		generation, names, before := uint64(1), "A", ""
		if enrolled {
			r.must(memkey.OpEnroll, 1, "A")
			generation, names, before = 2, "aB", "A"
		}
		r.file.storage = &badDisk{step: "syncDir", times: -1}
		if _, status, _ := r.send(1, pack(memkey.OpEnroll, generation, keys(t, names))); status != memkey.StatusFailed || r.loaded() != before {
			t.Errorf("%v, %q is loaded", status, r.loaded())
		}
		if p, err := ReadPins(r.pinsPath()); err != nil || p.Generation != generation-1 {
			t.Errorf("the file is of generation %d (%v)", p.Generation, err)
		}
		if len(r.said) == 0 || !strings.Contains(r.said[0], "in doubt") {
			t.Errorf("the log of the process says %q", r.said)
		}
	}
}

func TestFailedLogRefuses(t *testing.T) {
	for _, c := range []struct {
		op         memkey.Op
		generation uint64
		keys       string
	}{{memkey.OpDeliver, 5, "aB"}, {memkey.OpEnroll, 6, "abC"}} {
		for _, loaded := range []bool{false, true} {
			r := newEnrolled(t, loaded)
			before := r.snapshot()
			r.config.Audit = &badLog{Log: r.log, err: syscall.ENOSPC}
			if _, status, detail := r.send(1, pack(c.op, c.generation, keys(t, c.keys))); status != memkey.StatusFailed || r.snapshot() != before {
				t.Errorf("%v, loaded %t: %v (%s)\n%s\n%s", c.op, loaded, status, detail, before, r.snapshot())
			}
			r.config.Audit = r.log
			r.must(c.op, c.generation, c.keys)
		}
	}
}

// TestFullDiskChangesNothing fills a real file system, log and pins on it or the pins alone.
func TestFullDiskChangesNothing(t *testing.T) {
	dir := t.TempDir()
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=64k"); err != nil {
		t.Skipf("mounting a small file system needs root: %v", err)
	}
	t.Cleanup(func() {
		if err := unix.Unmount(dir, 0); err != nil {
			t.Error(err)
		}
	})
	for _, where := range []string{"log and pins", "pins"} {
		t.Run(where, func(t *testing.T) {
			r := &rig{t: t, dir: dir}
			r.open(1)
			t.Cleanup(func() { r.close(); os.Remove(r.pinsPath()); os.Remove(filepath.Join(dir, "audit")) })
			if where == "pins" {
				other, err := audit.Open(filepath.Join(t.TempDir(), "audit"))
				if err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() { other.Close() })
				r.config.Audit = other
			}
			r.must(memkey.OpEnroll, 5, "aB")
			before := r.snapshot()
			filler := filepath.Join(dir, "filler")
			f, err := os.Create(filler)
			if err != nil {
				t.Fatal(err)
			}
			for err == nil {
				_, err = f.Write(make([]byte, 512))
			}
			f.Close()
			if !errors.Is(err, syscall.ENOSPC) {
				t.Fatal(err)
			}
			status := memkey.StatusOK
			for range 40 { // a log line or two may still fit the last page
				var detail string
				_, status, detail = r.send(1, pack(memkey.OpEnroll, 6, keys(t, "abC")))
				if status != memkey.StatusFailed || !strings.Contains(detail, "no space") {
					t.Fatalf("on a full disk: %v, %s", status, detail)
				}
			}
			if after := r.snapshot(); after != before {
				t.Errorf("the state went from\n%s\nto\n%s", before, after)
			}
			if err := os.Remove(filler); err != nil {
				t.Fatal(err)
			}
			r.must(memkey.OpEnroll, 6, "abC")
		})
	}
}

func TestPinsFileRefusals(t *testing.T) {
	r := newEnrolled(t, false)
	good, err := os.ReadFile(r.pinsPath())
	if err != nil {
		t.Fatal(err)
	}
	if p, err := parsePins(good); err != nil || string(p.encode()) != string(good) {
		t.Fatalf("%v\n%s", err, good)
	}
	for name, change := range map[string][2]string{
		"cut":                     {"}\n", ""},
		"an unknown field":        {`"generation"`, `"extra": 1, "generation"`},
		"a field twice":           {`"generation": 5`, `"generation": 4, "generation": 5`},
		"another spelling":        {`"generation": 5`, `"generation":5`},
		"another version":         {`"memkey_pins": 1`, `"memkey_pins": 2`},
		"generation 0":            {`"generation": 5`, `"generation": 0`},
		"a negative generation":   {`"generation": 5`, `"generation": -5`},
		"two active":              {`"active": false`, `"active": true`},
		"none active":             {`"active": true`, `"active": false`},
		"a short id":              {`"id": "`, `"id": "00`},
		"upper case":              {`"id": "0`, `"id": "0A`},
		"keys in another order":   {`"id": "05`, `"id": "ff`},
		"a bucket twice":          {`"name": "two"`, `"name": "one"`},
		"a bucket with a space":   {`"name": "two"`, `"name": "two "`},
		"a bucket without name":   {`"name": "one"`, `"name": ""`},
		"something after it":      {"]\n}\n", "]\n}\nx"},
		"a second document":       {"]\n}\n", "]\n}\n{}\n"},
		"a null":                  {`"buckets": [`, `"buckets": null, "x": [`},
		"a line break at the end": {"]\n}\n", "]\n}\n\n"},
	} {
		bad := strings.Replace(string(good), change[0], change[1], 1)
		if bad == string(good) {
			t.Fatalf("%s: nothing changed in\n%s", name, good)
		}
		if p, err := parsePins([]byte(bad)); err == nil {
			t.Errorf("%s is accepted: %+v", name, p)
		}
	}
	for i := range good { // every cut but the empty file, which is the empty pins
		if _, err := parsePins(good[:i]); err == nil && i > 0 {
			t.Errorf("the first %d bytes are accepted", i)
		}
	}
	r.close()
	path := r.pinsPath()
	for name, prepare := range map[string]func() error{
		"damaged":      func() error { return os.WriteFile(path, good[:len(good)-3], 0o600) },
		"of others":    func() error { return errors.Join(os.WriteFile(path, good, 0o600), os.Chmod(path, 0o622)) },
		"too long":     func() error { return os.WriteFile(path, make([]byte, maxPinsFile+1), 0o600) },
		"a link":       func() error { return os.Symlink("/dev/null", path) },
		"a directory":  func() error { return os.Mkdir(path, 0o700) },
		"not readable": func() error { return unix.Mkfifo(path, 0o600) },
	} {
		os.Remove(path)
		if err := prepare(); err != nil {
			t.Fatal(err)
		}
		if _, err := Open(Config{Holder: r.holder, PinsPath: path, Audit: r.log}); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("pins that are %s: %v", name, err)
		}
	}
	os.Remove(path)
	r.open(1)
}

// FuzzParsePins: nothing makes the parser panic, and what it accepts is the one spelling of pins that check.
func FuzzParsePins(f *testing.F) {
	r := newRig(f, 1)
	r.must(memkey.OpEnroll, 3, "abC", buckets("one", "two")...)
	content, err := os.ReadFile(r.pinsPath())
	if err != nil {
		f.Fatal(err)
	}
	f.Add(content)
	f.Add([]byte{})
	f.Add([]byte("{}"))
	f.Add([]byte("null"))
	f.Add(content[:len(content)-1])
	f.Add([]byte(`{"memkey_pins":1,"generation":1,"keys":[],"buckets":[]}`))
	f.Fuzz(func(t *testing.T, content []byte) {
		p, err := parsePins(content)
		if err != nil {
			return
		}
		if string(p.encode()) != string(content) {
			t.Fatalf("another spelling is accepted: %q", content)
		}
		if p.Empty() != (len(content) == 0) || !p.Empty() && p.check() != nil {
			t.Fatalf("unfit pins are accepted: %+v", p)
		}
	})
}
