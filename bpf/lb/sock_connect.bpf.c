// SPDX-License-Identifier: GPL-2.0
/*
 * sock-connect: service addresses are replaced where a socket names its peer, in the cgroup of the clients.
 *
 * Policy: connect() to a service goes to a real instead, chosen by chance along the service's ring; packets carry the
 * real's address from the first on and nothing is done to any of them. Datagrams sent to a service without connect() are
 * addressed anew one by one, and a socket that keeps sending to one service keeps its real as long as that is up and
 * the service's. What the application asks about its peer is answered with the service: getpeername(), and the source of
 * datagrams received. For that a table remembers, for each socket and real, which service it stands for, until the socket
 * talks to that real by its own address.
 *
 * Good for: clients on this host; long connections; any number of packets, at the cost of one look-up a connection.
 *
 * Known weakness: works only for sockets in the cgroup. A connection sticks to its real: if that goes, the application
 * must connect again. One unconnected socket that talks to two services on the same real sees the answers of both as
 * those of the one it wrote to last; the same holds of a service and the real itself. Raw sockets, and packets that do
 * not come from a socket, are not balanced.
 *
 * Deviations from kube-proxy:
 * 1. The translation is done to the socket, not to packets: captures show the real, and so does the real's error message.
 * 2. A service without backends refuses with EPERM; kube-proxy rejects, which the client sees as ECONNREFUSED.
 * 3. The real is chosen by chance for every connect(), as kube-proxy does for every connection, but along the weighted ring.
 * Deviations from Cilium:
 * 4. Unconnected UDP sticks to its real (Cilium chooses for each datagram, unless the service has affinity).
 * 5. No look at network namespaces, node ports, local addresses or session affinity, and no program at bind() or at the
 *    end of a socket: entries of closed sockets fall out by LRU.
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
