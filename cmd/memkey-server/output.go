package main

import (
	"encoding/json"
	"fmt"
	"io"
)

// printJSON writes one JSON object and a newline.
func printJSON(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return written(e.Encode(v))
}

// written makes a failed output an error with an exit code.
func written(err error) error {
	if err == nil {
		return nil
	}
	return &failure{exitInternal, fmt.Errorf("cannot print: %w", err), "the same again, with room for its output"}
}
