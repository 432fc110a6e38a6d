package report

import (
	"bytes"
	"fmt"
	"os"
	"strings"
)

// Marks are the lines around the section of that name.
func Marks(name string) (begin, end string) {
	return "<!-- " + name + ":begin (make bench rewrites this section) -->", "<!-- " + name + ":end -->"
}

// Replace puts section, with its marks, in the place of the one of that name in
// file, or at the file's end. The file is replaced as a whole.
func Replace(file, name, section string) error {
	begin, end := Marks(name)
	section = begin + "\n" + strings.TrimRight(section, "\n") + "\n" + end + "\n"
	old, err := os.ReadFile(file)
	if err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("cannot read %s: %w", file, err)
	}
	from, to := bytes.Index(old, []byte(begin)), bytes.Index(old, []byte(end+"\n"))
	var text []byte
	switch {
	case from < 0 && to < 0:
		if text = old; len(text) > 0 {
			text = append(bytes.TrimRight(text, "\n"), "\n\n"...)
		}
		text = append(text, section...)
	case from < 0 || to < from:
		return fmt.Errorf("cannot write %s: the marks of section %s do not fit together", file, name)
	default:
		text = append(append(append(text, old[:from]...), section...), old[to+len(end)+1:]...)
	}
	tmp := file + ".new"
	if err := os.WriteFile(tmp, text, 0o644); err != nil {
		return fmt.Errorf("cannot write %s: %w", file, err)
	}
	return os.Rename(tmp, file)
}
