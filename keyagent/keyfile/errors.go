package keyfile

import "errors"

var (
	// ErrPassphrase says that a file does not open: the passphrase is wrong, or the file was changed. Which of the
	// two cannot be known.
	ErrPassphrase = errors.New("wrong passphrase, or the file is damaged")

	// ErrFormat says that a file is not one of this package, or of a kind or version that this release does not read.
	ErrFormat = errors.New("not a sealed file of this kind")

	// ErrKeyring says that a Keyring breaks the rules of Keyring's own text; nothing was sealed.
	ErrKeyring = errors.New("not a usable key ring")

	// ErrExists says that Create found a file, which it left alone.
	ErrExists = errors.New("the file exists")

	// ErrLocked says that another process works on the same file.
	ErrLocked = errors.New("another process works on it")

	// ErrNoAgent says that no ssh-agent answers on the socket.
	ErrNoAgent = errors.New("no ssh-agent answers")

	// ErrNoKey says that the ssh-agent does not have the key, or did not want to sign with it.
	ErrNoKey = errors.New("the ssh-agent does not sign with this key")
)
