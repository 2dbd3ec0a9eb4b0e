# Whether the pings of an output are answered: those up to the last answer once each, and n at least.
# ping without a deadline waits for the last answers no longer than two of the longest round trips
# before, too short on a busy machine; with one (-w) it may send more than it was asked for.
/ bytes from / && match($0, /icmp_seq=[0-9]+/) {
  number = substr($0, RSTART + 9, RLENGTH - 9) + 0
  if (number in seen) doubled = 1
  seen[number] = 1
  count++
  if (number > last) last = number
}
END { exit !(!doubled && count == last && last >= n) }
