#!/bin/busybox sh
# The first process of the machine. /arguments has the command, a word on each line;
# on the second serial port the host is told how it ends.
export PATH=/bin HOME=/
/bin/busybox --install -s /bin
mkdir -p /proc /sys /dev /tmp /etc
echo 127.0.0.1 localhost >/etc/hosts
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs dev /dev
ip link set lo up
# A server that wants to know its own address finds it by the default route.
ip address add 192.0.2.1/32 dev lo
ip route add default dev lo
stty -onlcr </dev/ttyS0
# Open to the end: what arrives while nobody has it open is lost. What arrives in
# suspend-to-idle wakes the machine; from a deeper sleep the host does it.
exec 3<>/dev/ttyS1
stty raw -echo <&3
echo enabled >/sys/class/tty/ttyS1/power/wakeup
echo up >&3

set --
while read -r word; do set -- "$@" "$word"; done </arguments
"$@"
echo "exit $?" >&3
poweroff -f
