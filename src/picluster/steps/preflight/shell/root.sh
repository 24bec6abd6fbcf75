# What lays a layer in memory over the root, by the kernel's command line or by the mounts, and
# whether the root is read-only. The last mount of a place is the one that counts.
read -r words </proc/cmdline || true
for word in $words; do
  case $word in
    overlayroot=disabled* | overlayroot=) ;;
    boot=overlay | overlayroot=*) echo "layer=$word" ;;
  esac
done
source='' options=''
while read -r from point _ how _; do
  [ "$point" != / ] || { source=$from options=$how; }
done </proc/mounts
[ "$source" != overlayroot ] || echo "layer=overlayroot"
case $options in ro | ro,*) echo read_only=yes ;; esac
