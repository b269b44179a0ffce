// SPDX-License-Identifier: Apache-2.0

// Package kernel puts the kernel's own balancers in force in a namespace: iptables (legacy and nft), nftables, IPVS, and plain
// forwarding as their ceiling. Rules follow the layout of kube-proxy's modes of the same name.
//
// It owns rules, services of IPVS, sysctls of the namespace and conntrack entries between Put and Close. Namespaces, links
// and addresses are made by package netlab.
package kernel
