package main

// exitCode is the process's answer to its caller; doc.go is the published table, which memkey-admin shares.
type exitCode int

const (
	exitOK       exitCode = 0
	exitInternal exitCode = 1
	exitUsage    exitCode = 2
	exitFile     exitCode = 3
	exitIdentity exitCode = 4
	exitListen   exitCode = 5
	exitConflict exitCode = 8
)

// failure is an error with its exit code and what to type next.
type failure struct {
	code exitCode
	err  error  // "cannot X: why"
	try  string // a command
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }
