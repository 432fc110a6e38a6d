package keyagent

import (
	"fmt"
	"net"

	"golang.org/x/sys/unix"
)

// readWithFDs reads like uc.Read and also returns the descriptors that came along; they are the caller's to close, also
// when there is an error.
func readWithFDs(uc *net.UnixConn, p []byte) (n int, fds []int, err error) {
	oob := make([]byte, unix.CmsgSpace(4)) // room for one descriptor (two with the padding)
	n, oobn, flags, _, err := uc.ReadMsgUnix(p, oob)
	n = max(n, 0) // it is -1 after an error, which no io.Reader may return
	if oobn > 0 {
		messages, perr := unix.ParseSocketControlMessage(oob[:oobn])
		for i := range messages {
			if got, rerr := unix.ParseUnixRights(&messages[i]); rerr == nil {
				fds = append(fds, got...)
			}
		}
		if perr != nil && err == nil {
			err = fmt.Errorf("cannot parse control data: %w: %w", perr, ErrProtocol)
		}
	}
	if flags&unix.MSG_CTRUNC != 0 && err == nil {
		err = fmt.Errorf("more descriptors than one: %w", ErrProtocol)
	}
	return n, fds, err
}

// writeWithFD writes all of b; the descriptor goes with its first byte. fd stays the caller's.
func writeWithFD(uc *net.UnixConn, b []byte, fd int) error {
	n, oobn, err := uc.WriteMsgUnix(b, unix.UnixRights(fd), nil)
	if err == nil && (n == 0 || oobn == 0) {
		return fmt.Errorf("the kernel took no descriptor")
	}
	if err == nil && n < len(b) {
		_, err = uc.Write(b[n:])
	}
	return err
}

func closeFD(fd int) { _ = unix.Close(fd) }
