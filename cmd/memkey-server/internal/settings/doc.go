// Package settings reads memkey.yaml, strictly.
//
// A file is a mapping of sections, each a mapping of keys to single values or lists; the table in table.go is all there
// is. An unknown key, a key twice, a value out of its range, an anchor, a tag or a second document is an error that names
// the line; every fault is reported, not only the first. Nothing in a value is expanded. The value of identity.private_key
// is in no error.
//
// Promises: TestEveryKey, TestEarlierFileIsAccepted, TestRefusals, TestSeedIsShownNowhere, FuzzParse.
package settings
