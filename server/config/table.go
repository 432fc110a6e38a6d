package config

import (
	"time"

	"github.com/s3-crypt-proxy/s3-crypt-proxy/format"
	"github.com/s3-crypt-proxy/s3-crypt-proxy/pipeline/hashing"
)

const (
	wantAddress = "host:port, [IPv6]:port or :port for all interfaces"
	wantPath    = "the path of a file"
	wantBool    = "true or false"
	wantBuckets = "bucket names as in allowed_buckets, or *"
	wantSecret  = "any text without line breaks and control characters"
)

// Keys returns every setting, in the order of the manual; the slice is the
// caller's own. No key takes a master key or says where one lies on disk: keys
// reach the proxy over the socket of memkey.socket_path, and over nothing else.
func Keys() []Key {
	return []Key{
		{
			Name: "listen_addr", Env: "S3CP_LISTEN_ADDR", Kind: Text, Default: ":8080", Allowed: wantAddress,
			Doc:  "Where clients reach the proxy. Port 0 takes a free port; the log line `ready` tells which.",
			bind: text(func(c *Config) *string { return &c.ListenAddr }, checkAddress),
		},
		{
			Name: "admin_listen_addr", Env: "S3CP_ADMIN_LISTEN_ADDR", Kind: Text, Default: "127.0.0.1:8081", Allowed: wantAddress,
			Doc:  "Where the dashboard, health, readiness, metrics and profiles are. It speaks plain HTTP, hence loopback.",
			bind: text(func(c *Config) *string { return &c.AdminListenAddr }, checkAddress),
		},
		{
			Name: "backend.endpoint", Env: "S3CP_BACKEND_ENDPOINT", Kind: Text, Required: true, Private: true,
			Allowed: "an http:// or https:// URL of a host, perhaps with a port and a path",
			Doc:     "The S3 server that stores the sealed objects.",
			bind:    text(func(c *Config) *string { return &c.Backend.Endpoint }, checkEndpoint),
		},
		{
			Name: "backend.region", Env: "S3CP_BACKEND_REGION", Kind: Text, Default: "us-east-1", Allowed: "letters, digits, - and _",
			Doc:  "The region in the signatures to the backend.",
			bind: text(func(c *Config) *string { return &c.Backend.Region }, checkRegion),
		},
		{
			Name: "backend.access_key", Env: "S3CP_BACKEND_ACCESS_KEY", Kind: Text, Required: true, Private: true, Allowed: "printable ASCII without spaces, / and ,",
			Doc:  "The proxy's access key at the backend.",
			bind: text(func(c *Config) *string { return &c.Backend.AccessKey }, checkAccessKey),
		},
		{
			Name: "backend.secret_key", Env: "S3CP_BACKEND_SECRET_KEY", Kind: Password, Required: true, Allowed: wantSecret,
			Doc:  "Its secret key.",
			bind: secret(func(c *Config) *Secret { return &c.Backend.SecretKey }, nil),
		},
		{
			Name: "backend.secret_key_file", Env: "S3CP_BACKEND_SECRET_KEY_FILE", Kind: Text, FileFor: "backend.secret_key", Allowed: wantPath,
			Doc:  "A file that holds backend.secret_key; one line break at its end is dropped.",
			bind: text(func(c *Config) *string { return &c.Backend.SecretKeyFile }, nil),
		},
		{
			Name: "backend.path_style", Env: "S3CP_BACKEND_PATH_STYLE", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "Put the bucket into the path of backend URLs, not into the host name. Most servers other than AWS want true.",
			bind: boolean(func(c *Config) *bool { return &c.Backend.PathStyle }),
		},
		{
			Name: "backend.insecure_skip_verify", Env: "S3CP_BACKEND_INSECURE", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "Accept any certificate of the backend. Prefer backend.ca_file.",
			bind: boolean(func(c *Config) *bool { return &c.Backend.InsecureSkipVerify }),
		},
		{
			Name: "backend.ca_file", Env: "S3CP_BACKEND_CA_FILE", Kind: Text, Allowed: wantPath,
			Doc:  "A PEM file with the only roots to trust for the backend; empty = those of the system.",
			bind: text(func(c *Config) *string { return &c.Backend.CAFile }, nil),
		},
		{
			Name: "backend.key_rules", Env: "S3CP_BACKEND_KEY_RULES", Kind: Text, Default: KeysAuto, Allowed: "auto, any or posix",
			Doc:  "Whether keys with empty, . or .. segments are let through, which a store over a file system takes for other keys. auto = if the backend is found to keep them apart; any = always: on the wrong backend such a key overwrites another object; posix = never.",
			bind: choice(func(c *Config) *string { return &c.Backend.KeyRules }, KeysAuto, KeysAny, KeysPosix),
		},
		{
			Name: "backend.conditional_writes", Env: "S3CP_BACKEND_CONDITIONAL_WRITES", Kind: Text, Default: ConditionsNative, Allowed: "native or emulated",
			Doc:  "What becomes of a client's If-None-Match and If-Match on PUT, CompleteMultipartUpload and DELETE where the backend is found to ignore them. native = such requests are refused (501); emulated = this proxy looks, then writes, and no other write of its own comes between. A write through another proxy, or past the proxy, that comes between is overwritten: see docs/s3-compatibility.md.",
			bind: choice(func(c *Config) *string { return &c.Backend.ConditionalWrites }, ConditionsNative, ConditionsEmulated),
		},
		{
			Name: "backend.multipart_threads", Env: "S3CP_BACKEND_MULTIPART_THREADS", Kind: Int, Default: "1", Allowed: "1 to 64",
			Doc:  "Connections to the backend that move one large object: a GET of more than 8 MiB fetches ranges ahead, an upload of more than 20 MiB becomes parts. For links on which one connection is slow; each takes 8 MiB of pipeline.budget, and without room fewer are used. 1 = one after the other.",
			bind: integer(func(c *Config) *int { return &c.Backend.MultipartThreads }, between(1, maxThreads)),
		},
		{
			Name: "client.access_key", Env: "S3CP_CLIENT_ACCESS_KEY", Kind: Text, Required: true, Unless: "clients", Private: true, Live: true, Allowed: "printable ASCII without spaces, / and ,",
			Doc:  "The access key that clients (PBS) use at the proxy. It has nothing to do with the backend's. It may do everything; for other rights, and more clients, see clients.",
			bind: text(func(c *Config) *string { return &c.Client.AccessKey }, checkAccessKey),
		},
		{
			Name: "client.secret_key", Env: "S3CP_CLIENT_SECRET_KEY", Kind: Password, Required: true, Unless: "clients", Live: true, Allowed: wantSecret,
			Doc:  "Its secret key.",
			bind: secret(func(c *Config) *Secret { return &c.Client.SecretKey }, nil),
		},
		{
			Name: "client.secret_key_file", Env: "S3CP_CLIENT_SECRET_KEY_FILE", Kind: Text, FileFor: "client.secret_key", Live: true, Allowed: wantPath,
			Doc:  "A file that holds client.secret_key; one line break at its end is dropped.",
			bind: text(func(c *Config) *string { return &c.Client.SecretKeyFile }, nil),
		},
		{
			Name: "allowed_buckets", Env: "S3CP_ALLOWED_BUCKETS", Kind: List, Live: true, Allowed: "bucket names of 3 to 63 lower-case letters, digits, dots and hyphens",
			Doc:  "The buckets clients may use, in the variable separated by commas; empty = every bucket of the backend.",
			bind: list(func(c *Config) *[]string { return &c.AllowedBuckets }, checkBucket),
		},
		{
			Name: "region", Env: "S3CP_REGION", Kind: Text, Allowed: "letters, digits, - and _, or nothing",
			Doc:  "The region that clients must name in signatures and for new buckets, and are told; empty = any is taken, and us-east-1 is told. It has nothing to do with backend.region.",
			bind: text(func(c *Config) *string { return &c.Region }, checkClientRegion),
		},
		{
			Name: "post_forms", Env: "S3CP_POST_FORMS", Kind: Bool, Default: "false", Live: true, Allowed: wantBool,
			Doc:  "Take uploads by browsers' forms (POST Object): whoever has a form that a client signed may store what its policy allows.",
			bind: boolean(func(c *Config) *bool { return &c.PostForms }),
		},
		{
			Name: "bucket_cors", Env: "S3CP_BUCKET_CORS", Kind: Bool, Default: "false", Live: true, Allowed: wantBool,
			Doc:  "Let clients keep CORS rules with their buckets (PutBucketCors), at the backend. They count behind those of the list `cors`.",
			bind: boolean(func(c *Config) *bool { return &c.BucketCORS }),
		},
		{
			Name: "admin.token", Env: "S3CP_ADMIN_TOKEN", Kind: Password, Required: true, Allowed: "printable ASCII without spaces",
			Doc:  "The bearer token of the admin listener's protected pages.",
			bind: secret(func(c *Config) *Secret { return &c.Admin.Token }, checkToken),
		},
		{
			Name: "admin.token_file", Env: "S3CP_ADMIN_TOKEN_FILE", Kind: Text, FileFor: "admin.token", Allowed: wantPath,
			Doc:  "A file that holds admin.token; one line break at its end is dropped.",
			bind: text(func(c *Config) *string { return &c.Admin.TokenFile }, nil),
		},
		{
			Name: "admin.show_names", Env: "S3CP_ADMIN_SHOW_NAMES", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "Show the buckets, object names and client addresses of recent requests on the dashboard, to whoever shows admin.token. Without it none is kept in memory.",
			bind: boolean(func(c *Config) *bool { return &c.Admin.ShowNames }),
		},
		{
			Name: "tls.mode", Env: "S3CP_TLS", Kind: Text, Allowed: "off, auto, files, or nothing",
			Doc:  "off = plain HTTP; auto = a certificate made on first start; files = tls.cert_file and tls.key_file. Empty = files if tls.cert_file is given, else auto if tls.auto is true, else off. PBS speaks HTTPS only.",
			bind: choice(func(c *Config) *string { return &c.TLS.Mode }, "", TLSOff, TLSAuto, TLSFiles),
		},
		{
			Name: "tls.auto", Env: "S3CP_TLS_AUTO", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "true is the short way to write tls.mode: auto.",
			bind: boolean(func(c *Config) *bool { return &c.TLS.Auto }),
		},
		{
			Name: "tls.cert_file", Env: "S3CP_TLS_CERT", Kind: Text, Allowed: wantPath,
			Doc:  "The certificate chain of the S3 listener, PEM, leaf first.",
			bind: text(func(c *Config) *string { return &c.TLS.CertFile }, nil),
		},
		{
			Name: "tls.key_file", Env: "S3CP_TLS_KEY", Kind: Text, Allowed: wantPath,
			Doc:  "Its private key, PEM, not encrypted.",
			bind: text(func(c *Config) *string { return &c.TLS.KeyFile }, nil),
		},
		{
			Name: "tls.names", Env: "S3CP_TLS_NAMES", Kind: List, Allowed: "DNS names and IP addresses",
			Doc:  "What a generated certificate is for, besides this machine's name and loopback. PBS compares the fingerprint, other clients may compare names.",
			bind: list(func(c *Config) *[]string { return &c.TLS.Names }, checkName),
		},
		{
			Name: "tls.dir", Env: "S3CP_TLS_DIR", Kind: Text, Allowed: "an absolute path, or nothing",
			Doc:  "Where a generated certificate is kept. Empty = systemd's state directory, else /var/lib/s3-crypt-proxy for root, else s3-crypt-proxy in the user's state directory.",
			bind: text(func(c *Config) *string { return &c.TLS.Dir }, checkAbsolute),
		},
		{
			Name: "encryption.cipher", Env: "S3CP_ENCRYPTION_CIPHER", Kind: Text, Default: format.XChaCha20Poly1305.String(),
			Allowed: format.XChaCha20Poly1305.String() + ", " + format.AES256GCM.String() + " or " + CipherAuto,
			Doc:     "The cipher of new objects; auto = the faster one on this processor. Every object says its own, so that a change needs no migration.",
			bind:    text(func(c *Config) *string { return &c.Encryption.Cipher }, checkCipher),
		},
		{
			Name: "encryption.chunk_size", Env: "S3CP_CHUNK_SIZE", Kind: Bytes, Default: "0", Allowed: "64KiB to 64MiB, or 0",
			Doc:  "Bytes that one core seals at a time; rounded down to whole segments of 64 KiB. 0 = from the processor's cache sizes. It is no part of the stored form.",
			bind: size(func(c *Config) *Size { return &c.Encryption.ChunkSize }, minChunk, maxChunk, true),
		},
		{
			Name: "encryption.block_size", Env: "S3CP_ENCRYPTION_BLOCK_SIZE", Kind: Int, Default: "1024", Allowed: "512, 1024, 2048 or 4096",
			Doc:  "Bytes in front of each object that hold its metadata, in buckets that have no sealed object yet. A bucket keeps its block size for ever.",
			bind: integer(func(c *Config) *int { return &c.Encryption.BlockSize }, format.ValidBlockSize),
		},
		{
			Name: "encryption.block_hint", Env: "S3CP_ENCRYPTION_BLOCK_HINT", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "Store the sealed block of new objects as their user metadata at the backend, too, so that HeadObject can tell the metadata of archived objects. It adds 0.7 or 1.4 KiB to the header of each PUT and of each GET's answer; objects that were uploaded in parts have none.",
			bind: boolean(func(c *Config) *bool { return &c.Encryption.BlockHint }),
		},
		{
			Name: "encryption.etag", Env: "S3CP_ENCRYPTION_ETAG", Kind: Text, Default: ETagOpaque, Allowed: "opaque or md5",
			Doc:  "What clients see as the ETag of an object: opaque = the backend's, marked by -s; md5 = S3's own, the MD5 of what the client stored, or of its parts. md5 costs 1.5 ms of a core for each MiB stored, and listings a request to the backend for each object that is not in the cache.",
			bind: choice(func(c *Config) *string { return &c.Encryption.ETag }, ETagOpaque, ETagMD5),
		},
		{
			Name: "encryption.etag_cache", Env: "S3CP_ENCRYPTION_ETAG_CACHE", Kind: Int, Default: "100000", Allowed: "0 to 10000000",
			Doc:  "How many ETags are remembered for listings with encryption.etag: md5, at some 150 bytes of memory each.",
			bind: integer(func(c *Config) *int { return &c.Encryption.ETagCache }, between(0, maxETagCache)),
		},
		{
			Name: "encryption.default_checksum", Env: "S3CP_ENCRYPTION_DEFAULT_CHECKSUM", Kind: Text, Default: ChecksumCRC64NVME, Allowed: "crc64nvme or none",
			Doc:  "The checksum that new objects get whose clients send none: crc64nvme = computed here and sealed with the object, as at S3, at some 0.08 ms of a core for each MiB stored; none = such objects have no checksum.",
			bind: choice(func(c *Config) *string { return &c.Encryption.Checksum }, ChecksumCRC64NVME, ChecksumNone),
		},
		{
			Name: "encryption.sealed_names", Env: "S3CP_ENCRYPTION_SEALED_NAMES", Kind: List, Allowed: wantBuckets,
			Doc:  "Buckets in which the names of objects are sealed too, \"*\" = all. It takes effect where a bucket has no sealed object yet, and then for ever; a bucket that is named here but was begun without is refused. Listings come in another order, and keys may have some 700 bytes: see docs/s3-compatibility.md.",
			bind: list(func(c *Config) *[]string { return &c.Encryption.Names }, checkBucketOrAll),
		},
		{
			Name: "encryption.padded_sizes", Env: "S3CP_ENCRYPTION_PADDED_SIZES", Kind: List, Allowed: wantBuckets,
			Doc:  "Buckets in which objects are padded, by at most 12 %, so that their sizes tell less, \"*\" = all. As with encryption.sealed_names, for ever. Listings show the padded size, and uploads in parts are refused: see docs/s3-compatibility.md.",
			bind: list(func(c *Config) *[]string { return &c.Encryption.Padding }, checkBucketOrAll),
		},
		{
			Name: "pipeline.workers", Env: "S3CP_PIPELINE_WORKERS", Kind: Int, Default: "0", Allowed: "0 to 1024",
			Doc:  "Cores that may work on one object; 0 = all.",
			bind: integer(func(c *Config) *int { return &c.Pipeline.Workers }, between(0, maxWorkers)),
		},
		{
			Name: "pipeline.budget", Env: "S3CP_PIPELINE_BUDGET", Kind: Bytes, Default: "256MiB", Allowed: "64MiB to 1TiB",
			Doc:  "Bytes of object data in memory at once, all requests together. Requests beyond wait, then get 503 SlowDown.",
			bind: size(func(c *Config) *Size { return &c.Pipeline.Budget }, minBudget, maxBudget, false),
		},
		{
			Name: "pipeline.admission", Env: "S3CP_PIPELINE_ADMISSION", Kind: Int, Default: "0", Allowed: "0 to 65536",
			Doc:  "Bodies that are worked on at once; those beyond wait unread, the credentials in turn, and get 503 SlowDown after 30 seconds. Bodies up to 64 KiB, and those that mostly wait for their client or the backend, do not count. 0 = 2 for each core, at least 8.",
			bind: integer(func(c *Config) *int { return &c.Pipeline.Admission }, between(0, maxAdmission)),
		},
		{
			Name: "pipeline.queue_timeout", Env: "S3CP_PIPELINE_QUEUE_TIMEOUT", Kind: Duration, Default: "5s", Allowed: "10ms to 10m",
			Doc:  "How long a request waits for its share of the budget.",
			bind: duration(func(c *Config) *time.Duration { return &c.Pipeline.QueueTimeout }, 10*time.Millisecond, 10*time.Minute),
		},
		{
			Name: "pipeline.whole_object", Env: "S3CP_PIPELINE_WHOLE_OBJECT", Kind: Bytes, Default: "64MiB", Allowed: "5MiB to 5GiB, within pipeline.budget",
			Doc:  "Uploads up to this size are sealed in memory and sent as one request that can be repeated; larger ones become a multipart upload at the backend. Unless given, it is no more than a quarter of pipeline.budget.",
			bind: size(func(c *Config) *Size { return &c.Pipeline.WholeObject }, minWhole, maxWhole, false),
		},
		{
			Name: "pipeline.hashing", Env: "S3CP_PIPELINE_HASHING", Kind: Text, Default: string(hashing.Auto), Allowed: "auto, standard, fused, avx2 or avx512",
			Doc:  "How MD5 and SHA-256 of bodies are computed: standard = one after the other, by Go's library; fused = in one pass, and of two bodies at once, by the SHA instructions of x86 processors; avx2 and avx512 = the same, and of up to eight bodies at once with those instructions; auto = the last of them that the processor can.",
			bind: choice(func(c *Config) *string { return &c.Pipeline.Hashing }, string(hashing.Auto), string(hashing.Standard), string(hashing.Fused), string(hashing.AVX2), string(hashing.AVX512)),
		},
		{
			Name: "multipart.resume", Env: "S3CP_MULTIPART_RESUME", Kind: Bool, Default: "true", Allowed: wantBool,
			Doc:  "Answer ListParts, which clients that resume an upload need (Docker registries, tusd, Uppy). It costs two small requests to the backend for each part, and an empty object until the upload ends. Backup tools go without: false saves both, and ListParts is refused.",
			bind: boolean(func(c *Config) *bool { return &c.Multipart.Resume }),
		},
		{
			Name: "limits.max_connections", Env: "S3CP_LIMITS_MAX_CONNECTIONS", Kind: Int, Default: "4096", Allowed: "1 to 1048576",
			Doc:  "Client connections in service at once; further ones wait to be accepted.",
			bind: integer(func(c *Config) *int { return &c.Limits.MaxConnections }, between(1, maxConnections)),
		},
		{
			Name: "limits.max_object_size", Env: "S3CP_LIMITS_MAX_OBJECT_SIZE", Kind: Bytes, Default: "5GiB", Allowed: "1MiB to 5TiB",
			Doc:  "The largest body of one upload request. S3's own limit is 5 GiB.",
			bind: size(func(c *Config) *Size { return &c.Limits.MaxObjectSize }, minObject, format.MaxPlainSize, false),
		},
		{
			Name: "limits.header_timeout", Env: "S3CP_LIMITS_HEADER_TIMEOUT", Kind: Duration, Default: "30s", Allowed: "1s to 10m",
			Doc:  "Time for a request's line and headers.",
			bind: duration(func(c *Config) *time.Duration { return &c.Limits.HeaderTimeout }, time.Second, 10*time.Minute),
		},
		{
			Name: "limits.progress_timeout", Env: "S3CP_LIMITS_PROGRESS_TIMEOUT", Kind: Duration, Default: "60s", Allowed: "1s to 1h",
			Doc:  "Time for each 64 KiB of a body, in either direction. There is no limit on a whole request.",
			bind: duration(func(c *Config) *time.Duration { return &c.Limits.ProgressTimeout }, time.Second, time.Hour),
		},
		{
			Name: "limits.idle_timeout", Env: "S3CP_LIMITS_IDLE_TIMEOUT", Kind: Duration, Default: "180s", Allowed: "1s to 24h",
			Doc:  "Time a connection may wait for its next request. PBS uses connections again for 90 s.",
			bind: duration(func(c *Config) *time.Duration { return &c.Limits.IdleTimeout }, time.Second, 24*time.Hour),
		},
		{
			Name: "memkey.socket_path", Env: "S3CP_MEMKEY_SOCKET", Kind: Text, Default: "/run/memkey/memkey.sock", Required: true, Allowed: "an absolute path",
			Doc:  "The Unix socket over which the key holder hands the keys to the proxy.",
			bind: text(func(c *Config) *string { return &c.Memkey.SocketPath }, checkAbsolute),
		},
		{
			Name: "memkey.server_users", Env: "S3CP_MEMKEY_SERVER_USERS", Kind: List, Allowed: "names or numbers of users",
			Doc:  "Whom the proxy takes keys from: the users that memkey-server may run as; empty = root and the proxy's own user.",
			bind: list(func(c *Config) *[]string { return &c.Memkey.ServerUsers }, checkUser),
		},
		{
			Name: "memkey.mode", Env: "S3CP_MEMKEY_MODE", Kind: Text, Default: MemkeyExport, Allowed: "export or agent",
			Doc:  "export = the proxy gets the keys and derives from them itself; agent = the keys stay with the key holder, which derives what each object needs. agent costs each object a call over the socket, and requests fail while the key holder is away.",
			bind: choice(func(c *Config) *string { return &c.Memkey.Mode }, MemkeyExport, MemkeyAgent),
		},
		{
			Name: "memkey.endpoint", Env: "S3CP_MEMKEY_ENDPOINT", Kind: Text, Private: true, Allowed: "nothing",
			Doc:  "Kept for old files; must be empty. Keys come only through the local socket.",
			bind: text(func(c *Config) *string { return &c.Memkey.Endpoint }, nil),
		},
		{
			Name: "memkey.poll_interval", Env: "S3CP_MEMKEY_POLL_INTERVAL", Kind: Duration, Default: "5s", Allowed: "1ms to 24h",
			Doc:  "Kept for old files; has no effect. Keys are pushed as soon as they change.",
			bind: duration(func(c *Config) *time.Duration { return &c.Memkey.PollInterval }, time.Millisecond, 24*time.Hour),
		},
		{
			Name: "memkey.insecure_skip_verify", Env: "S3CP_MEMKEY_INSECURE", Kind: Bool, Default: "false", Allowed: wantBool,
			Doc:  "Kept for old files; has no effect. The socket's owner is always checked.",
			bind: boolean(func(c *Config) *bool { return &c.Memkey.InsecureSkipVerify }),
		},
		{
			Name: "log_level", Env: "S3CP_LOG_LEVEL", Kind: Text, Default: "info", Live: true, Allowed: "debug, info, warn or error",
			Doc:  "The least important log lines to write. Object names appear at debug only.",
			bind: choice(func(c *Config) *string { return &c.LogLevel }, "debug", "info", "warn", "error"),
		},
		{
			Name: "log_format", Env: "S3CP_LOG_FORMAT", Kind: Text, Default: "json", Allowed: "json or console",
			Doc:  "json = one object a line; console = for people.",
			bind: choice(func(c *Config) *string { return &c.LogFormat }, "json", "console"),
		},
		{
			Name: "shutdown_timeout", Env: "S3CP_SHUTDOWN_TIMEOUT", Kind: Duration, Default: "30s", Live: true, Allowed: "100ms to 1h",
			Doc:  "How long running requests may take to end after SIGTERM.",
			bind: duration(func(c *Config) *time.Duration { return &c.ShutdownTimeout }, 100*time.Millisecond, time.Hour),
		},
	}
}
