// SPDX-License-Identifier: Apache-2.0

// Package experiments holds the definitions: NAME.yaml, one file an experiment, beside its page NAME.md with the question and
// the findings (notes/NAME.md has the method and all figures); and claims.yaml, published statements that runs can test.
//
// It reads these files strictly: an unknown or duplicate key, name, unit or reference is an error that names the file and the
// item. The result does not depend on the running kernel. Families and attach methods come from the caller, as a Vocabulary.
//
// Viper folds the case of keys and cannot hold a key with a dot. So whatever has a name is an item of a list, {name: …}, never a
// key.
//
// Neighbours: harness has the types; runner turns an experiment and a profile into cells; plot draws its plots.
package experiments
