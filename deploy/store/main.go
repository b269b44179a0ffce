// SPDX-License-Identifier: Apache-2.0

// Command kxlab-store copies folders, such as shards of a plan, to object storage and back:
//
//	kxlab-store put DIR URL
//	kxlab-store get URL DIR
//
// kxlab itself, which every guest carries, has none of the libraries that this needs; it calls the command for words with a scheme. A folder is
// there as a whole or not at all: a list with the sum of each file goes last, and get writes nothing unless every file came. A command that failed
// is run again.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/url"
	"os"
	"os/signal"
	"strings"
	"syscall"
)

const help = `usage: kxlab-store put DIR URL    copy a folder to a place
       kxlab-store get URL DIR    copy a place's folder, or all folders below it, to DIR, which is new or empty

URL:
  file:///FOLDER                         a folder, such as one of a network file system
  s3://BUCKET/PREFIX?region=REGION       also endpoint=URL and use_path_style=true, for others than Amazon's; keys as in AWS_ACCESS_KEY_ID
  oci://REGISTRY/REPOSITORY:TAG          one folder a tag; get without a tag: a folder for each; plain_http=true for one without TLS;
                                         credentials as docker login and podman login --compat-auth-file write them

Exit codes: 0 done; 1 failed; 2 wrong usage.
`

// A place holds folders, each of which is whole or does not count.
type place interface {
	// put makes the folder the place's.
	put(ctx context.Context, from folder) error
	// get copies the folders to new folders in a directory: one to its top, others below it by name.
	get(ctx context.Context, into string) error
}

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:])
	stop()
	os.Exit(code)
}

func run(ctx context.Context, args []string) int {
	fl := flag.NewFlagSet("kxlab-store", flag.ContinueOnError)
	fl.Usage = func() { fmt.Fprint(os.Stderr, help) }
	if err := fl.Parse(args); errors.Is(err, flag.ErrHelp) {
		return 0
	} else if err != nil {
		return 2
	}
	if fl.NArg() != 3 || fl.Arg(0) != "put" && fl.Arg(0) != "get" {
		fl.Usage()
		return 2
	}
	var err error
	if fl.Arg(0) == "put" {
		err = put(ctx, fl.Arg(1), fl.Arg(2))
	} else {
		err = get(ctx, fl.Arg(1), fl.Arg(2))
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

// A usageError is about the words of the command line.
type usageError struct{ error }

func put(ctx context.Context, dir, to string) error {
	p, err := open(to)
	if err != nil {
		return err
	}
	f, err := readFolder(dir)
	if err == nil {
		err = p.put(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("put %s to %s: %w", dir, plain(to), err)
	}
	return nil
}

func get(ctx context.Context, from, dir string) error {
	p, err := open(from)
	if err != nil {
		return err
	}
	if err := intoNew(dir, func(tmp string) error { return p.get(ctx, tmp) }); err != nil {
		return fmt.Errorf("get %s: %w", plain(from), err)
	}
	return nil
}

// open returns the place of a URL. No request is made.
func open(text string) (place, error) {
	u, err := url.Parse(text)
	if err != nil {
		return nil, &usageError{fmt.Errorf("%s: %w", text, err)}
	}
	switch u.Scheme {
	case "file", "s3":
		return newBucket(u)
	case "oci":
		return newRegistry(u)
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
