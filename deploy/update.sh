#!/usr/bin/env bash
# Puts a new version of s3-crypt-proxy on this host: tries it, keeps the old files, restarts the proxy, and goes back
# by itself if the new one is not ready. memkey-server comes last, because its restart loses the keys in its memory.
set -eu
umask 077

usage() {
  cat <<'USAGE'
usage: s3-crypt-proxy-update [--skip-build] [--skip-key] [--force] [--deb FILE]

  --skip-build  take the package that is in ../dist beside this script; without it: make deb
  --skip-key    leave memkey-server alone: it goes on with its old version, and with its keys
  --force       install also what is not newer, and restart memkey-server without asking
  --deb FILE    take this package; implies --skip-build

Exit status: 0 updated, or nothing to do; 1 not updated, everything is as before; 2 usage;
3 updated, but memkey-server has no key yet; 4 the way back failed too: look at once.

READY_WAIT and KEY_WAIT (seconds; 60 and 300) bound the waits for the proxy and for the key.
USAGE
}

die() {
  printf 's3-crypt-proxy-update: %s\n' "$1" >&2
  exit "${2:-1}"
}
say() { printf '%s\n' "$*"; }

programs='s3-crypt-proxy memkey-server memkey-admin s3-crypt'
config=/etc/s3-crypt-proxy/proxy.yaml
kept=/var/cache/s3-crypt-proxy # of the version before
audit=/var/lib/memkey/audit.log
ready_wait=${READY_WAIT:-60} key_wait=${KEY_WAIT:-300}

# find_package: the package that is to be installed, in deb.
find_package() {
  local tree
  if [ -z "$deb" ]; then
    tree=$(dirname "$(readlink -f "$0")")/..
    [ -e "$tree/go.mod" ] || die "this is not a source tree: give --deb FILE" 2
    if [ -z "$skip_build" ]; then
      # As the user that the tree belongs to: what is built is not root's.
      if [ -n "${SUDO_USER-}" ]; then sudo -u "$SUDO_USER" make -C "$tree" deb; else make -C "$tree" deb; fi || die "cannot build the package"
    fi
    deb=$(find "$tree/dist" -maxdepth 1 -name 's3-crypt-proxy_*.deb' | sort | tail -n 1)
  fi
  [ -r "$deb" ] || die "there is no package: make deb, or --deb FILE" 2
}

# verify: the package is ours, for this machine, and its programs run and take the present configuration.
verify() {
  local program new old
  [ "$(dpkg-deb -f "$deb" Package)" = s3-crypt-proxy ] || die "$deb is not a package of s3-crypt-proxy"
  [ "$(dpkg-deb -f "$deb" Architecture)" = "$(dpkg --print-architecture)" ] || die "$deb is for another architecture"
  new=$(dpkg-deb -f "$deb" Version)
  old=$(dpkg-query -W -f '${Version}' s3-crypt-proxy 2>/dev/null) || die "s3-crypt-proxy is not installed: s3-crypt-proxy-deploy"
  say "installed: $old"
  say "new:       $new"
  if dpkg --compare-versions "$new" le "$old" && [ -z "$force" ]; then
    say "nothing to do: it is not newer (--force installs it nevertheless)"
    exit 0
  fi
  dpkg-deb -x "$deb" "$work/new"
  for program in $programs; do
    "$work/new/usr/bin/$program" --version >/dev/null || die "nothing is changed: the new $program does not run here"
  done
  [ ! -e "$config" ] || check_config "$work/new/usr/bin/s3-crypt-proxy" >/dev/null || die "nothing is changed: the new proxy does not take $config"
  same_holder=''
  cmp -s "$work/new/usr/bin/memkey-server" /usr/bin/memkey-server && same_holder=1
  return 0
}

# check_config PROXY: what PROXY makes of the configuration, with the credentials that the unit would give it.
check_config() {
  local file
  rm -rf "$work/credentials"
  mkdir "$work/credentials"
  for file in /etc/credstore/s3-crypt-proxy.*; do
    [ ! -e "$file" ] || ln -s "$file" "$work/credentials/${file#/etc/credstore/s3-crypt-proxy.}"
  done
  if [ -d /run/credentials/s3-crypt-proxy.service ]; then # encrypted ones are only there
    for file in /run/credentials/s3-crypt-proxy.service/*; do
      [ ! -e "$file" ] || ln -sf "$file" "$work/credentials/"
    done
  fi
  CREDENTIALS_DIRECTORY=$work/credentials "$1" check --offline --config "$config"
}

# admin_address: where the proxy answers operators.
admin_address() {
  if systemctl -q is-active s3-crypt-proxy-admin.socket; then
    systemctl show -P Listen s3-crypt-proxy-admin.socket | sed 's/ .*//'
  else
    check_config /usr/bin/s3-crypt-proxy 2>/dev/null | sed -n 's/^admin_listen_addr: "\([^"]*\)".*/\1/p'
  fi
}

# answers PATH: the status that the proxy's admin listener answers, 000 if none. It needs no curl.
answers() {
  local host=${admin%:*}
  [ -n "$admin" ] || { echo 000; return; }
  host=${host#[} host=${host%]}
  (
    exec 3<>"/dev/tcp/${host:-127.0.0.1}/${admin##*:}"
    printf 'GET %s HTTP/1.0\r\nHost: proxy\r\n\r\n' "$1" >&3
    IFS=' ' read -t 10 -r _ status _ <&3
    echo "$status"
  ) 2>/dev/null || echo 000
}

# ready: the proxy runs, lives, and is as ready as it was before.
ready() {
  systemctl -q is-active s3-crypt-proxy.service || return 1
  [ "$(answers /healthz)" = 200 ] || return 1
  [ "$was_ready" != 200 ] || [ "$(answers /readyz)" = 200 ]
}

# wait_ready: it is, and two seconds later it is still the same process.
wait_ready() {
  local end=$((SECONDS + ready_wait)) pid
  while :; do
    pid=$(systemctl show -P MainPID s3-crypt-proxy.service)
    if ready && sleep 2 && ready && [ "$(systemctl show -P MainPID s3-crypt-proxy.service)" = "$pid" ]; then
      return 0
    fi
    [ "$SECONDS" -lt "$end" ] || return 1
    sleep 0.5
  done
}

keep_old() {
  mkdir -p "$kept"
  dpkg-query -L s3-crypt-proxy | while IFS= read -r file; do
    [ -d "$file" ] || [ ! -e "$file" ] || printf '%s\n' "${file#/}"
  done >"$work/files"
  tar -C / -cf "$kept/previous.tar.new" -T "$work/files"
  sync -f "$kept"
  mv -f "$kept/previous.tar.new" "$kept/previous.tar"
}

go_back() {
  say "going back to the version before"
  # Under other names first: a program that runs cannot be written to.
  { tar -C / --unlink-first -xpf "$kept/previous.tar" && systemctl daemon-reload; } || die "cannot put the old files back: tar -C / --unlink-first -xpf $kept/previous.tar" 4
  [ -n "$was_active" ] || return 0
  systemctl reset-failed s3-crypt-proxy.service || true
  { systemctl restart s3-crypt-proxy.service && wait_ready; } || die "the old version is back but not ready: journalctl -u s3-crypt-proxy -n 50" 4
  say "the old version is back and ready; only dpkg still lists the new one"
}

delivered() { grep -c '"op":"\(deliver\|enroll\|share\)".*"result":"ok"' "$audit" 2>/dev/null || true; }

# update_holder: memkey-server, if it has to change. Returns 3 if its key is still missing at the end.
update_holder() {
  local reply='' before end
  if [ -n "$same_holder" ] || ! systemctl -q is-active memkey-server.service; then
    return 0
  fi
  if [ -n "$skip_key" ]; then
    say "memkey-server goes on with its old version and its keys (--skip-key); its next start takes the new one"
    return 0
  fi
  say "memkey-server has a new version too. Its restart loses the keys in its memory: an administrator must send them"
  say "again (memkey-admin key send). Until then the proxy goes on with the keys it has (memkey.mode export), or"
  say "answers 503 (memkey.mode agent), and must not be restarted."
  if [ -z "$force" ]; then
    if { : </dev/tty; } 2>/dev/null; then
      read -r -p "Restart it now? [y/N] " reply </dev/tty
    fi
    if [ "$reply" != y ] && [ "$reply" != yes ]; then
      say "memkey-server was not restarted: systemctl restart memkey-server, when an administrator is at hand"
      return 0
    fi
  fi
  before=$(delivered)
  systemctl restart memkey-server.service || die "memkey-server does not start: journalctl -u memkey-server -n 30" 4
  say "waiting for: memkey-admin key send"
  end=$((SECONDS + key_wait))
  until [ "$(delivered)" -gt "$before" ]; do
    if [ "$SECONDS" -ge "$end" ]; then
      say "memkey-server still has no key; nobody else can bring it"
      return 3
    fi
    sleep 1
  done
  say "memkey-server has its keys"
}

main() {
  deb='' skip_build='' skip_key='' force=''
  while [ $# -gt 0 ]; do
    case $1 in
    --skip-build) skip_build=1 ;;
    --skip-key) skip_key=1 ;;
    --force) force=1 ;;
    --deb)
      [ $# -gt 1 ] || die "$1 needs a file" 2
      deb=$2
      shift
      ;;
    -h | --help)
      usage
      exit 0
      ;;
    *) die "unknown argument; see --help" 2 ;;
    esac
    shift
  done
  [ "$(id -u)" = 0 ] || die "run this as root"
  [ -d /run/systemd/system ] || die "systemd does not run here"
  find_package
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  verify

  was_active='' was_ready=000 admin=''
  if systemctl -q is-active s3-crypt-proxy.service; then
    was_active=1
    admin=$(admin_address)
    was_ready=$(answers /readyz)
  fi
  keep_old
  if ! dpkg -i "$deb"; then
    go_back
    die "cannot install $deb"
  fi
  # The package restarted the proxy.
  if [ -n "$was_active" ] && ! wait_ready; then
    say "the new version is not ready after $ready_wait s (healthz $(answers /healthz), readyz $(answers /readyz)); its last words:"
    journalctl -u s3-crypt-proxy.service -n 20 -o cat --no-pager || true
    go_back
    exit 1
  fi
  say "the proxy is updated${was_active:+ and as ready as before}"
  update_holder
}

main "$@"
