#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nginx with the module stream and one worker: TCP, round robin by weight. A change reloads the configuration: old workers end with their last
# connection. nginx knows no weight of 0: a drained backend is "down".
set -e
# shellcheck disable=SC3045 # dash and bash have it
ulimit -n "$(ulimit -Hn)"
{
	echo "load_module /usr/lib/nginx/modules/ngx_stream_module.so;
user root root;
worker_processes 1;
pid $PWD/pid;
error_log stderr crit;
events { worker_connections 8000; }
stream {"
	n=0 last=
	while read -r _ vip backend weight; do
		if [ "$vip" != "$last" ]; then
			[ $n = 0 ] || echo "}"
			n=$((n + 1)) last=$vip
			echo "server { listen $vip; tcp_nodelay on; proxy_pass s$n; }
upstream s$n {"
		fi
		[ "$weight" != 0 ] || weight="1 down"
		echo "server $backend weight=$weight;"
	done <"$KXLAB_BACKENDS"
	echo "} }"
} >nginx.conf
[ "$KXLAB_ACTION" = sync ] && reload="-s reload"
# shellcheck disable=SC2086 # two words
exec nginx -p "$PWD" -c "$PWD/nginx.conf" -e stderr $reload
