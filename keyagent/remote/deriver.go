package remote

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// Deriver is the agent's side: a keyagent.Deriver for the keys of package format.
type Deriver struct{}

// Name gives KID and KVT of a master.
func (Deriver) Name(master []byte) (id [8]byte, kvt [32]byte, err error) {
	keys, err := format.DeriveKeys(master)
	if err != nil {
		return id, kvt, err
	}
	defer keys.Wipe()
	return keys.ID(), keys.KVT(), nil
}

// Derive answers one request.
func (Deriver) Derive(master, request []byte) ([]byte, error) {
	kind, param, where, err := parseRequest(request)
	if err != nil {
		return nil, err
	}
	keys, err := format.DeriveKeys(master)
	if err != nil {
		return nil, err
	}
	defer keys.Wipe()
	ring, err := format.NewKeyring(keys)
	if err != nil {
		return nil, err
	}
	defer ring.Wipe()
	if kind == uploadKind {
		upload, err := ring.UploadKeys(keys.ID(), [saltSize]byte(param), where)
		if err != nil {
			return nil, err
		}
		defer func() { upload = format.UploadKeys{} }()
		return appendUploadKeys(make([]byte, 0, tokenAnswer), &upload), nil
	}
	block, err := ring.BlockKeys(keys.ID(), [headSize]byte(param), where)
	if err != nil {
		return nil, err
	}
	defer func() { block = format.BlockKeys{} }()
	return appendBlockKeys(make([]byte, 0, blockAnswer), &block), nil
}
