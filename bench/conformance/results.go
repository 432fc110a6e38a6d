package main

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
)

// note is one line of the results: a test began, or ended.
type note struct {
	Test  string
	Ended bool
	Error string `json:",omitempty"`

	begun int // times
}

// over says that the test need not be run (again): it ended, or ended its process twice. The second time nothing
// ran beside it.
func (n note) over() bool { return n.Ended || n.begun > 1 }

// notes appends to the results, from any goroutine.
type notes struct {
	mu   sync.Mutex
	file *os.File
}

func openNotes(path string) (*notes, error) {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	return &notes{file: f}, err
}

func (n *notes) write(one note) {
	line, err := json.Marshal(one)
	if err == nil {
		n.mu.Lock()
		_, err = n.file.Write(append(line, '\n'))
		n.mu.Unlock()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot write a result:", err)
		os.Exit(2)
	}
}

// readNotes gives the last note of every test. A line that a dying child left cut off counts for nothing.
func readNotes(path string) (map[string]note, error) {
	last := map[string]note{}
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return last, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	r := bufio.NewReader(f)
	for {
		line, err := r.ReadBytes('\n')
		var one note
		if json.Unmarshal(line, &one) == nil && one.Test != "" {
			one.begun = last[one.Test].begun
			if !one.Ended {
				one.begun++
			}
			last[one.Test] = one
		}
		if errors.Is(err, io.EOF) {
			return last, nil
		}
		if err != nil {
			return nil, err
		}
	}
}
