# Big-endian words of the device tree, which the firmware fills in on a Pi 5.
files=''
for file in max_current usb_max_current_enable usb_over_current_detected; do
  path=/proc/device-tree/chosen/power/$file
  [ -r $path ] || continue
  files="$files $path"
  echo "file=$file"
done
# shellcheck disable=SC2046,SC2086 # words are what is wanted
[ -z "$files" ] || echo words= $(od -An -v -tx4 --endian=big $files)
