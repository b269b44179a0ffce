// SPDX-License-Identifier: Apache-2.0

package swap

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"time"

	"github.com/kxlab/kxlab/harness"
	programs "github.com/kxlab/kxlab/harness/command"
	"github.com/kxlab/kxlab/harness/sys"
)

// answerPort is the TCP port at which a program answers requests.
const answerPort = 8080

// An answerWay replaces the configuration of a program that answers HTTP requests: with the number of its configuration, a space, and the
// request's parameter n. The variant's command starts the program, and its sync replaces the configuration in force; without a sync the
// program is ended and started anew.
type answerWay struct {
	program   *programs.Command
	listen    netip.AddrPort
	now, next uint32 // the versions in force and loaded
}

// putAnswers starts a variant's program with version 1.
func putAnswers(ctx context.Context, v harness.Variant, at harness.Site) (_ way, err error) {
	if v.Command == nil {
		return nil, errors.New("attach: command without a command")
	}
	w := &answerWay{listen: netip.AddrPortFrom(at.Addr4.Addr(), answerPort)}
	w.program, err = programs.New(*v.Command, programs.Options{
		NS: at.NS, Env: []string{"KXLAB_LISTEN=" + w.listen.String()}, Ready: func() error { return w.accepts(at) },
	})
	if err != nil {
		return nil, err
	}
	if err = w.Load(ctx, 1); err == nil {
		err = w.program.Up(ctx)
	}
	if err != nil {
		return nil, errors.Join(err, w.Close())
	}
	w.now = w.next
	return w, nil
}

// accepts returns an error unless the program accepts connections.
func (w *answerWay) accepts(at harness.Site) error {
	return sys.InNS(at.NS, func() error {
		c, err := net.DialTimeout("tcp4", w.listen.String(), time.Second)
		if err != nil {
			return err
		}
		return c.Close()
	})
}

func (w *answerWay) Load(_ context.Context, g uint32) error {
	w.next = g
	return w.program.WriteFile("KXLAB_GENERATION", "generation", fmt.Appendf(nil, "%d\n", g))
}

// Replace does nothing if the version loaded is in force: answers of an old worker of it could not be told from those of a new one.
func (w *answerWay) Replace(ctx context.Context) (err error) {
	switch {
	case w.next == w.now:
		return nil
	case w.program.Has("sync"):
		err = w.program.Run(ctx, "sync")
	default:
		err = w.program.Again(ctx)
	}
	if err == nil {
		w.now = w.next
	}
	return err
}

// InForce returns an error if the program's processes have ended.
func (w *answerWay) InForce() error { return w.program.Fault() }

// Counters returns none.
func (w *answerWay) Counters() (map[string]uint64, error) { return nil, nil }

func (w *answerWay) Close() error { return w.program.Close() }
