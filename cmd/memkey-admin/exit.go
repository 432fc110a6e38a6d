package main

// exitCode is the process's answer to its caller; doc.go is the published table.
type exitCode int

const (
	exitOK          exitCode = 0
	exitInternal    exitCode = 1
	exitUsage       exitCode = 2
	exitFile        exitCode = 3
	exitIdentity    exitCode = 4
	exitUnreachable exitCode = 5
	exitRefused     exitCode = 6
	exitForeign     exitCode = 7
	exitConflict    exitCode = 8
	exitInterrupted exitCode = 130
)

// failure is an error with its exit code, and what to type next.
type failure struct {
	code exitCode
	err  error
	next string
}

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

func fail(code exitCode, next string, err error) *failure {
	return &failure{code: code, err: err, next: next}
}
