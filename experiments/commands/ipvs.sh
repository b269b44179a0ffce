#!/bin/sh
# SPDX-License-Identifier: Apache-2.0
# IPVS by ipvsadm: masquerading, round robin, the settings of ipvs-nat. A change adds, edits and removes what differs. IPVS ends connections
# with their backends (expire_nodest_conn), so flush takes all backends away until the list of connections is empty.
set -e
vs=/proc/sys/net/ipv4/vs

wanted() { # what ipvsadm would save if all were in force
	last=
	while read -r proto vip backend weight; do
		p=-t
		[ "$proto" = tcp ] || p=-u
		[ "$last" = "$p $vip" ] || echo "-A $p $vip -s rr"
		last="$p $vip"
		[ "$backend" = - ] || echo "-a $p $vip -r $backend -m -w $weight"
	done <"$KXLAB_BACKENDS"
}

changes() { # from what is in force to what is wanted
	now=$(ipvsadm -Sn) want=$(wanted)
	echo "$want" | while read -r line; do
		case "
$now
" in
		*"
$line
"*) ;;
		*"
${line% -w *} -w "*) echo "-e ${line#-a }" ;;
		*) echo "$line" ;;
		esac
	done
	echo "$now" | while read -r op p vip rest; do
		[ -n "$op" ] || continue
		case "
$want
" in
		*"
$op $p $vip ${rest% -w *} -w "* | *"
$op $p $vip $rest
"*) ;;
		*"
-A $p $vip "*) echo "-d $p $vip ${rest%% -m*}" ;; # its service stays
		*) [ "$op" = -a ] || echo "-D $p $vip" ;;
		esac
	done
}

case $KXLAB_ACTION in
up)
	[ -e /proc/net/ip_vs ] || { echo "this kernel has no IPVS (module ip_vs)" && exit 77; }
	for setting in conntrack=0 sloppy_tcp=1 conn_reuse_mode=1 expire_nodest_conn=1 run_estimation=0; do
		[ ! -e "$vs/${setting%=*}" ] || echo "${setting#*=}" >"$vs/${setting%=*}"
	done
	wanted | ipvsadm -R
	;;
sync) changes | ipvsadm -R ;;
flush)
	wanted | while read -r op p vip rest; do
		[ "$op" = -A ] || echo "-d $p $vip ${rest%% -m*}"
	done | ipvsadm -R
	connections() { # whether there is a line after the headings
		{ read -r _ && read -r _; } </proc/net/ip_vs_conn
	}
	while connections; do :; done
	changes | ipvsadm -R
	;;
esac
