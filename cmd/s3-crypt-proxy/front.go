package main

import (
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/server/config"
)

// keyRules are the front's words for those of the configuration.
func keyRules(b config.Backend) server.KeyRules {
	switch b.KeyRules {
	case config.KeysAny:
		return server.KeyRulesAny
	case config.KeysPosix:
		return server.KeyRulesPosix
	}
	return server.KeyRulesAuto
}

// etags are the front's word for what clients see as ETags.
func etags(e config.Encryption) server.ETagMode {
	if e.ETag == config.ETagMD5 {
		return server.ETagMD5
	}
	return server.ETagOpaque
}

// defaultChecksum is the front's word for the checksum of objects whose clients send none.
func defaultChecksum(e config.Encryption) server.DefaultChecksum {
	if e.Checksum == config.ChecksumNone {
		return server.ChecksumNone
	}
	return server.ChecksumCRC64NVME
}
