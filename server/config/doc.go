// Package config reads the configuration of s3-crypt-proxy: a strict YAML file,
// S3CP_* variables on top of it, and secrets from files or systemd credentials.
//
// # One table
//
// Keys (table.go) lists every setting once, as data: name, variable, default,
// what it takes, what it is for, and the field it fills. Load, the dump, the
// manual of `check --keys` and the tests walk that table; a key that is not in
// it does not exist.
//
//	file:  backend:                 variable:  S3CP_BACKEND_REGION=eu-1
//	         region: us-east-1
//	table: backend.region, S3CP_BACKEND_REGION  ->  Config.Backend.Region
//
// Lists of entries (entry.go: clients, cors) are the same once more: each entry is a
// section whose keys are called clients[0].name, clients[1].name and so on. They
// stand in the file alone.
//
// Sources, the later winning: default, systemd credential (secrets only, named
// like the key), file, variable. A variable that is set but empty is an empty
// value. A secret and its *_file key are two forms of one setting: the form from
// the higher source wins, both from the same source are an error.
//
// # Strictness
//
// Load refuses unknown keys and variables, keys given twice, missing values,
// wrong types, anchors, tags and second documents, and reports everything that
// is wrong in one go, each with its line or variable, the value, and what is
// allowed. Nothing is expanded.
//
// # Secrets
//
// A Secret prints as "redacted" everywhere. Values of secrets, and of keys that
// may hold one by mistake (Key.Private), are in no error. No key takes a master
// key, in any form.
//
// # Promises, each with the test that proves it
//
//   - The earlier system's keys, variables and defaults: TestEarlierNames.
//   - No key and no variable reads a master key: TestNoKeyReadsAMasterKey.
//   - Every fault names key, place, value and what is allowed: TestProblems.
//   - No error, dump or printer shows a secret: TestNoErrorShowsASecret,
//     TestSecretIsRedactedEverywhere, FuzzLoad.
//   - What the dump shows loads to the same configuration, once the secrets are put
//     in: TestDumpLoadsAgain. It has no key without effect, and says where derived
//     values come from: TestDumpLeavesOutWhatHasNoEffect, TestDerivedValuesTellTheirOrigin.
//   - Sources win in the order above: TestSources, TestSecretSources.
//   - A size prints as it parses: FuzzParseSize.
//
// A Config is not changed after Load and may be shared.
package config
