// Package export makes of a ring of master keys what opens and seals objects: mode
// export, in which a program has the masters for as long as deriving takes.
//
// The masters stay the caller's; what is derived is the Keyring's, which holds the only
// copy: the intermediate ones are wiped before Keyring returns, also after an error.
//
// # Promises, each with the test that proves it
//
//   - The keyring is that of the ring: its active key seals, all open:
//     TestKeyringIsTheRings.
//   - A ring without an active key, with two, or with a master that is wiped gives no
//     keyring: TestUnusableRings.
package export
