package main

import "golang.org/x/sys/unix"

// noEcho takes the echo, and nothing else, from a terminal that is as it was found: what is typed before the next
// question does not show, and ctrl-C works.
func noEcho(fd int) error {
	state, err := unix.IoctlGetTermios(fd, unix.TCGETS)
	if err != nil {
		return err
	}
	state.Lflag &^= unix.ECHO
	return unix.IoctlSetTermios(fd, unix.TCSETS, state)
}
