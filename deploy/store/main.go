// SPDX-License-Identifier: Apache-2.0

// Command kxlab-store copies folders, such as shards of a plan, to object storage and back:
//
//	kxlab-store put [--replace] DIR URL
//	kxlab-store get URL DIR
//	kxlab-store list URL
//
// kxlab itself, which every guest carries, has none of the libraries that this needs; it calls the command for words with a scheme. A folder is
// there as a whole or not at all: a list with the sum of each file goes last, and get writes nothing unless every file came. A command that failed
// or was killed is run again, and removes what the other left. Files that others put are left alone.
package main

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const help = `usage: kxlab-store put [--replace] DIR URL    copy a folder to a place, which is new, has the same folder, or has half of one
       kxlab-store get URL DIR                copy a place's folder, or all folders below it, to DIR, which is new or empty
       kxlab-store list URL                   name the folders of a place, whole or not, a line each; "." is the place itself

  --replace   put the folder in the place of another that kxlab-store put there

URL:
  file:///FOLDER                         a folder, such as one of a network file system
  s3://BUCKET/PREFIX?region=REGION       also endpoint=URL and use_path_style=true, for others than Amazon's; keys as in AWS_ACCESS_KEY_ID
  oci://REGISTRY/REPOSITORY:TAG          one folder a tag; get without a tag: a folder for each; plain_http=true for one without TLS;
                                         credentials as docker login and podman login --compat-auth-file write them

Exit codes: 0 done; 1 failed; 2 wrong usage.
`

// A place holds folders, each of which is whole or does not count.
type place interface {
	// put makes the folder the place's. A place that has another folder is an error, but for replace, and so is one that has anything else.
	put(ctx context.Context, from folder, replace bool) error
	// get copies the folders to new folders in a directory: one to its top, others below it by name.
	get(ctx context.Context, into string) error
	// folders names the folders of the place, whole or not: "." is its own, others are below it. One in another is part of that.
	folders(ctx context.Context) ([]string, error)
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	o, words, err := parse(args)
	if errors.Is(err, flag.ErrHelp) {
		fmt.Fprint(os.Stderr, help)
		return 0
	}
	if err == nil {
		err = do(ctx, o, words)
	}
	if err == nil {
		return 0
	}
	fmt.Fprintln(os.Stderr, "kxlab-store:", err)
	if wrong := (*usageError)(nil); errors.As(err, &wrong) {
		return 2
	}
	return 1
}

func do(ctx context.Context, o options, words []string) error {
	switch words[0] {
	case "put":
		return put(ctx, o, words[1], words[2])
	case "get":
		return get(ctx, o, words[1], words[2])
	}
	names, err := folders(ctx, o, words[1])
	for _, name := range names {
		fmt.Println(name)
	}
	return err
}

// arguments is how many words each command has, itself with it.
var arguments = map[string]int{"put": 3, "get": 3, "list": 2}

// parse returns the options and the words of a command line. Options stand before or behind the first word.
func parse(args []string) (o options, words []string, err error) {
	fl := flag.NewFlagSet(tool, flag.ContinueOnError)
	fl.SetOutput(io.Discard)
	fl.BoolVar(&o.replace, "replace", false, "")
	err = fl.Parse(args)
	if err == nil && fl.NArg() > 0 {
		words = append(words, fl.Arg(0))
		err = fl.Parse(fl.Args()[1:])
	}
	words = append(words, fl.Args()...)
	switch {
	case errors.Is(err, flag.ErrHelp):
		return o, nil, err
	case err != nil:
		return o, nil, &usageError{fmt.Errorf("%w: see %s --help", err, tool)}
	case len(words) == 0 || len(words) != arguments[words[0]] || words[0] != "put" && o.replace:
		return o, nil, &usageError{fmt.Errorf("want put [--replace] DIR URL, get URL DIR, or list URL: see %s --help", tool)}
	}
	return o, words, nil
}

// A usageError is about the words of the command line.
type usageError struct{ error }

type options struct {
	replace bool
	silence time.Duration // how long a server may neither take nor send a byte; 0: 45 s
}

func put(ctx context.Context, o options, dir, to string) error {
	ctx, n, stop := newNetwork(ctx, cmp.Or(o.silence, silence))
	defer stop()
	p, err := open(to, n)
	if err != nil {
		return err
	}
	f, err := readFolder(dir)
	if err == nil {
		err = p.put(ctx, f, o.replace)
	}
	if err != nil {
		return fmt.Errorf("put %s to %s: %w", dir, plain(to), cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

func get(ctx context.Context, o options, from, dir string) error {
	ctx, n, stop := newNetwork(ctx, cmp.Or(o.silence, silence))
	defer stop()
	p, err := open(from, n)
	if err != nil {
		return err
	}
	if err := intoNew(dir, func(tmp string) error { return p.get(ctx, tmp) }); err != nil {
		return fmt.Errorf("get %s: %w", plain(from), cmp.Or(context.Cause(ctx), err))
	}
	return nil
}

func folders(ctx context.Context, o options, at string) ([]string, error) {
	ctx, n, stop := newNetwork(ctx, cmp.Or(o.silence, silence))
	defer stop()
	p, err := open(at, n)
	if err != nil {
		return nil, err
	}
	names, err := p.folders(ctx)
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", plain(at), cmp.Or(context.Cause(ctx), err))
	}
	return names, nil
}

// open returns the place of a URL, reached over a network. No request is made.
func open(text string, n *network) (place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", text, err)}
	}
	switch u.Scheme {
	case "file", "s3":
		return newBucket(u, n)
	case "oci":
		return newRegistry(u, n)
	}
	return nil, &usageError{fmt.Errorf("%s: want file:///…, s3://… or oci://…", plain(text))}
}

// plain is a URL without its parameters and a password.
func plain(text string) string {
	text, _, _ = strings.Cut(text, "?")
	if u, err := url.Parse(text); err == nil {
		return u.Redacted()
	}
	return text
}
