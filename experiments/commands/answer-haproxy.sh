#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# HAProxy as master and worker, with one thread, which answers each request with the generation of its configuration and the number of the request.
# A change reloads the configuration (SIGUSR2): a new worker takes the sockets over, and the old one ends with its last connection. A master that
# starts anew ignores the signal, so the script waits until it is caught.
set -e
read -r generation <"$KXLAB_GENERATION"
echo "global
	nbthread 1
	stats socket $PWD/sock level admin expose-fd listeners
defaults
	mode http
	timeout connect 2s
	timeout client 1m
	timeout server 1m
frontend answer
	bind $KXLAB_LISTEN
	http-request return status 200 content-type text/plain lf-string \"$generation %[url_param(n)]\"" >haproxy.cfg
echo TERM >stop
if [ "$KXLAB_ACTION" = sync ]; then
	read -r master <pid
	catches() {
		while read -r key mask; do
			[ "$key" != SigCgt: ] || return $((0x$mask >> 11 & 1 ^ 1))
		done <"/proc/$master/status"
	}
	until catches; do
		sleep 0.002
	done
	kill -USR2 "$master"
	exit
fi
exec haproxy -W -D -f "$PWD/haproxy.cfg" -p pid
