#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# Restarts the program that answer-NAME.sh started, as a service manager does: the signal of its service, a wait for its end, and a start.
set -e
read -r signal <stop
read -r process <pid
ended() { # a zombie has ended: not every first process reaps others' children
	! read -r _ _ state _ 2>/dev/null <"/proc/$process/stat" || [ "$state" = Z ]
}
kill -s "$signal" "$process"
until ended; do
	sleep 0.002
done
up=$(echo "$KXLAB_FILES"/answer-*.sh)
KXLAB_ACTION=up "$up" >start.log 2>&1 && exit # the daemon does not keep this script's output
while read -r line; do
	echo "$line"
done <start.log
exit 1
