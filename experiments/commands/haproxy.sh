#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# HAProxy with one thread: TCP, round robin by weight. A change starts a new process, which takes the sockets over from the old one;
# the old one ends with its last connection.
set -e
{
	echo "global
	nbthread 1
	stats socket $PWD/sock level admin expose-fd listeners
defaults
	mode tcp
	timeout connect 2s
	timeout client 1m
	timeout server 1m"
	n=0 last=
	while read -r _ vip backend weight; do
		[ "$vip" = "$last" ] || echo "listen service$n
	bind $vip"
		echo "	server b$n $backend weight $weight"
		n=$((n + 1)) last=$vip
	done <"$KXLAB_BACKENDS"
} >haproxy.cfg
if [ "$KXLAB_ACTION" = sync ]; then
	read -r old <pid
	exec haproxy -D -f haproxy.cfg -p pid -x sock -sf "$old"
fi
exec haproxy -D -f haproxy.cfg -p pid
