package config

import (
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
)

// Config is the effective configuration: every key of the table with its value.
// Load makes it; it is not changed afterwards. It prints without secrets.
type Config struct {
	ListenAddr      string
	AdminListenAddr string
	AllowedBuckets  []string // empty = all
	Region          string   // empty = any
	PostForms       bool
	BucketCORS      bool
	LogLevel        string // debug, info, warn, error
	LogFormat       string // json, console
	ShutdownTimeout time.Duration

	Backend    Backend
	Client     Client   // the section; see AllClients
	Clients    []Client // the list
	CORS       []CORSRule
	Admin      Admin
	TLS        TLS
	Encryption Encryption
	Pipeline   Pipeline
	Multipart  Multipart
	Limits     Limits
	Memkey     Memkey

	// Warnings are what is allowed but should be seen, as sentences that name
	// their key.
	Warnings []string

	origins map[string]Origin
}

// Backend is the S3 store behind the proxy.
type Backend struct {
	Endpoint           string // http:// or https:// URL without credentials
	Region             string
	AccessKey          string
	SecretKey          Secret
	SecretKeyFile      string
	PathStyle          bool
	InsecureSkipVerify bool
	CAFile             string
	KeyRules           string // KeysAuto, KeysAny or KeysPosix
	ConditionalWrites  string // ConditionsNative or ConditionsEmulated
	MultipartThreads   int    // connections that move one large object
}

// Rules for keys that some stores take for other ones.
const (
	KeysAuto  = "auto"  // the backend is asked
	KeysAny   = "any"   // all are let through
	KeysPosix = "posix" // none is
)

// What becomes of conditions that the backend ignores, in Backend.ConditionalWrites.
const (
	ConditionsNative   = "native"   // they are refused
	ConditionsEmulated = "emulated" // each proxy holds its own writes to them
)

// Admin guards the admin listener.
type Admin struct {
	Token     Secret
	TokenFile string
	ShowNames bool // names of recent requests on the dashboard, for who shows the token
}

// TLS modes.
const (
	TLSOff   = "off"   // plain HTTP
	TLSAuto  = "auto"  // a certificate made on first start and kept in Dir
	TLSFiles = "files" // CertFile and KeyFile
)

// TLS is the certificate of the S3 listener.
type TLS struct {
	Mode     string // TLSOff, TLSAuto or TLSFiles; never empty after Load
	Auto     bool   // the short way to write Mode: auto
	CertFile string
	KeyFile  string
	Names    []string // DNS names and IPs of a generated certificate
	Dir      string   // of the generated certificate; may be "" unless Mode is TLSAuto
}

// CipherAuto lets the processor choose the suite.
const CipherAuto = "auto"

// Encryption is how new objects are sealed.
type Encryption struct {
	Cipher    string   // CipherAuto or the name of a format.Suite
	ChunkSize Size     // bytes of a batch; 0 = from the processor's caches
	BlockSize int      // bytes of the object block of new buckets
	BlockHint bool     // the block as user metadata, too
	ETag      string   // ETagOpaque or ETagMD5
	ETagCache int      // entries
	Checksum  string   // ChecksumCRC64NVME or ChecksumNone: of objects whose clients send none
	Names     []string // new buckets whose names are sealed; "*" = all
	Padding   []string // new buckets whose sizes are padded; "*" = all
}

// The checksum of objects whose clients send none.
const (
	ChecksumCRC64NVME = "crc64nvme"
	ChecksumNone      = "none"
)

// What clients see as the ETag of an object.
const (
	ETagOpaque = "opaque" // the backend's, marked
	ETagMD5    = "md5"    // of the plain bytes
)

// Suite returns the suite by name; auto = true leaves the choice to the caller.
func (e Encryption) Suite() (suite format.Suite, auto bool) {
	if e.Cipher == CipherAuto {
		return 0, true
	}
	suite, err := format.ParseSuite(e.Cipher)
	if err != nil {
		panic("BUG: config: unchecked cipher: " + err.Error())
	}
	return suite, false
}

// Pipeline bounds the work in progress.
type Pipeline struct {
	Workers      int  // 0 = all cores
	Budget       Size // bytes in flight, all requests together
	Admission    int  // bodies that move at once; 0 = from the cores
	QueueTimeout time.Duration
	WholeObject  Size   // bytes up to which an object is sealed in memory
	Hashing      string // a hashing.Kernel
}

// Multipart is about uploads in parts.
type Multipart struct {
	Resume bool // keep receipts of parts, so that ListParts can tell their ETags
}

// Limits bounds what clients may do.
type Limits struct {
	MaxConnections  int
	MaxObjectSize   Size
	HeaderTimeout   time.Duration
	ProgressTimeout time.Duration
	IdleTimeout     time.Duration
}

// Modes of Memkey.
const (
	MemkeyExport = "export" // the proxy gets the masters and derives
	MemkeyAgent  = "agent"  // the key holder derives; the proxy never has a master
)

// Memkey is where the keys come from: a local socket, and nothing else.
type Memkey struct {
	SocketPath         string
	ServerUsers        []string // numbers or names; empty = root and the own user
	Mode               string   // MemkeyExport or MemkeyAgent
	Endpoint           string   // always "": see Load
	PollInterval       time.Duration
	InsecureSkipVerify bool
}

// Origin tells where a value came from. The zero Origin is the default.
type Origin struct {
	File       string
	Line       int
	Env        string
	Credential string // name of the systemd credential
	Derived    string // the key whose value it follows from, which came from there; "" if it was given itself
}

// level orders origins: what is higher wins.
func (o Origin) level() int {
	switch {
	case o.Env != "":
		return 3
	case o.File != "":
		return 2
	case o.Credential != "":
		return 1
	}
	return 0
}
