# Prints the size in KiB of etcd's database in DB, if there is one, and of those that were put aside.
[ ! -d "$DB/etcd" ] || echo "size=$(du -sk "$DB/etcd" | cut -f1)"
for old in "$DB"/etcd-old-* "$DB"/etcd-before-restore-*; do
  [ ! -d "$old" ] || echo "old=$(du -sk "$old" | cut -f1) $old"
done
