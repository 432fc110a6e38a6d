package rewrap

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

// checkpoint says how far a run came: all keys up to After, in the order of the
// listing, are done, and Totals is what was found among them.
type checkpoint struct {
	Version  int    `json:"version"`
	Bucket   string `json:"bucket"`
	BucketID string `json:"bucket_id"`
	Active   string `json:"active_key"`
	After    string `json:"after"`
	Totals   totals `json:"totals"`
}

const checkpointVersion = 1

// encode refuses what decode would not give back: JSON is UTF-8, and keys need not
// be.
func (c *checkpoint) encode() ([]byte, error) {
	b, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	if back, err := decodeCheckpoint(b); err != nil || back.After != c.After {
		return nil, errors.New("the last key is not UTF-8")
	}
	return b, nil
}

// decodeCheckpoint is strict: one object, no unknown field, nothing behind it,
// and counts that can be.
func decodeCheckpoint(b []byte) (*checkpoint, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	c := new(checkpoint)
	if err := d.Decode(c); err != nil {
		return nil, errors.New("it is damaged, or no checkpoint")
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("it is damaged, or no checkpoint")
	}
	if c.Version != checkpointVersion {
		return nil, fmt.Errorf("it has version %d, want %d", c.Version, checkpointVersion)
	}
	if c.After == "" || c.Totals.Kinds == nil || c.Totals.Keys == nil || len(c.Totals.Trouble) > maxNamed || c.Totals.Keyless < 0 || c.Totals.Unnamed < 0 {
		return nil, errors.New("it is incomplete")
	}
	counts := []Count{c.Totals.Further}
	for _, n := range c.Totals.Kinds {
		counts = append(counts, n)
	}
	for _, n := range c.Totals.Keys {
		counts = append(counts, n)
	}
	for _, n := range counts {
		if n.Objects < 0 || n.Bytes < 0 {
			return nil, errors.New("it has negative counts")
		}
	}
	return c, nil
}

// loadCheckpoint reads the file; nil without an error if there is none.
func loadCheckpoint(path string) (*checkpoint, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCheckpoint, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, maxCheckpoint+1))
	if err == nil && len(b) > maxCheckpoint {
		err = errors.New("it is too large to be one")
	}
	var c *checkpoint
	if err == nil {
		c, err = decodeCheckpoint(b)
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrCheckpoint, path, err)
	}
	return c, nil
}

// save replaces the file: whoever reads it, also after a power cut, finds the old
// or the new one.
func (c *checkpoint) save(path string) (err error) {
	b, err := c.encode()
	if err != nil {
		return fmt.Errorf("cannot write the checkpoint: %w", err)
	}
	dir := filepath.Dir(path)
	f, err := os.CreateTemp(dir, filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return fmt.Errorf("cannot write the checkpoint: %w", err)
	}
	defer func() {
		if err != nil {
			err = fmt.Errorf("cannot write the checkpoint: %w", errors.Join(err, os.Remove(f.Name())))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Sync()
	}
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	if err != nil {
		return err
	}
	if err := os.Rename(f.Name(), path); err != nil {
		return err
	}
	return syncDir(dir)
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return fmt.Errorf("cannot write the checkpoint: %w", err)
	}
	defer d.Close()
	if err := d.Sync(); err != nil {
		return fmt.Errorf("cannot write the checkpoint: %w", err)
	}
	return nil
}
