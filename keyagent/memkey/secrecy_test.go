package memkey

import (
	"bytes"
	"context"
	"crypto/ed25519"
	"crypto/hpke"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"log/slog"
	"net/http"
	"strings"
	"testing"
)

// secrets are the needles: masters, share, seeds, each in every form in which something might print it.
func needles(secrets ...[]byte) [][]byte {
	var out [][]byte
	for _, s := range secrets {
		half := s[:len(s)/2] // a part is bad enough
		decimal := strings.Trim(fmt.Sprint(half), "[]")
		hexList := strings.ReplaceAll(strings.TrimPrefix(fmt.Sprintf("%#v", half), "[]byte{"), "}", "")
		out = append(out, half, []byte(hex.EncodeToString(half)), []byte(strings.ToUpper(hex.EncodeToString(half))),
			[]byte(decimal), []byte(hexList), []byte(base64.StdEncoding.EncodeToString(half[:len(half)/3*3])),
			[]byte(base64.URLEncoding.EncodeToString(half[:len(half)/3*3])))
	}
	return out
}

// TestNoSecretIsPrinted: not by any printer of any type, not in events, errors, logs of the server, nor on the wire.
func TestNoSecretIsPrinted(t *testing.T) {
	seed := counting(0x91, ed25519.SeedSize)
	share := counting(0x33, 60)
	identity, err := NewSigner(seed)
	if err != nil {
		t.Fatal(err)
	}
	private := ed25519.NewKeyFromSeed(seed)
	hunt := needles(testMaster(0), testMaster(1), share, seed, private[:32])
	var out bytes.Buffer
	show := func(values ...any) {
		for _, v := range values {
			for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x", "%X", "%d"} {
				fmt.Fprintf(&out, verb+"\n", v)
			}
			if b, err := json.Marshal(v); err == nil {
				out.Write(b)
			}
			for _, h := range []slog.Handler{
				slog.NewTextHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}), slog.NewJSONHandler(&out, &slog.HandlerOptions{Level: slog.LevelDebug}),
			} {
				slog.New(h).Debug("x", "v", v)
			}
		}
	}

	r := newRig(t, patient)
	r.setAdmins(append(r.list(), Admin{Public: identity.Public(), Roles: 31, Name: "carol"})...)
	r.agent.cfg.Apply = func(_ context.Context, q Request) (Receipt, error) {
		show(q, *q.Package, q.Package, q.Package.Keys, q.Package.String())
		q.Package.Wipe()
		return Receipt{}, fmt.Errorf("cannot: %v", q)
	}
	cert, err := IdentityCertificate(r.server)
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(r.agent, cert, func() bool { return true })
	server.ErrorLog = log.New(&out, "", 0)
	show(identity, tlsSigner{identity}, cert.PrivateKey)

	transport := recorder{r.agent.Handler(func() bool { return true }), &out}
	c := r.dial("https://agent.invalid", func(c *ClientConfig) {
		c.Identity, c.HTTP = identity, &http.Client{Transport: transport}
	})
	ctx := context.Background()
	p := testPackage(t, 2)
	for _, p := range []*Package{p, {Op: OpShare, Share: share}} {
		show(p, *p)
		_, err := c.Send(ctx, p)
		show(err, c)
	}
	p.Keys[1].KVT[0]++
	_, err = c.Send(ctx, p) // the sender's own check
	show(err)
	bad := raw(field(tagOp, []byte{1}), field(tagGeneration, make([]byte, 8)), keyField(t, 0, 1, "\n"))
	_, refusal := parsePackage(bad)
	show(refusal, *refusal)
	for _, e := range r.events {
		show(e)
	}
	if out.Len() < 10_000 {
		t.Fatalf("only %d bytes were looked at", out.Len())
	}
	for i, needle := range hunt {
		if at := bytes.Index(out.Bytes(), needle); at >= 0 {
			t.Errorf("needle %d is printed: …%q…", i, out.Bytes()[max(0, at-80):at])
		}
	}
}

// recorder is a transport straight into a handler, which keeps every byte of both directions.
type recorder struct {
	handler http.Handler
	out     *bytes.Buffer
}

func (r recorder) RoundTrip(q *http.Request) (*http.Response, error) {
	body, err := io.ReadAll(q.Body)
	if err != nil {
		return nil, err
	}
	r.out.Write(body)
	w := &memoryWriter{header: make(http.Header), code: http.StatusOK}
	q.Body = io.NopCloser(bytes.NewReader(body))
	q.RemoteAddr = "192.0.2.9:1"
	r.handler.ServeHTTP(w, q)
	r.out.Write(w.body.Bytes())
	fmt.Fprint(r.out, w.header)
	return &http.Response{StatusCode: w.code, Header: w.header, Body: io.NopCloser(&w.body), Request: q}, nil
}

type memoryWriter struct {
	header http.Header
	body   bytes.Buffer
	code   int
}

func (w *memoryWriter) Header() http.Header         { return w.header }
func (w *memoryWriter) WriteHeader(code int)        { w.code = code }
func (w *memoryWriter) Write(b []byte) (int, error) { return w.body.Write(b) }

// TestBuffersWithMastersAreCleared: what appendPackage gave, by who seals it; what the AEAD gave, by who reads it.
func TestBuffersWithMastersAreCleared(t *testing.T) {
	zero := func(b []byte) bool { return len(b) != 0 && bytes.Count(b, []byte{0}) == len(b) }
	key, err := hpke.MLKEM768X25519().GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	_, sender, err := hpke.NewSender(key.PublicKey(), hpke.HKDFSHA256(), hpke.ChaCha20Poly1305(), nil)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range []*Package{testPackage(t, 2), {Op: OpShare, Share: counting(1, 99)}} {
		b, err := appendPackage(p)
		if err != nil {
			t.Fatal(err)
		}
		if zero(b) {
			t.Fatal("the test looks at the wrong bytes")
		}
		sent := bytes.Clone(b)
		if _, err := sealAndClear(sender, nil, sent); err != nil || !zero(sent) {
			t.Errorf("%s: the sealed buffer is not cleared, %v", p.Op, err)
		}
		broken := bytes.Clone(b)
		broken[len(broken)-1] = 1
		for name, b := range map[string][]byte{"read": b, "refused": broken} {
			got, refusal := parsePackage(b)
			if !zero(b) || (refusal != nil) != (name == "refused") {
				t.Errorf("%s: the buffer that is %s is not cleared", p.Op, name)
			}
			if got != nil {
				got.Wipe()
			}
		}
	}
	p := testPackage(t, 2)
	p.Keys[1].KVT[0]++
	if b, err := appendPackage(p); err == nil || b != nil {
		t.Errorf("a package that fails halfway is returned: %v", err)
	}
}
