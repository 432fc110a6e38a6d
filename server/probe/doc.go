// Package probe asks a store whether it can carry the proxy: is it there, does its
// clock agree, do the credentials suffice, does it honour conditions. It is what
// `s3-crypt-proxy check` says of a backend.
//
// # What it touches
//
// Nothing of yours. It writes one object of a few bytes under a name that begins with
// format.ReservedPrefix, which no client can name or list, with a random end, and one
// upload in parts of it that is never completed; both are removed before Bucket
// returns, also if ctx ends, and if the removal fails a Finding names what is left. A
// bucket whose default retention would lock the object is not written to, nor one whose
// store does not say whether there is any.
//
// # Findings
//
// A question that the store answers as the proxy needs it is OK. One that costs a
// feature is a Warning and says which; one without which the proxy cannot serve is
// Failed. Questions that need a failed one are not asked. They come in the order of
// asking, which is fixed.
//
// # Promises, each with the test that proves it
//
//   - Of a good store every Finding is OK, and nothing is left: TestAGoodStore, and on a
//     real one TestBackendIsProbed in bench/integration.
//   - A store that ignores conditions, lacks an operation, denies one or whose clock is
//     off is told apart from a good one, and a bucket that a proxy refuses, because it
//     holds objects and no state, from an empty one: TestFaultsAreFound.
//   - What is written goes also when the caller gives up: TestProbeObjectGoes.
package probe
