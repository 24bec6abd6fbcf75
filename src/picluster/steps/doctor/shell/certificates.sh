# The first certificate of each file, in one line.
files=''
for file in "$DATA_DIR"/server/tls/*.crt "$DATA_DIR"/server/tls/etcd/*.crt "$DATA_DIR"/agent/*.crt; do
  [ ! -r "$file" ] || files="$files $file"
done
# shellcheck disable=SC2086 # no blanks are in any
[ -z "$files" ] || awk '
  FNR == 1 { printf "%scertificate=%s ", (NR > 1 ? "\n" : ""), FILENAME; within = ended = 0 }
  /^-----END/ { ended = 1 }
  within && !ended { printf "%s", $0 }
  /^-----BEGIN/ { within = 1 }
  END { print "" }' $files
