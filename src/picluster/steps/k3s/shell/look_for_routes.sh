# Prints `address=` the machine's own, `route=` all it has, and `flannel=` what flannel last said
# its pods' networks are (flannel-io/flannel: /run/flannel/subnet.env).
ip -o addr show | awk '{sub("/.*", "", $4); print "address=" $4}'
{ ip -4 -o route show; ip -6 -o route show; } 2>/dev/null | sed 's/^/route=/'
sed -n 's/^FLANNEL_\(IPV6_\)\{0,1\}NETWORK=//p' /run/flannel/subnet.env 2>/dev/null |
  tr ',' '\n' | sed 's/^/flannel=/'
