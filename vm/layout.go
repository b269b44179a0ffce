// SPDX-License-Identifier: Apache-2.0

package vm

import "strings"

// layout lists the entries that every guest has: folders, links to merged folders, and the databases in /etc.
func layout() []entry {
	var out []entry
	for _, dir := range []string{"/dev", "/proc", "/sys", "/run", "/root", "/var/tmp", "/usr/bin", "/usr/sbin", "/usr/lib", "/usr/lib64", "/etc", guestDir} {
		out = append(out, entry{name: dir, mode: modeDir | 0o755})
	}
	out = append(out, entry{name: "/tmp", mode: modeDir | 0o1777})
	for _, dir := range mergedDirs {
		out = append(out, entry{name: dir, mode: modeLink | 0o777, content: []byte("usr" + dir)})
	}
	for name, text := range map[string]string{
		"/etc/passwd":        "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n",
		"/etc/group":         "root:x:0:\nnogroup:x:65534:\n",
		"/etc/hosts":         "127.0.0.1 localhost guest\n::1 localhost\n",
		"/etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files\nprotocols: files\nservices: files\n",
		"/etc/protocols":     "ip 0 IP\nicmp 1 ICMP\nipencap 4 IP-ENCAP\ntcp 6 TCP\nudp 17 UDP\nipv6 41 IPv6\nipv6-icmp 58 IPv6-ICMP\n",
		"/etc/services":      "http 80/tcp\nhttps 443/tcp\n",
	} {
		out = append(out, entry{name: name, mode: modeFile | 0o644, content: []byte(text)})
	}
	return append(out,
		entry{name: "/dev/console", mode: modeChar | 0o600, major: 5, minor: 1},
		entry{name: "/dev/null", mode: modeChar | 0o666, major: 1, minor: 3},
		entry{name: "/init", mode: modeLink | 0o777, content: []byte(selfPath)})
}

// mergedDirs are the folders that are links into /usr in the guest, whether or not they are on this machine.
var mergedDirs = []string{"/bin", "/sbin", "/lib", "/lib64"}

const (
	guestDir  = "/kxlab" // files of the guest's first process
	moduleDir = guestDir + "/modules"
	selfPath  = "/usr/bin/kxlab" // the lab's own binary
	taskPath  = guestDir + "/task.json"
	stdinPath = guestDir + "/" + stdinName // only if the program has standard input
	stdinName = "stdin"
)

// guestPath returns the path in the guest of a path on this machine.
func guestPath(path string) string {
	for _, dir := range mergedDirs {
		if strings.HasPrefix(path, dir+"/") {
			return "/usr" + path
		}
	}
	return path
}
