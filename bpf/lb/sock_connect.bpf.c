// SPDX-License-Identifier: GPL-2.0
/*
 * sock-connect: a balancer that replaces a service's address in the socket calls of the clients' cgroup.
 *
 * Policy: connect() to a service connects to a real, drawn at random from the service's ring. Packets carry the real's address
 * from the first on, and no packet is rewritten. Datagrams sent to a service without connect() are readdressed one by one; a
 * socket that keeps sending to one service keeps its real while that is up and a backend of the service. Calls that return the
 * peer return the service: getpeername(), and the source of received datagrams. For them a table maps each pair of socket and
 * real to the service, until the socket addresses that real itself.
 *
 * Good for: clients on this host; long connections; any number of packets, at the cost of one lookup a connection.
 *
 * Known weakness: works only for sockets in the cgroup. A connection keeps its real: if that fails, the application must connect
 * again. If one unconnected socket uses two services on the same real, the answers of both seem to come from the service that it
 * addressed last; the same holds for a service and the real itself. Raw sockets, and packets without a socket, are not balanced.
 *
 * Deviations from kube-proxy:
 * 1. The socket is translated, not packets: captures and the real's error messages show the real.
 * 2. A service without backends refuses with EPERM; kube-proxy rejects, which the client sees as ECONNREFUSED.
 * 3. The real is drawn for every connect(), as kube-proxy does for every connection, but from the weighted ring.
 * Deviations from Cilium:
 * 4. Unconnected UDP keeps its real (Cilium chooses for each datagram, unless the service has affinity).
 * 5. Network namespaces, node ports, local addresses and session affinity are ignored. There is no program at bind() or at a
 *    socket's release: LRU evicts the entries of closed sockets.
 * 6. A TCP connection is entered, too, so that getpeername() shows the service; Cilium enters TCP only for that hook.
 */
#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>
#include "sock.bpf.h"

char _license[] SEC("license") = "GPL";

SEC("cgroup/connect4")
int connect4(struct bpf_sock_addr *ctx)
{
	return sock_connect4(ctx, false);
}

SEC("cgroup/connect6")
int connect6(struct bpf_sock_addr *ctx)
{
	return sock_connect6(ctx, false);
}

SEC("cgroup/sendmsg4")
int sendmsg4(struct bpf_sock_addr *ctx)
{
	return sock_connect4(ctx, true);
}

SEC("cgroup/sendmsg6")
int sendmsg6(struct bpf_sock_addr *ctx)
{
	return sock_connect6(ctx, true);
}

SEC("cgroup/recvmsg4")
int recvmsg4(struct bpf_sock_addr *ctx)
{
	return sock_peer4(ctx);
}

SEC("cgroup/recvmsg6")
int recvmsg6(struct bpf_sock_addr *ctx)
{
	return sock_peer6(ctx);
}

SEC("cgroup/getpeername4")
int getpeername4(struct bpf_sock_addr *ctx)
{
	return sock_peer4(ctx);
}

SEC("cgroup/getpeername6")
int getpeername6(struct bpf_sock_addr *ctx)
{
	return sock_peer6(ctx);
}
