// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bufio"
	"encoding/json"
	"os"
	"os/exec"
	"testing"
	"time"
)

type object map[string]any

// A browser is a headless Chromium with one page, driven over pipes by the Chrome DevTools Protocol
// (https://chromedevtools.github.io/devtools-protocol).
type browser struct {
	t       *testing.T
	to      *os.File
	from    *bufio.Reader
	last    int
	session string
	events  map[string]int // how many of each came
}

// openBrowser starts a browser that ends with the test, and after two minutes at the latest. Without one on this machine the test is skipped.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium-headless-shell")
	if err != nil {
		t.Skip("no chromium-headless-shell (the package of that name), which draws charts")
	}
	in, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	from, out, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--no-sandbox", "--disable-gpu", "--remote-debugging-pipe", "--user-data-dir="+t.TempDir(), "about:blank")
	cmd.ExtraFiles = []*os.File{in, out}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	in.Close()
	out.Close()
	late := time.AfterFunc(2*time.Minute, func() { _ = cmd.Process.Kill() })
	b := &browser{t: t, to: to, from: bufio.NewReader(from), events: map[string]int{}}
	t.Cleanup(func() {
		late.Stop()
		b.session = ""
		b.call("Browser.close", nil)
		_ = cmd.Wait()
		to.Close()
		from.Close()
	})
	var targets struct {
		TargetInfos []struct{ TargetID, Type string }
	}
	b.read(b.call("Target.getTargets", nil), &targets)
	for _, target := range targets.TargetInfos {
		if target.Type == "page" {
			var attached struct{ SessionID string }
			b.read(b.call("Target.attachToTarget", object{"targetId": target.TargetID, "flatten": true}), &attached)
			b.session = attached.SessionID
		}
	}
	b.call("Page.enable", nil)
	return b
}

func (b *browser) read(text json.RawMessage, into any) {
	b.t.Helper()
	if err := json.Unmarshal(text, into); err != nil {
		b.t.Fatalf("%v: %s", err, text)
	}
}

// A message is an answer to a call, or an event.
type message struct {
	ID     int
	Method string
	Result json.RawMessage
	Error  *struct{ Message string }
}

func (b *browser) next() (m message) {
	b.t.Helper()
	text, err := b.from.ReadBytes(0)
	if err != nil {
		b.t.Fatalf("the browser ended: %v", err)
	}
	b.read(text[:len(text)-1], &m)
	b.events[m.Method]++
	return m
}

// call is the answer to a call.
func (b *browser) call(method string, params object) json.RawMessage {
	b.t.Helper()
	b.last++
	call := object{"id": b.last, "method": method}
	if params != nil {
		call["params"] = params
	}
	if b.session != "" {
		call["sessionId"] = b.session
	}
	text, err := json.Marshal(call)
	if err == nil {
		_, err = b.to.Write(append(text, 0))
	}
	if err != nil {
		b.t.Fatalf("%s: %v", method, err)
	}
	for {
		if m := b.next(); m.ID == b.last {
			if m.Error != nil {
				b.t.Fatalf("%s: %s", method, m.Error.Message)
			}
			return m.Result
		}
	}
}

// open opens an address and waits until its page is loaded.
func (b *browser) open(address string) {
	b.t.Helper()
	loaded := b.events["Page.loadEventFired"]
	b.call("Page.navigate", object{"url": address})
	for b.events["Page.loadEventFired"] == loaded {
		b.next()
	}
}

// eval is the text that an expression, or its promise, gives on the page.
func (b *browser) eval(expression string) string {
	b.t.Helper()
	var out struct {
		Result           struct{ Value string }
		ExceptionDetails *struct {
			Exception struct{ Description string }
		}
	}
	b.read(b.call("Runtime.evaluate", object{"expression": expression, "awaitPromise": true, "returnByValue": true}), &out)
	if e := out.ExceptionDetails; e != nil {
		b.t.Fatalf("the page: %s", e.Exception.Description)
	}
	return out.Result.Value
}
