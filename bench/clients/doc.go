// Package clients holds no code of the product: its tests (build tag integration) take real S3 clients, as their users
// install them, through their whole life with the proxy, on a real S3 server.
//
// # Rig
//
// One backend, and two proxies with the same keys in front of it, one with TLS and one without: several clients frame
// their bodies in another way where TLS already protects them. CLIENTS_BACKEND says which backend: versitygw (the default)
// or minio. Each client has a bucket, a home and an environment of its own, and verifies the proxy's certificate.
// `make integration` installs what is missing (the script install says how) and runs the tests.
//
// `make integration-minio` is not part of .ci/run: from an empty build cache minio alone takes more than three minutes of two
// cores, even for one client, and all the clients on it two minutes of processor time more. It prints how long the build and
// the whole took.
//
// # What each client shows (TestRealClients)
//
//   - What it sent comes back byte for byte, to itself and to another client (the Go SDK).
//   - The size in the listing, the size of HEAD and the size of the local file are the same.
//   - A second sync transfers nothing.
//   - The backend has sealed objects under the client's keys and the proxy's own state, and nothing else; no byte of any
//     file, name or extended attribute in its directory has the marker that is in all contents and metadata.
//   - When the client has deleted its objects, nothing is left: no object, no part, nothing staged.
//
// The clients that could notice a setting of the proxy live again where it is on (TestRealClientsUnderSettings): with sealed
// names no part of a name is at the backend, and with etag: md5 every ETag is the MD5 that the client expects, of uploads in
// parts too.
//
// Archive classes are a fake in front of the backend, since nothing that runs here has them (TestArchivedObjects, rig.Archive).
//
// The keys have what bites in names: NFC, NFD, emoji, blanks, + % # ? & ; quotes, 200 characters, 40 levels. The sizes are
// the edges of what seals and splits.
//
// The table of the clients is in clients_test.go and, copied from there, in docs/s3-compatibility.md (TestDocumentation).
// CLIENTS_LARGE_MIB sets the size of the upload of TestLargeUpload, 200 if it is not set. CLIENTS_PYTHON names an
// interpreter with another boto3.
package clients
