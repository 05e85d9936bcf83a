#!/bin/busybox sh
# The guest's first process: mounts, loads, makes the chip of the recorded samples, runs one script with Node and tells its exit code on the console.
/bin/busybox --install -s /bin
export PATH=/bin HOME=/tmp
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t tmpfs tmpfs /tmp
ln -s /proc/self/fd /dev/fd
dmesg -n 1
for module in /modules/*.ko; do insmod "$module" || echo "cannot load $module"; done
mount -t configfs none /sys/kernel/config
share="trans=virtio,version=9p2000.L,ro,msize=262144,cache=loose"
mount -t 9p -o $share repo /repo && mount -t 9p -o $share node /node || echo "cannot mount the shares"
ip link set lo up

chip=/sys/kernel/config/gpio-sim/fake/bank0
mkdir -p $chip
echo 8 > $chip/num_lines
echo edge-sim > $chip/label
line=0
for name in relay rain button flow door float pump; do
  mkdir $chip/line$line
  echo $name > $chip/line$line/name
  line=$((line + 1))
done
echo 1 > /sys/kernel/config/gpio-sim/fake/live

. /job.sh
export PATH=/v$LIBGPIOD/bin:/node:/bin
cd /repo
node $ARGUMENTS
echo "PETREL-GUEST-END rc=$?"
reboot -f
