package main

// exitCode is the process's answer to its caller; doc.go is the published table.
type exitCode int

const (
	exitOK          exitCode = 0
	exitInternal    exitCode = 1
	exitUsage       exitCode = 2
	exitConfig      exitCode = 3
	exitCertificate exitCode = 4
	exitListen      exitCode = 5
	exitCut         exitCode = 6
	exitBackend     exitCode = 7
)

// failure is an error with its exit code.
type failure struct {
	code exitCode
	err  error
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }
