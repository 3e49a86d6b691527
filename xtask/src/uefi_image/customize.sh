# Makes the guest in $1 one that starts from its own disk: its root is the second partition, and its kernel is in it.
# KERNEL and INITRD are set before.
set -e
root=$1
echo '/dev/vda2 / ext4 defaults 0 0' >"$root/etc/fstab"
mkdir -p "$root/boot"
cp "$KERNEL" "$root/boot/vmlinuz"
cp "$INITRD" "$root/boot/initrd"
