// SPDX-License-Identifier: Apache-2.0

// Package kernel puts the kernel's own balancers in force in a namespace: iptables (legacy and nft), nftables, IPVS, and plain
// forwarding as their ceiling. Rules follow the layout of kube-proxy's modes of the same name.
//
// From Put to Close it owns the rules, IPVS services, sysctls and conntrack entries of the namespace. Package netlab makes
// namespaces, links and addresses.
package kernel
