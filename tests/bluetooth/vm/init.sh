# The first process of the guest, after the initramfs: runs the command of /results/command, then powers off.
export PATH=/opt/venv/bin:/usr/sbin:/usr/bin:/sbin:/bin HOME=/run LANG=C.UTF-8
export PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1 PYTHONPATH=/checkout/tests
mkdir -p /dev/pts /dev/shm
for folder in /run /tmp /dev/shm /var/lib/bluetooth; do mount -t tmpfs tmpfs $folder; done
mount -t devpts devpts /dev/pts
ln -sf /proc/self/fd /dev/fd
ip link set lo up
mkdir /run/dbus
[ -s /etc/machine-id ] || dbus-uuidgen >/etc/machine-id
dbus-daemon --system --fork --nopidfile

cd /checkout
# The command was quoted by bash.
bash /results/command
echo $? >/results/exit-status
dmesg >/results/kernel.log
sync
echo o >/proc/sysrq-trigger
sleep 60
