// Package systemd is what our daemons say to systemd, and take from it: readiness
// and the watchdog (sd_notify(3)), and listening sockets (sd_listen_fds(3)). It
// needs no library of systemd's: the protocol is a datagram and three variables.
//
// # Promises, each with the test that proves it
//
//   - A state is one datagram, also to a socket with an abstract name: TestTell.
//   - Without systemd nothing is said and nothing fails: TestWithoutSystemd.
//   - The watchdog is answered twice per its time, and not while alive hangs:
//     TestWatchdog.
//   - Sockets come by their names, are not for children, and are no one else's:
//     TestSockets. Sockets of another process, unnamed, doubled or not listening
//     ones are refused: TestSocketsThatAreRefused.
package systemd
