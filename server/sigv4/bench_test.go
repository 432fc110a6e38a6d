package sigv4

import (
	"testing"
	"time"
)

func BenchmarkVerify(b *testing.B) {
	for _, vector := range pbsVectors() {
		b.Run(vector.name, func(b *testing.B) {
			signed := vector.sign(b)
			v := New(Config{
				Lookup: func(k string) (string, bool) { return vectorSecret, k == vectorAccessKey },
				Now:    func() time.Time { return vectorTime },
			})
			r := &Request{Method: vector.method, Target: vector.target, Headers: signed}
			b.ReportAllocs()
			for b.Loop() {
				if _, err := v.Verify(r); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

func BenchmarkSign(b *testing.B) {
	vector := pbsVectors()[0]
	b.ReportAllocs()
	for b.Loop() {
		vector.sign(b)
	}
}
