package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/load/protocol"
)

func main() {
	if err := serve(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintf(os.Stderr, "load: %v\n", err)
		os.Exit(1)
	}
}

// serve reads a job and then commands from in, and answers each on out.
func serve(in io.Reader, out io.Writer) error {
	dec, enc := json.NewDecoder(bufio.NewReader(in)), json.NewEncoder(out)
	var job protocol.Job
	if err := dec.Decode(&job); err != nil {
		return fmt.Errorf("cannot read the job: %w", err)
	}
	g, err := newGenerator(job)
	if err != nil {
		return err
	}
	defer g.client.close()
	if err := enc.Encode(protocol.Result{}); err != nil {
		return err
	}
	for {
		var cmd protocol.Command
		if err := dec.Decode(&cmd); errors.Is(err, io.EOF) {
			return nil
		} else if err != nil {
			return fmt.Errorf("cannot read a command: %w", err)
		}
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Minute)
		res := g.window(ctx, cmd)
		cancel()
		if err := enc.Encode(res); err != nil {
			return err
		}
	}
}
