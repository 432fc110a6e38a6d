package main

import (
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	listen := flag.String("listen", "127.0.0.1:0", "`address` to listen on")
	limit := flag.Int64("max", 2<<30, "most object `bytes` kept in memory")
	latency := flag.Duration("latency", 0, "`time` that every answer takes longer")
	bandwidth := flag.Int64("bandwidth", 0, "`bits` a second in each direction, all connections together; 0 = no limit")
	each := flag.Int64("stream", 0, "`bits` a second in each direction of one connection; 0 = no limit")
	flag.Parse()
	ln, err := net.Listen("tcp", *listen)
	if err != nil {
		fmt.Fprintf(os.Stderr, "sink: cannot listen: %v\n", err)
		os.Exit(1)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() { <-signals; os.Exit(0) }()
	go func() { io.Copy(io.Discard, os.Stdin); os.Exit(0) }()
	fmt.Printf("ready endpoint=http://%s\n", ln.Addr())
	newStore(*limit).serve(newLink(ln, *latency, *bandwidth, *each))
}
