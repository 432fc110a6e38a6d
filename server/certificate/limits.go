package certificate

import "time"

const (
	// maxFile bounds a PEM file. A chain of ten RSA-4096 certificates has 25 KB.
	maxFile = 1 << 20

	// validity of a generated certificate: longer than the machine, because a new
	// one changes the fingerprint that every PBS has pinned.
	validity = 10 * 365 * 24 * time.Hour

	// backdate lets clients whose clock is behind accept it at once.
	backdate = 24 * time.Hour

	// expiryWarning is how long before its end a certificate earns a warning.
	expiryWarning = 30 * 24 * time.Hour

	// pairName is the file of a generated pair.
	pairName = "s3-crypt-proxy.pem"
)
