# Shared lines of the examples, which source this file, define build and check, and end with main.
#   examples/NAME up      builds the network, and leaves it for you to look around
#   examples/NAME check   sends traffic through it; exit 0 only if all is as it must be
#   examples/NAME down    takes it away
#   examples/NAME         all three; the last also when interrupted
# A machine of the network is a namespace: ip netns exec vs-NAME-MACHINE … Commands are printed as
# they are typed, behind the machine's name. Each switch is a vswitchd with a folder of its own.
#   BIN=FOLDER            where vswitchd and ofctl are, if not in target/release or in PATH
#   EXAMPLE_ID=ID         names the namespaces ID-MACHINE, so that two of a kind may run at once
set -Eeuo pipefail
here=$(cd "$(dirname "$0")" && pwd)
name=$(basename "$0")
id=${EXAMPLE_ID:-vs-$name}
state=/run/vswitch-examples/$id
PATH=${BIN:-${CARGO_TARGET_DIR:-$here/../target}/release}:$PATH:/usr/sbin:/sbin
n_failed=0

note() { printf '  # %s\n' "$*"; }
good() { printf '  ✓ %s\n' "$*"; }
bad() { printf '  ✗ %s\n' "$*"; n_failed=$((n_failed + 1)); }
die() { printf '%s: %s\n' "$name" "$*" >&2; exit 1; }

# quietly MACHINE COMMAND…: runs a command there; ofctl talks to that machine's switch.
quietly() { VSWITCH_RUNDIR=$state/$1 ip netns exec "$id-$1" "${@:2}"; }

# at MACHINE COMMAND…: the same, and prints it.
at() {
  printf '  %s$ %s\n' "$1" "${*:2}"
  quietly "$@"
}

# spawn MACHINE COMMAND…: the same, until the network is taken away.
spawn() {
  printf '  %s$ %s &\n' "$1" "${*:2}"
  VSWITCH_RUNDIR=$state/$1 setsid ip netns exec "$id-$1" "${@:2}" \
    </dev/null >>"$state/log" 2>&1 &
}

# machine NAME: a namespace. No IPv6: its solicitations would only clutter what you look at.
machine() {
  ip netns add "$id-$1"
  quietly "$1" sysctl -qw net.ipv6.conf.all.disable_ipv6=1 net.ipv6.conf.default.disable_ipv6=1
  ip -n "$id-$1" link set lo up
}

# switch NAME: a machine with a vswitchd, which forgets its configuration at its end.
switch() {
  machine "$1"
  printf '  %s$ vswitchd --detach\n' "$1"
  quietly "$1" vswitchd --detach --no-config --log-file "$state/$1.log" | sed "s/^/    /"
}

# wire A IF-A B IF-B: a veth pair between two machines, both ends up.
wire() {
  note "veth: $1 ($2) – $3 ($4)"
  ip link add "$2" netns "$id-$1" type veth peer name "$4" netns "$id-$3"
  ip -n "$id-$1" link set "$2" up
  ip -n "$id-$3" link set "$4" up
}

# host NAME NEIGHBOUR ADDRESS/LEN: a machine with eth0, wired to an interface NAME of the neighbour.
host() {
  machine "$1"
  wire "$1" eth0 "$2" "$1"
  at "$1" ip addr add "$3" dev eth0
}

# reaches FROM ADDRESS: waits until the way is open, then every ping must be answered.
reaches() {
  local said end=$((SECONDS + 10))
  until quietly "$1" ping -nq -c 1 -W 0.2 "$2" >/dev/null 2>&1 || ((SECONDS >= end)); do :; done
  said=$(quietly "$1" ping -n -c 20 -i 0.01 -w 20 "$2" 2>&1) || true
  if awk -v n=20 -f "$here/answered.awk" <<<"$said"; then
    good "$1 reaches $2 ($(grep -om 1 'ttl=[0-9]*' <<<"$said"))"
  else
    bad "$1 does not reach $2:"
    printf '%s\n' "$said" | sed 's/^/    /'
  fi
}

# apart FROM ADDRESS: no ping may be answered.
apart() {
  if quietly "$1" ping -nq -c 3 -i 0.1 -W 0.3 "$2" >/dev/null 2>&1; then
    bad "$1 reaches $2, and must not"
  else
    good "$1 does not reach $2, as it must be"
  fi
}

