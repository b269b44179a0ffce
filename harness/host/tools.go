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

// toolLimit is how long a tool may take to print its version or to do what it is needed for.
const toolLimit = 5 * time.Second

// A tool is a program from the distribution that variants need.
type tool struct {
	command     string
	pkg         string   // of Debian and Ubuntu
	versionArgs []string // make it print its version
	useArgs     []string // make it do what it is needed for, in a namespace of its own
	method      string   // of attach that needs it
	kernel      string   // what the kernel lacks if the tool is there and useArgs fail
}

var tools = []tool{
	{
		command: "iptables-legacy", pkg: "iptables", versionArgs: []string{"--version"}, useArgs: []string{"-t", "nat", "-S"},
		method: "iptables", kernel: "a kernel with CONFIG_IP_NF_NAT and legacy tables",
	},
	{
		command: "iptables-nft", pkg: "iptables", versionArgs: []string{"--version"}, useArgs: []string{"-t", "nat", "-S"},
		method: "iptables-nft", kernel: "a kernel with CONFIG_NFT_COMPAT",
	},
	{
		command: "nft", pkg: "nftables", versionArgs: []string{"--version"}, useArgs: []string{"add", "table", "ip", "kxlab"},
		method: "nftables", kernel: "a kernel with CONFIG_NF_TABLES",
	},
}

// version is the first line that the tool prints of itself.
func (t tool) version(ctx context.Context) (string, error) {
	out, err := t.run(ctx, t.versionArgs)
	first, _, _ := strings.Cut(out, "\n")
	return strings.TrimSpace(first), err
}

// run runs the tool in the calling thread's network namespace. Errors hold the first line that it printed.
func (t tool) run(ctx context.Context, args []string) (string, error) {
	path, err := sys.LookTool(t.command)
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
