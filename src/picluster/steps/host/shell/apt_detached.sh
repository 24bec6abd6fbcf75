# A lost connection must not tear apt. Ours ends the process group of this script, so apt gets a
# session of its own, which also ignores the signals; and it writes to a file, because dpkg gives
# up when nobody reads what it prints. `tail` passes that on meanwhile, and may die of it. Only
# KILL and a power cut stop apt; what they leave behind, the probe finds as `interrupted`.
log=/run/picluster-apt.log
rm -f $log
: >$log
setsid sh -c "$WORK" >>$log 2>&1 </dev/null &
job=$!
tail -n +1 -f --pid=$job -s 0.2 $log 2>/dev/null &
shown=$!
status=0
wait $job || status=$?
wait $shown || true
[ $status -eq 0 ] || {
  grep -E '^(E:|dpkg:|debconf:)|rror' $log | tail -n 20 >&2
  exit $status
}