tcp_server='
import hashlib, socket
listener = socket.create_server(("", 5001))
listener.settimeout(10)
peer, address = listener.accept()
peer.settimeout(20)
digest = hashlib.sha256()
while chunk := peer.recv(65536):
    digest.update(chunk)
print(address[0], digest.hexdigest())
'
tcp_client='
import errno, hashlib, os, socket, sys, time
end = time.monotonic() + 10
while True:
    try:
        stream = socket.create_connection((sys.argv[1], 5001), 10)
        break
    except ConnectionRefusedError:
        if time.monotonic() > end:
            raise
        time.sleep(0.05)
data = os.urandom(4 << 20)
stream.sendall(data)
print(hashlib.sha256(data).hexdigest())
'
# tcp FROM TO ADDRESS [SOURCE]: 4 MiB of noise to an address of TO arrive as they were sent; TO must
# see them come from SOURCE.
tcp() {
  local received sent
  exec {pipe}< <(quietly "$2" timeout 30 python3 -c "$tcp_server" 2>&1)
  sent=$(quietly "$1" timeout 30 python3 -c "$tcp_client" "$3" 2>&1 | tail -n 1) || true
  received=$(cat <&"$pipe")
  exec {pipe}<&-
  if [[ -n $sent && ${received#* } == "$sent" && (-z ${4:-} || ${received% *} == "${4:-}") ]]; then
    good "TCP, 4 MiB from $1 to $3: arrive as sent, from ${received% *}"
  else
    bad "TCP from $1 to $3: sent ${sent:-nothing}, received ${received:-nothing}"
  fi
}

# shows TEXT MACHINE COMMAND…: what the command prints, which must contain the text.
shows() {
  local said
  said=$(at "${@:2}")
  printf '%s\n' "$said" | sed '2,$s/^/    /'
  grep -qF -- "$1" <<<"$said" || bad "no $1 in it"
}

# mac MACHINE IF: its address.
mac() { ip -n "$id-$1" -j link show "$2" | sed -n 's/.*"address":"\([^"]*\)".*/\1/p'; }

# namespaces: those of this network.
namespaces() { ip netns list | awk -v id="$id-" 'index($1, id) == 1 { print $1 }'; }

# drops: what each switch lost, and why; for a check that failed.
drops() {
  local log
  for log in "$state"/*.log; do at "$(basename "$log" .log)" ofctl drop/show || true; done
}

down() {
  local ns pids
  for ns in $(namespaces); do
    pids=$(ip netns pids "$ns")
    [[ -z $pids ]] || xargs -r kill <<<"$pids" 2>/dev/null || true
  done
  for ns in $(namespaces); do
    for _ in {1..100}; do
      [[ -n $(ip netns pids "$ns") ]] || break
      sleep 0.05
    done
    ip netns pids "$ns" | xargs -r kill -KILL 2>/dev/null || true
    ip netns del "$ns"
  done
  rm -rf "$state"
}

up() {
  [[ -z $(namespaces) ]] || die "is up already: examples/$name down"
  trap 'trap "" INT TERM HUP; down' EXIT
  mkdir -p "$state"
  build
  trap - EXIT
}

main() {
  trap 'exit 129' HUP
  trap 'exit 130' INT
  trap 'exit 143' TERM
  [[ $(id -u) -eq 0 ]] || die "makes network namespaces: run as root"
  for tool in vswitchd ofctl ip ping python3 "${needs[@]}"; do
    [[ ${1:-run} == down ]] && break
    command -v "$tool" >/dev/null || die "$tool is missing (make build; dist/install-deps examples)"
  done
  case ${1:-run} in
    up) up ;;
    check) check; [[ $n_failed -eq 0 ]] || drops ;;
    down) down ;;
    run)
      up
      trap 'trap "" INT TERM HUP; down' EXIT
      check
      [[ $n_failed -eq 0 ]] || drops
      ;;
    *) echo "usage: examples/$name [up|check|down|run]" >&2; exit 2 ;;
  esac
  [[ $n_failed -eq 0 ]] || die "$n_failed failed"
}
