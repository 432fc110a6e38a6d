package remote

import (
	"errors"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// Kinds of a request.
const (
	blockKind  = 1
	uploadKind = 2
)

const (
	headSize    = 54
	saltSize    = 24
	blockAnswer = 32 + 24 + 32 + 32 + 24
	tokenAnswer = 32 + 24 + 32
)

var errRequest = errors.New("not a request for keys")

// appendRequest writes a request.
func appendRequest(kind byte, param []byte, where format.Context) ([]byte, error) {
	return where.AppendBinary(append([]byte{kind}, param...))
}

// parseRequest reads one. The key is read with its length, so there is one form only.
func parseRequest(b []byte) (kind byte, param []byte, where format.Context, err error) {
	if len(b) < 1 {
		return 0, nil, where, errRequest
	}
	size := map[byte]int{blockKind: headSize, uploadKind: saltSize}[b[0]]
	rest := b[1:]
	if size == 0 || len(rest) < size {
		return 0, nil, where, errRequest
	}
	where, err = format.ParseContext(rest[size:])
	return b[0], rest[:size], where, err
}

func appendBlockKeys(dst []byte, k *format.BlockKeys) []byte {
	for _, part := range [][]byte{k.MetaKey[:], k.MetaNonce[:], k.Commit[:], k.WrapKey[:], k.WrapNonce[:]} {
		dst = append(dst, part...)
	}
	return dst
}

func parseBlockKeys(b []byte) (k format.BlockKeys, err error) {
	if len(b) != blockAnswer {
		return k, errors.New("an answer of another length")
	}
	for _, part := range [][]byte{k.MetaKey[:], k.MetaNonce[:], k.Commit[:], k.WrapKey[:], k.WrapNonce[:]} {
		b = b[copy(part, b):]
	}
	return k, nil
}

func appendUploadKeys(dst []byte, k *format.UploadKeys) []byte {
	dst = append(dst, k.TokenKey[:]...)
	dst = append(dst, k.TokenNonce[:]...)
	return append(dst, k.ETagKey[:]...)
}

func parseUploadKeys(b []byte) (k format.UploadKeys, err error) {
	if len(b) != tokenAnswer {
		return k, errors.New("an answer of another length")
	}
	for _, part := range [][]byte{k.TokenKey[:], k.TokenNonce[:], k.ETagKey[:]} {
		b = b[copy(part, b):]
	}
	return k, nil
}
