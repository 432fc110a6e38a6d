package server

import (
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"sync"
	"testing"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
)

// TestDigestsOfManyBodies: bodies that are hashed beside each other are each proved for
// themselves. Every third is changed in one byte, against its MD5 or its SHA-256.
func TestDigestsOfManyBodies(t *testing.T) {
	for _, kernel := range hashing.Kernels() {
		t.Run(string(kernel), func(t *testing.T) {
			engine, err := hashing.New(kernel, 2)
			if err != nil {
				t.Skip(err)
			}
			g := newRig(t, func(c *Config) { c.Hashing = engine })
			g.put("/bkt/first", nil) // the bucket is begun
			var wg sync.WaitGroup
			for i := range 24 {
				wg.Go(func() {
					body := pattern(300<<10 + 7919*i)
					body[0] = byte(i)
					right := bytes.Clone(body)
					sum, m := sha256.Sum256(body), md5.Sum(body)
					body[len(body)*i/24] ^= byte(i % 3)
					status, code := 200, ""
					switch i % 3 { // what was changed is signed as it is sent, once
					case 1:
						status, code = 400, "XAmzContentSHA256Mismatch"
					case 2:
						sum = sha256.Sum256(body)
						status, code = 400, "BadDigest"
					}
					key := fmt.Sprintf("/bkt/k%d", i)
					g.want(g.do(call{method: "PUT", target: key, body: body, sha: hex.EncodeToString(sum[:]),
						header: map[string]string{"content-md5": base64.StdEncoding.EncodeToString(m[:])}}), status, code)
					if status != 200 {
						g.want(g.get(key), 404, "NoSuchKey")
					} else if a := g.get(key); !bytes.Equal(a.body, right) {
						t.Errorf("%s: other bytes come back", key)
					}
				})
			}
			wg.Wait()
			if s := engine.Stats(); s.Alone+s.Paired+s.Grouped == 0 {
				t.Error("the engine hashed nothing")
			}
		})
	}
}
