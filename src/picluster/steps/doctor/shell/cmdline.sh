# Every file that may be the firmware's command line, line by line, and what the kernel was given.
for file in /boot/firmware/current/cmdline.txt /boot/firmware/cmdline.txt /boot/cmdline.txt; do
  [ -f $file ] && [ ! -L $file ] || continue
  echo "file=$file"
  while IFS= read -r line || [ -n "$line" ]; do printf 'line=%s\n' "$line"; done <$file
done
read -r line </proc/cmdline
printf 'running=%s\n' "$line"
