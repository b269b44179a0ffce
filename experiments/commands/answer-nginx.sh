#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# nginx with one worker, which answers each request with the generation of its configuration and the number of the request. A change reloads the
# configuration (SIGHUP): old workers end with their last connection.
set -e
read -r generation <"$KXLAB_GENERATION"
echo "user root root;
worker_processes 1;
pid $PWD/pid;
error_log stderr crit;
events { worker_connections 1000; }
http {
	access_log off;
	default_type text/plain;
	keepalive_requests 1000000000;
	client_body_temp_path $PWD/body;
	proxy_temp_path $PWD/proxy;
	fastcgi_temp_path $PWD/fastcgi;
	uwsgi_temp_path $PWD/uwsgi;
	scgi_temp_path $PWD/scgi;
	server {
		listen $KXLAB_LISTEN;
		return 200 \"$generation \$arg_n\";
	}
}" >nginx.conf
echo QUIT >stop
[ "$KXLAB_ACTION" = sync ] && reload="-s reload"
# shellcheck disable=SC2086 # two words
exec nginx -p "$PWD" -c "$PWD/nginx.conf" -e stderr $reload
