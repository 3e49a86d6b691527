# Makes the guest in $1 a lab host: the agent as a service, a journal that stays, guests for vmd in /srv/vm, and the
# file system of the machine it runs on, with the modules of the kernel there. $KERNEL is that kernel's release,
# $MODULES the directory of its modules, $GUEST that of the guest's files.
set -e
root=$1
files=$(dirname "$0")
echo host >"$root/etc/hostname"
echo '127.0.0.1 localhost host' >"$root/etc/hosts"
mkdir -p "$root/host" "$root/lib/modules" "$root/srv/vm" "$root/var/log/journal"
echo 'host /host 9p ro,trans=virtio,version=9p2000.L,cache=loose,msize=512000 0 0' >>"$root/etc/fstab"
ln -sfn "/host$MODULES" "$root/lib/modules/$KERNEL"

install -m 755 "$files/agent" "$root/usr/local/sbin/agent"
install -m 644 "$files/agent.service" "$root/etc/systemd/system/agent.service"
mkdir -p "$root/etc/systemd/system/sysinit.target.wants"
ln -sf ../agent.service "$root/etc/systemd/system/sysinit.target.wants/agent.service"

cp "$GUEST/vmlinuz" "$GUEST/initrd" "$root/srv/vm/"
for name in web db; do
    cp --sparse=always --reflink=auto "$GUEST/debian.img" "$root/srv/vm/$name.img"
done
