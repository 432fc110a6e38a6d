package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"syscall"
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/bench/rig"
)

// maxRounds is how many children may die.
const maxRounds = 50

func main() {
	run := flag.String("run", "", "`regexp` of the tests to run")
	dir := flag.String("out", "", "`directory` for results and logs; empty: a temporary one")
	doc := flag.String("exceptions", "docs/s3-compatibility.md", "`document` that lists the exceptions")
	versioning := flag.Bool("versioning", false, "run on a server that keeps versions")
	child := flag.Int("child", -1, "run as the child of this `round`, for the parent's use")
	write := flag.Bool("write", false, "write the table of figures into the document, and run nothing")
	flag.Parse()
	if *write {
		if err := writeSummary(*doc); err != nil {
			fmt.Fprintln(os.Stderr, "conformance:", err)
			os.Exit(1)
		}
		return
	}
	if err := conform(*run, *dir, *doc, *versioning, *child); err != nil {
		fmt.Fprintln(os.Stderr, "conformance:", err)
		os.Exit(1)
	}
}

func conform(run, dir, doc string, versioning bool, child int) error {
	only, err := regexp.Compile(run)
	if err != nil {
		return err
	}
	names := chosen(only, versioning)
	if child >= 0 {
		return runChild(names, os.Getenv("RESULTS"), child, versioning)
	}
	listed, err := exceptions(doc, versioning)
	if err != nil {
		return err
	}
	every := regexp.MustCompile("")
	if wrong := unknown(append(chosen(every, false), chosen(every, true)...), listed); len(wrong) > 0 {
		return report(wrong)
	}
	if dir != "" {
		if err := os.MkdirAll(dir, 0o700); err != nil {
			return err
		}
	} else {
		if dir, err = os.MkdirTemp("", "conformance-"); err != nil {
			return err
		}
		defer os.RemoveAll(dir)
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	began := time.Now()
	failed, err := runAll(ctx, names, dir, versioning)
	if err != nil {
		return err
	}
	fmt.Printf("%d tests, %d passed, %d failed, %d of those known, in %v\n", len(names), len(names)-len(failed), len(failed), known(failed, listed), time.Since(began).Round(time.Second))
	return report(compare(names, failed, listed))
}

func known(failed map[string]string, listed map[string]exception) (n int) {
	for name := range failed {
		if _, ok := listed[name]; ok {
			n++
		}
	}
	return n
}

func report(wrong []string) error {
	for _, w := range wrong {
		fmt.Println(w)
	}
	if len(wrong) > 0 {
		return fmt.Errorf("the document and the proxy differ in %d tests", len(wrong))
	}
	return nil
}

// runAll starts the product, and children until every test has ended; it returns what failed, and why.
func runAll(ctx context.Context, names []string, dir string, versioning bool) (map[string]string, error) {
	os.Setenv("S3CP_TLS", "off")
	os.Unsetenv("S3CP_ALLOWED_BUCKETS") // the tests make their own
	os.Setenv("S3CP_POST_FORMS", "true")
	os.Setenv("S3CP_BUCKET_CORS", "true")
	os.Setenv("S3CP_ENCRYPTION_BLOCK_SIZE", "4096") // takes all the metadata that S3 takes
	os.Setenv("S3CP_REGION", "us-east-1")           // as target says
	os.Setenv("S3CP_ENCRYPTION_ETAG", "md5")
	stack, err := rig.StartStack(ctx, rig.StackConfig{Versions: versioning, NoBuckets: true, SameKeyID: true})
	if err != nil {
		return nil, err
	}
	defer stack.Stop()
	log, err := os.Create(filepath.Join(dir, "log"))
	if err != nil {
		return nil, err
	}
	defer log.Close()
	results := filepath.Join(dir, "results")
	if err := os.Remove(results); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	self, err := os.Executable()
	if err != nil {
		return nil, err
	}
	for round := range maxRounds {
		cmd := exec.CommandContext(ctx, self, append(os.Args[1:], "-child", strconv.Itoa(round))...)
		cmd.Env = append(os.Environ(), "ENDPOINT="+"http://"+stack.Proxy.Address, "ACCESS_KEY="+stack.Proxy.AccessKey, "SECRET_KEY="+stack.Proxy.SecretKey, "RESULTS="+results)
		cmd.Stdout, cmd.Stderr = log, log
		cmd.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGKILL}
		died := cmd.Run()
		if err := stack.Dead(); err != nil {
			return nil, err
		}
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		last, err := readNotes(results)
		if err != nil {
			return nil, err
		}
		failed, left := judged(names, last)
		if left == 0 {
			return failed, nil
		}
		if died == nil {
			return nil, fmt.Errorf("a child left %d tests", left)
		}
	}
	return nil, fmt.Errorf("%d children died", maxRounds)
}

// judged says which tests failed, those among them that ended their child, and how many are left.
func judged(names []string, last map[string]note) (failed map[string]string, left int) {
	failed = map[string]string{}
	for _, name := range names {
		switch n := last[name]; {
		case !n.over():
			left++
		case !n.Ended:
			failed[name] = "it ended the process"
		case n.Error != "":
			failed[name] = n.Error
		}
	}
	return failed, left
}
