#!/bin/busybox sh
# First program of the Debian guest: loads the drivers of its devices, mounts the file system named on the
# kernel's command line and hands over to it.
busybox=/bin/busybox
$busybox mount -t devtmpfs dev /dev
$busybox mount -t proc proc /proc
while read -r module; do
    $busybox insmod "/modules/$module"
done </modules/order

device=
mode=ro
for word in $($busybox cat /proc/cmdline); do
    case $word in
    root=*) device=${word#root=} ;;
    rw) mode=rw ;;
    esac
done
# The disk appears a moment after its driver.
tries=0
until [ -b "$device" ] || [ $tries -eq 100 ]; do
    tries=$((tries + 1))
    $busybox sleep 0.05
done
$busybox mount -t ext4 -o "$mode" "$device" /new || exec $busybox sh

$busybox umount /proc
$busybox mount --move /dev /new/dev
exec $busybox switch_root /new /sbin/init
