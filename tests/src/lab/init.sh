#!/bin/busybox sh
# First program of a lab host: shows it the file system of the machine it runs on, read-only at the bottom
# and writable in memory on top, and hands over to the agent there.
set -e
busybox=/bin/busybox
$busybox --install -s /bin

mount -t devtmpfs dev /dev
mount -t proc proc /proc
mount -t sysfs sys /sys
while read -r module; do
    insmod "/modules/$module"
done </modules/order

mkdir -p /host /top
mount -t 9p -o ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 host /host
mount -t tmpfs -o mode=755 top /top
mkdir /top/upper /top/work
mount -t overlay -o lowerdir=/host,upperdir=/top/upper,workdir=/top/work lab /new

mount --move /dev /new/dev
mount --move /proc /new/proc
mount --move /sys /new/sys
mkdir -p /new/dev/pts /new/dev/shm
mount -t devpts -o ptmxmode=666 devpts /new/dev/pts
mount -t tmpfs -o mode=1777 shm /new/dev/shm
mount -t tmpfs -o mode=755 run /new/run
mount -t cgroup2 cgroup /new/sys/fs/cgroup

# Disks go by the name that their serial number gives them.
for disk in /new/sys/block/vd*; do
    [ -e "$disk" ] || continue
    target=/new/lab/$(cat "$disk/serial")
    mkdir -p "$target"
    mount -t ext4 "/new/dev/${disk##*/}" "$target"
done

# modprobe finds the modules of the running kernel where it looks for them.
mkdir -p /new/lib/modules
ln -sfn "$(cat /modules/source)" "/new/lib/modules/$(uname -r)"

hostname lab
ip link set lo up
mkdir /new/run/lab
cp /agent /new/run/lab/agent
exec switch_root /new /run/lab/agent
