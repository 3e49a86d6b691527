# Makes a fresh Debian tree in $1 a guest: a name, a root account without a password, one file system.
set -e
root=$1
echo debian >"$root/etc/hostname"
echo '127.0.0.1 localhost debian' >"$root/etc/hosts"
echo '/dev/vda / ext4 defaults 0 0' >"$root/etc/fstab"
chroot "$root" passwd --delete root
: >"$root/etc/motd"
# Consoles are read by programs: no control sequences around what is typed.
echo 'set enable-bracketed-paste off' >>"$root/etc/inputrc"
# Work that a guest of an hour's life does not need, that would run while somebody measures, or that needs
# modules it does not have.
for unit in apt-daily.timer apt-daily-upgrade.timer dpkg-db-backup.timer e2scrub_all.timer \
    e2scrub_reap.service fstrim.timer getty@tty1.service modprobe@.service systemd-modules-load.service \
    systemd-pstore.service dev-hugepages.mount proc-sys-fs-binfmt_misc.automount \
    sys-kernel-debug.mount sys-kernel-tracing.mount; do
    ln -sf /dev/null "$root/etc/systemd/system/$unit"
done
# A line in /var/log/stops for each time that it goes down in order. Who sees the login prompt knows that it will, and
# that the power button is heard.
cat >"$root/etc/systemd/system/stops.service" <<'END'
[Unit]
Description=Note of an orderly way down
After=systemd-logind.service
Before=systemd-user-sessions.service

[Service]
Type=oneshot
RemainAfterExit=yes
ExecStart=true
ExecStop=/bin/sh -c 'cat /proc/sys/kernel/random/boot_id >>/var/log/stops'
END
mkdir -p "$root/etc/systemd/system/multi-user.target.wants"
ln -sf ../stops.service "$root/etc/systemd/system/multi-user.target.wants/stops.service"
