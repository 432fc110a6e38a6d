// Package packages tests the Debian package on a real Debian 12 with a real systemd: a root made by mmdebstrap, booted
// by systemd-nspawn. `make packages` prepares both and runs it, as root.
//
// # Promises, each with its test
//
//   - Every shell script passes shellcheck: TestScripts.
//   - Installing starts nothing and makes the users; both units are valid, fenced in (exposure 1.5 or less), and start
//     nothing that is not configured: TestPackage/install, /units, /unconfigured.
//   - The man pages have no fault that groff sees, the completions complete: TestPackage/manual.
//   - The deployment takes any byte in a secret, puts it where only root reads it, and nowhere else; bad answers change
//     nothing, good ones twice change nothing the second time: TestPackage/bad_answers, /deploy, /deploy_again.
//   - A proxy that was deployed so gets keys and stores for a PBS client over TLS: TestPackage/keys.
//   - An upgrade restarts the proxy, not the key holder: TestPackage/upgrade.
//   - An update whose proxy crashes, or is never ready, goes back by itself; a good one stays, and restarts the key
//     holder only when told: TestPackage/update_*.
//   - With systemd's sockets nobody is refused during a restart: TestPackage/sockets.
//   - Removing keeps configuration and state, purging takes them and says so: TestPackage/remove, /purge.
package packages
