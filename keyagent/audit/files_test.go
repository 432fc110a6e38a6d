package audit

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// rotating opens a log whose files are small.
func rotating(t *testing.T, path string) *Log {
	t.Helper()
	l, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	l.limit = 1000
	t.Cleanup(func() { l.Close() })
	return l
}

func (l *Log) say(t *testing.T, n int) {
	t.Helper()
	for range n {
		if _, _, err := l.Append(Entry{Op: "deliver", Result: "ok", Detail: strings.Repeat("x", 100)}); err != nil {
			t.Fatal(err)
		}
	}
}

// TestRotationKeepsOneChain: across files, across opens, and an old receipt is still found.
func TestRotationKeepsOneChain(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	var seq uint64
	var head [32]byte
	for round := range 3 {
		l := rotating(t, path)
		l.say(t, 7)
		if round == 0 {
			seq, head = l.Head()
		}
		l.say(t, 4)
		if err := l.Close(); err != nil {
			t.Fatal(err)
		}
	}
	names, err := older(path)
	if err != nil || len(names) < 5 {
		t.Fatalf("%v, %v", names, err)
	}
	for _, name := range append(names, path) {
		if info, err := os.Stat(name); err != nil || info.Size() > 1500 || info.Mode().Perm() != 0o600 {
			t.Errorf("%s: %v %v", name, info, err)
		}
	}
	if first, last, _, err := WitnessFiles(path, seq, head); err != nil || first != 1 || last != 33 {
		t.Errorf("lines %d to %d, %v", first, last, err)
	}
	if _, _, _, err := WitnessFiles(path, seq, [32]byte{1}); !errors.Is(err, ErrWitness) {
		t.Errorf("a witness that is not there: %v", err)
	}
}

// TestRotationNamesWhatIsMissing: a file in the middle, an end, a changed byte anywhere, a name that is another's.
func TestRotationNamesWhatIsMissing(t *testing.T) {
	made := filepath.Join(t.TempDir(), "audit")
	l := rotating(t, made)
	l.say(t, 21)
	l.Close()
	names, _ := older(made)
	if len(names) < 4 {
		t.Fatal(names)
	}
	for what, c := range map[string]struct {
		change func(path string, names []string) error
		wrong  bool
		opens  bool
	}{
		"nothing":            {func(string, []string) error { return nil }, false, true},
		"the oldest is gone": {func(_ string, n []string) error { return os.Remove(n[0]) }, false, true},
		"one is gone":        {func(_ string, n []string) error { return os.Remove(n[1]) }, true, true},
		"the newest is gone": {func(_ string, n []string) error { return os.Remove(n[len(n)-1]) }, true, false},
		"all are gone": {func(_ string, n []string) error {
			for _, name := range n {
				if err := os.Remove(name); err != nil {
					return err
				}
			}
			return nil
		}, true, false},
		"a byte is changed": {func(_ string, n []string) error { return flip(n[1]) }, true, true},
		"in the newest":     {func(_ string, n []string) error { return flip(n[len(n)-1]) }, true, false},
		"in the first line": {func(_ string, n []string) error { return flip(n[0]) }, true, true},
		"a name is another": {func(p string, n []string) error { return os.Rename(n[0], p+".00000000000000000001") }, true, true},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "audit")
		var copies []string
		for _, name := range append(names, made) {
			b, err := os.ReadFile(name)
			if err != nil {
				t.Fatal(err)
			}
			to := filepath.Join(dir, filepath.Base(name))
			if err := os.WriteFile(to, b, 0o600); err != nil {
				t.Fatal(err)
			}
			copies = append(copies, to)
		}
		if err := c.change(path, copies[:len(names)]); err != nil {
			t.Fatal(err)
		}
		if _, _, _, err := VerifyFiles(path); (err != nil) != c.wrong {
			t.Errorf("%s: %v", what, err)
		}
		l, err := Open(path)
		if (err == nil) != c.opens {
			t.Errorf("%s: open: %v", what, err)
		}
		if err == nil {
			l.Close()
		}
	}
}

// flip changes a byte of a line in the middle of a file, never to what it was.
func flip(path string) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	i := strings.Index(string(b), "xxxx")
	b[i] = 'y'
	return os.WriteFile(path, b, 0o600)
}

// TestRotationThatDiedGoesOn, after each of its steps.
func TestRotationThatDiedGoesOn(t *testing.T) {
	for step := range 3 {
		path := filepath.Join(t.TempDir(), "audit")
		l := rotating(t, path)
		l.limit = 0
		l.say(t, 6)
		l.Close()
		if err := os.WriteFile(path+".next", nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if step > 0 {
			if err := os.Rename(path, fmt.Sprintf("%s.%0*d", path, seqDigits, 6)); err != nil {
				t.Fatal(err)
			}
		}
		if step > 1 {
			if err := os.Rename(path+".next", path); err != nil {
				t.Fatal(err)
			}
		}
		if first, last, _, err := VerifyFiles(path); err != nil || first != 1 || last != 6 {
			t.Errorf("step %d: lines %d to %d, %v", step, first, last, err)
		}
		l = rotating(t, path)
		l.say(t, 12)
		l.Close()
		if first, last, _, err := VerifyFiles(path); err != nil || first != 1 || last != 18 {
			t.Errorf("step %d: lines %d to %d, %v", step, first, last, err)
		}
	}
}

// TestRotationRemovesTheOldest, and the chain says where it begins.
func TestRotationRemovesTheOldest(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	l := rotating(t, path)
	l.limit = 1 // a line each
	l.say(t, keepFiles+5)
	names, err := older(path)
	if err != nil || len(names) != keepFiles {
		t.Errorf("%d files, %v", len(names), err)
	}
	if first, last, _, err := VerifyFiles(path); err != nil || first != 6 || last != keepFiles+5 {
		t.Errorf("lines %d to %d, %v", first, last, err)
	}
}

// TestRotationThatFailsLosesNothing: the log goes on in its file.
func TestRotationThatFailsLosesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "audit")
	l := rotating(t, path)
	if err := os.MkdirAll(path+".next/full", 0o700); err != nil { // cannot be removed
		t.Fatal(err)
	}
	l.say(t, 9)
	if names, err := older(path); err != nil || len(names) != 0 {
		t.Errorf("%v, %v", names, err)
	}
	if err := os.RemoveAll(path + ".next"); err != nil {
		t.Fatal(err)
	}
	l.say(t, 1)
	if first, last, _, err := VerifyFiles(path); err != nil || first != 1 || last != 10 {
		t.Errorf("lines %d to %d, %v", first, last, err)
	}
}
