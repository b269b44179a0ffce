// SPDX-License-Identifier: Apache-2.0

// Package experiments holds the definitions of what is compared: NAME.yaml, one file an experiment, beside NAME.md, its
// page with the question and the findings; and claims.yaml, what others have said.
//
// It owns reading those files, strictly: a key, name, unit or reference that means nothing is an error that names the
// file and the item. What it returns is a pure reading; nothing depends on the running kernel. It does not know which
// attach methods and families exist: the caller hands them over as a Vocabulary.
//
// Keys are read through viper, which folds their case and cannot hold a key with a dot. So everything that has a name of
// its own is an item of a list, {name: …}, never a key.
//
// Neighbours: harness has the types; runner turns an experiment and a profile into cells; report draws its plots.
package experiments
