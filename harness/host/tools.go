// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"
)

// toolLimit is how long a tool may take to say its version or to do a trifle.
const toolLimit = 5 * time.Second

// sbin is where Debian keeps the tools of administrators, which is not in everybody's PATH.
var sbin = []string{"/usr/sbin", "/sbin", "/usr/local/sbin"}

// A tool is a program from the distribution that variants need.
type tool struct {
	command string
	pkg     string   // Debian and Ubuntu
	ask     []string // arguments that make it say its version
	// trifle are arguments that make it do what it is needed for, in a namespace of its own.
	trifle  []string
	method  string // of attach that needs it
	because string // of the kernel, if the trifle fails
}

var tools = []tool{
	{
		command: "iptables-legacy", pkg: "iptables", ask: []string{"--version"}, trifle: []string{"-t", "nat", "-S"},
		method: "iptables", because: "a kernel with CONFIG_IP_NF_NAT and legacy tables",
	},
	{
		command: "iptables-nft", pkg: "iptables", ask: []string{"--version"}, trifle: []string{"-t", "nat", "-S"},
		method: "iptables-nft", because: "a kernel with CONFIG_NFT_COMPAT",
	},
	{
		command: "nft", pkg: "nftables", ask: []string{"--version"}, trifle: []string{"add", "table", "ip", "kxlab"},
		method: "nftables", because: "a kernel with CONFIG_NF_TABLES",
	},
}

// path finds the command, also where administrators' tools are.
func (t tool) path() (string, error) {
	if p, err := exec.LookPath(t.command); err == nil {
		return p, nil
	}
	for _, dir := range sbin {
		p := filepath.Join(dir, t.command)
		if info, err := os.Stat(p); err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0 {
			return p, nil
		}
	}
	return "", fmt.Errorf("%s is not installed", t.command)
}

// version is the first line of what the tool says of itself.
func (t tool) version(ctx context.Context) (string, error) {
	out, err := t.run(ctx, t.ask)
	first, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(first), err
}

// run runs the tool in the calling thread's network namespace. Errors carry what it said.
func (t tool) run(ctx context.Context, args []string) (string, error) {
	path, err := t.path()
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	// Without this, iptables leaves its lock file behind in /run; our namespaces need no lock against others.
	cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE=/dev/null", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		said, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("run %s %s: %w: %s", t.command, strings.Join(args, " "), err, said)
	}
	return string(out), nil
}
