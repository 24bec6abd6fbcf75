id=
[ ! -r /etc/machine-id ] || read -r id </etc/machine-id
echo "machine_id=$id"
for file in /etc/ssh/ssh_host_ed25519_key.pub /etc/ssh/ssh_host_rsa_key.pub; do
  [ ! -r $file ] || { read -r _ key _ <$file; echo "host_key=$key"; break; }
done
file=/etc/iscsi/initiatorname.iscsi
[ ! -r $file ] || while read -r line || [ -n "$line" ]; do
  case $line in InitiatorName=*) echo "initiator=${line#InitiatorName=}" ;; esac
done <$file
