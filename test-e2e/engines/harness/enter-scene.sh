# First process of a scene, in namespaces of its own: sh enter-scene.sh DIRECTORY SHARED... -- EMPTY...
#
# The root becomes the machine's own below a layer in memory, so that a file written to /etc or /usr/local is seen in the scene
# only. SHARED directories stay the machine's, EMPTY ones are fresh file systems in memory. Says "ready", and ends, with all
# that runs in the scene, when its standard input does.
set -e
directory=$1
shift

mount -t tmpfs -o mode=755 scene "$directory"
mkdir "$directory/layer" "$directory/work" "$directory/root"
root=$directory/root
mount -t overlay -o "lowerdir=/,upperdir=$directory/layer,workdir=$directory/work" scene "$root"
mount --rbind /dev "$root/dev"
mount --rbind /sys "$root/sys"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=755 run "$root/run"
mount -t tmpfs -o mode=1777 tmp "$root/tmp"
# Engines keep locks there, by names that are always the same.
mount -t tmpfs -o mode=1777 shm "$root/dev/shm"
mkdir -p "$root/run/lock"

# systemd as first process is asked through its sockets, and those of users too.
for socket in /run/systemd /run/dbus /run/user; do
  [ -d /run/systemd/system ] || break
  mkdir -p "$root$socket"
  mount --rbind "$socket" "$root$socket"
done
while [ "$1" != -- ]; do
  mkdir -p "$root$1"
  mount --bind "$1" "$root$1"
  shift
done
shift
for empty in "$@"; do
  mkdir -p "$root$empty"
  mount -t tmpfs -o mode=755 empty "$root$empty"
done

cd "$root"
mkdir machine
pivot_root . machine
umount --lazy /machine
rmdir /machine
ip link set lo up
echo ready
cat > /dev/null
