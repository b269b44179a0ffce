// SPDX-License-Identifier: Apache-2.0

package host

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	"github.com/kxlab/kxlab/harness/sys"
)

// toolLimit is how long one command of a tool may take.
const toolLimit = 5 * time.Second

// A tool is a program from the distribution that variants need.
type tool struct {
	command string
	pkg     string   // of Debian and Ubuntu
	method  string   // of attach that needs it
	useArgs []string // make it do what it is needed for, in a namespace of its own
	kernel  string   // what the kernel lacks if the tool is installed and useArgs fail
}

var tools = []tool{
	{"iptables-legacy", "iptables", "iptables", []string{"-t", "nat", "-S"}, "a kernel with CONFIG_IP_NF_NAT and legacy tables"},
	{"iptables-nft", "iptables", "iptables-nft", []string{"-t", "nat", "-S"}, "a kernel with CONFIG_NFT_COMPAT"},
	{"nft", "nftables", "nftables", []string{"add", "table", "ip", "kxlab"}, "a kernel with CONFIG_NF_TABLES"},
}

// version returns the first line that the tool prints when asked for its version.
func (t tool) version(ctx context.Context) (string, error) {
	out, err := t.run(ctx, "--version")
	first, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(first), err
}

// run runs the tool in the calling thread's network namespace. Errors hold the first line that the tool printed.
func (t tool) run(ctx context.Context, args ...string) (string, error) {
	path, err := sys.LookTool(t.command)
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(ctx, toolLimit)
	defer cancel()
	cmd := exec.CommandContext(ctx, path, args...)
	// Otherwise iptables would leave its lock file in /run; a namespace of its own needs no lock against other processes.
	cmd.Env = append(os.Environ(), "XTABLES_LOCKFILE=/dev/null", "LC_ALL=C")
	out, err := cmd.CombinedOutput()
	if err != nil {
		first, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
		return "", fmt.Errorf("run %s %s: %w: %s", t.command, strings.Join(args, " "), err, first)
	}
	return string(out), nil
}
