#!/usr/bin/env bash
# Sets s3-crypt-proxy up on this host: asks, or reads the answers from a file, writes the configuration and the
# credentials, and starts both services. Run it as often as you like: what is right already stays untouched, and
# memkey-server, whose memory is the only place of the keys, is never restarted.
set -eu
export LC_ALL=C # values are bytes
umask 077

usage() {
  cat <<'USAGE'
usage: s3-crypt-proxy-deploy [--answers FILE] [--deb FILE] [--no-probe] [--force]

  --answers FILE  take the answers from FILE: lines KEY=value, where the value is everything behind the first
                  "=", byte for byte: no quotes, no escapes, nothing is expanded. Lines that begin with # are
                  comments. Whoever may read it knows the secrets: chmod 600.
  --deb FILE      install this package first; without it the installed one, else ../dist beside this script
  --no-probe      do not try the backend and its buckets first
  --force         replace a proxy.yaml that this script has not written (a copy stays)

Answers, with what is taken if they are missing:

  BACKEND_ENDPOINT      (required)      http:// or https:// URL of the S3 server that stores
  BACKEND_REGION        us-east-1
  BACKEND_PATH_STYLE    yes             no for AWS
  BACKEND_CA_FILE                       PEM file with the only roots to trust for it
  BACKEND_ACCESS_KEY    (required)
  BACKEND_SECRET_KEY    (required)
  ALLOWED_BUCKETS                       with commas; none = every bucket of the backend
  LISTEN_ADDR           :8443           where PBS connects, always with TLS
  ADMIN_LISTEN_ADDR     127.0.0.1:8081  health and metrics; loopback only
  TLS_NAMES                             further names and IPs for the certificate, with commas
  CLIENT_ACCESS_KEY     (made)          what PBS signs with
  CLIENT_SECRET_KEY     (made)
  ADMIN_TOKEN           (made)
  MEMKEY_LISTEN_ADDR    127.0.0.1:7070  where administrators bring the keys
  START                 yes             start the services, now and at boot

A missing answer is what the host has already, from an earlier run. Secrets are never arguments, never in the
environment of a process, and never in a configuration file: they are credentials of systemd in /etc/credstore.
USAGE
}

die() {
  printf 's3-crypt-proxy-deploy: %s\n' "$1" >&2
  exit "${2:-1}"
}
say() { printf '%s\n' "$*"; }

etc=/etc/s3-crypt-proxy
config=$etc/proxy.yaml
remembered=$etc/deploy.answers # without secrets
store=/etc/credstore
mark='# Written by s3-crypt-proxy-deploy; run it again for other answers.'

names='BACKEND_ENDPOINT BACKEND_REGION BACKEND_PATH_STYLE BACKEND_CA_FILE BACKEND_ACCESS_KEY BACKEND_SECRET_KEY
ALLOWED_BUCKETS LISTEN_ADDR ADMIN_LISTEN_ADDR TLS_NAMES CLIENT_ACCESS_KEY CLIENT_SECRET_KEY ADMIN_TOKEN
MEMKEY_LISTEN_ADDR START'
secrets='BACKEND_SECRET_KEY CLIENT_SECRET_KEY ADMIN_TOKEN'

declare -A answer=() given=()

is_secret() { [[ " $secrets " == *" $1 "* ]]; }
credential() { # the credential, named like its key in the configuration
  case $1 in
  BACKEND_SECRET_KEY) echo backend.secret_key ;;
  CLIENT_SECRET_KEY) echo client.secret_key ;;
  ADMIN_TOKEN) echo admin.token ;;
  esac
}

# present KEY: the file that has the secret now, or nothing. One that was encrypted to this machine (an administrator's
# doing, see the unit) can be read only while the proxy runs; it stays what it is.
present() {
  local name
  name=$(credential "$1")
  if [ -s "$store/s3-crypt-proxy.$name" ]; then
    echo "$store/s3-crypt-proxy.$name"
  elif encrypted "$name"; then
    [ -s "/run/credentials/s3-crypt-proxy.service/$name" ] || die "$name is encrypted, and the proxy does not run: systemctl start s3-crypt-proxy first"
    echo "/run/credentials/s3-crypt-proxy.service/$name"
  fi
}
encrypted() { [ -e "$store.encrypted/s3-crypt-proxy.$1" ]; }

# read_answers FILE: into answer. No part of the file is ever code.
read_answers() {
  local line key n=0
  [ -r "$1" ] || die "cannot read the answers $1"
  [ "$(tr -d '\000' <"$1" | wc -c)" = "$(wc -c <"$1")" ] || die "$1 has a zero byte: no answer can"
  while IFS= read -r line || [ -n "$line" ]; do
    n=$((n + 1))
    [[ $line =~ ^[[:space:]]*(#|$) ]] && continue
    key=${line%%=*}
    [[ $line == *=* && " ${names//$'\n'/ } " == *" $key "* ]] || die "$1:$n: unknown answer; see --help" 2
    [ -z "${given[$key]-}" ] || die "$1:$n: $key is answered twice" 2
    given[$key]=1
    answer[$key]=${line#*=}
  done <"$1"
}

# ask KEY "what it is" DEFAULT: from the terminal, with what is known as the default.
ask() {
  local reply default=${answer[$1]-$3}
  if is_secret "$1"; then
    local kept=''
    [ -z "$(present "$1")" ] || kept=' [as it is]'
    [ -z "$kept" ] && [ -n "$3" ] && kept=" [$3]"
    IFS= read -r -s -p "$2$kept: " reply </dev/tty
    echo >/dev/tty
    [ -n "$reply" ] && answer[$1]=$reply
    return 0
  fi
  IFS= read -r -p "$2${default:+ [$default]}: " reply </dev/tty
  answer[$1]=${reply:-$default}
}

ask_all() {
  say "Where the sealed objects go:"
  ask BACKEND_ENDPOINT "  URL of the S3 server" ""
  ask BACKEND_REGION "  region" us-east-1
  ask BACKEND_PATH_STYLE "  bucket in the path, not in the host name (no for AWS)" yes
  ask BACKEND_CA_FILE "  file with its root certificate, if it is not a public one" ""
  ask BACKEND_ACCESS_KEY "  access key" ""
  ask BACKEND_SECRET_KEY "  secret key" ""
  ask ALLOWED_BUCKETS "  buckets that clients may use, with commas (none = all)" ""
  say "What clients (PBS) see:"
  ask LISTEN_ADDR "  address to listen on" :8443
  ask TLS_NAMES "  further names and IPs of this host, with commas" ""
  ask CLIENT_ACCESS_KEY "  access key (none = make one)" ""
  ask CLIENT_SECRET_KEY "  secret key" "make one"
  say "What operators see:"
  ask ADMIN_LISTEN_ADDR "  address for health and metrics, on loopback" 127.0.0.1:8081
  ask ADMIN_TOKEN "  token" "make one"
  ask MEMKEY_LISTEN_ADDR "  address where administrators bring the keys" 127.0.0.1:7070
  ask START "  start the services, now and at boot" yes
}

random() { od -An -v -tx1 -N "$1" /dev/urandom | tr -d ' \n'; }

yes_or_no() { # KEY
  case ${answer[$1]} in
  yes | true | y) answer[$1]=yes ;;
  no | false | n) answer[$1]=no ;;
  *) die "$1: want yes or no" 2 ;;
  esac
}

complete() {
  local key now
  for key in $names; do
    answer[$key]=${answer[$key]-}
    [[ ${answer[$key]} != *[[:cntrl:]]* ]] || die "$key has a line break, a tab or another control character" 2
  done
  : "${answer[BACKEND_REGION]:=us-east-1}" "${answer[BACKEND_PATH_STYLE]:=yes}" "${answer[LISTEN_ADDR]:=:8443}"
  : "${answer[ADMIN_LISTEN_ADDR]:=127.0.0.1:8081}" "${answer[MEMKEY_LISTEN_ADDR]:=127.0.0.1:7070}" "${answer[START]:=yes}"
  for key in BACKEND_ENDPOINT BACKEND_ACCESS_KEY; do
    [ -n "${answer[$key]}" ] || die "$key is missing" 2
  done
  yes_or_no BACKEND_PATH_STYLE
  yes_or_no START
  case ${answer[ADMIN_LISTEN_ADDR]} in
  127.0.0.1:* | '[::1]:'* | localhost:*) ;;
  *) die "ADMIN_LISTEN_ADDR: it speaks plain HTTP, so it must be on loopback: 127.0.0.1:PORT" 2 ;;
  esac
  [[ ${answer[MEMKEY_LISTEN_ADDR]} =~ ^([A-Za-z0-9.-]*|\[[0-9A-Fa-f:.]+\]):[0-9]+$ ]] || die "MEMKEY_LISTEN_ADDR: want host:port" 2
  # What has no answer stays as it is, and what is not there is made; the backend's secret cannot be.
  for key in $secrets; do
    now=$(present "$key")
    if [ -n "${answer[$key]}" ]; then
      ! encrypted "$(credential "$key")" || die "$key: it is encrypted on this machine; change it there (systemd-creds), or remove $store.encrypted/s3-crypt-proxy.$(credential "$key") first" 2
    elif [ -z "$now" ]; then
      [ "$key" != BACKEND_SECRET_KEY ] || die "$key is missing" 2
      answer[$key]=$(random 24)
    fi
  done
  : "${answer[CLIENT_ACCESS_KEY]:=PBS$(random 8)}"
}

# quoted TEXT: as a YAML scalar. Within single quotes only the quote itself has a meaning.
quoted() {
  local q="'"
  printf "'%s'" "${1//$q/$q$q}"
}

# list TEXT: a comma list as a YAML list.
list() {
  local item out='' rest=$1,
  while [ -n "$rest" ]; do
    item=${rest%%,*} rest=${rest#*,}
    item="${item#"${item%%[! ]*}"}"
    item="${item%"${item##*[! ]}"}"
    [ -z "$item" ] || out+="${out:+, }$(quoted "$item")"
  done
  printf '[%s]' "$out"
}

write_config() {
  cat <<CONFIG
$mark
# Every key is explained in /usr/share/doc/s3-crypt-proxy/examples/proxy.yaml and in s3-crypt-proxy.yaml(5).
# The secrets are credentials of systemd: /etc/credstore/s3-crypt-proxy.*
listen_addr: $(quoted "${answer[LISTEN_ADDR]}")
admin_listen_addr: $(quoted "${answer[ADMIN_LISTEN_ADDR]}")
backend:
  endpoint: $(quoted "${answer[BACKEND_ENDPOINT]}")
  region: $(quoted "${answer[BACKEND_REGION]}")
  access_key: $(quoted "${answer[BACKEND_ACCESS_KEY]}")
  path_style: $([ "${answer[BACKEND_PATH_STYLE]}" = yes ] && echo true || echo false)
  ca_file: $(quoted "${answer[BACKEND_CA_FILE]}")
client:
  access_key: $(quoted "${answer[CLIENT_ACCESS_KEY]}")
allowed_buckets: $(list "${answer[ALLOWED_BUCKETS]}")
tls:
  auto: true
  names: $(list "${answer[TLS_NAMES]}")
memkey:
  server_users: [memkey]
CONFIG
}

# put NEW FILE MODE GROUP: FILE becomes NEW, in one step, unless it is that already. Sets changed=1 if it did.
put() {
  chmod "$3" "$1"
  chgrp "$4" "$1"
  if cmp -s "$1" "$2" && [ "$(stat -c '%a %G' "$1")" = "$(stat -c '%a %G' "$2")" ]; then
    return 0
  fi
  mv -f "$1" "$2"
  changed=1
}

install_package() {
  local deb=$1 here
  if [ -z "$deb" ] && ! command -v s3-crypt-proxy >/dev/null; then
    here=$(dirname "$(readlink -f "$0")")
    deb=$(find "$here/../dist" -maxdepth 1 -name 's3-crypt-proxy_*.deb' 2>/dev/null | sort | tail -n 1)
    [ -n "$deb" ] || die "the package is not installed: make deb, or --deb FILE"
  fi
  [ -z "$deb" ] || dpkg -i "$deb" || die "cannot install $deb"
}

main() {
  local answers='' deb='' force='' probe=1 file key
  while [ $# -gt 0 ]; do
    case $1 in
    --answers | --deb)
      [ $# -gt 1 ] || die "$1 needs a file" 2
      if [ "$1" = --deb ]; then deb=$2; else answers=$2; fi
      shift
      ;;
    --force) force=1 ;;
    --no-probe) probe='' ;;
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

  [ ! -e "$remembered" ] || { read_answers "$remembered" && given=(); }
  if [ -n "$answers" ]; then
    [ "$(($(stat -c %#a "$answers") & 4))" = 0 ] || die "every user can read $answers: chmod 600" 2
    read_answers "$answers"
  else
    { : </dev/tty; } 2>/dev/null || die "no terminal to ask on: give --answers FILE" 2
    ask_all
  fi
  complete
  install_package "$deb"
  if [ -e "$config" ] && [ "$(head -n 1 "$config")" != "$mark" ]; then
    [ -n "$force" ] || die "$config was not written by this script; --force replaces it and keeps a copy"
    cp -p "$config" "$config.old"
  fi

  # Everything is made aside, and tried, before anything of it counts.
  stage=$(mktemp -d "$etc/.deploy-XXXXXX")
  trap 'rm -rf "$stage"' EXIT
  mkdir "$stage/credentials"
  write_config >"$stage/proxy.yaml"
  for key in $secrets; do
    file=$stage/credentials/$(credential "$key")
    if [ -n "${answer[$key]}" ]; then
      printf '%s\n' "${answer[$key]}" >"$file"
    else
      cat "$(present "$key")" >"$file"
    fi
  done
  export CREDENTIALS_DIRECTORY=$stage/credentials
  s3-crypt-proxy check --offline --config "$stage/proxy.yaml" >/dev/null || die "nothing is changed: the proxy does not take these answers"
  if [ -n "$probe" ] && [ "${answer[START]}" = yes ]; then
    s3-crypt-proxy check --config "$stage/proxy.yaml" >/dev/null 2>"$stage/probe" || {
      cat "$stage/probe" >&2
      die "nothing is changed: the backend cannot be used so (--no-probe sets it up nevertheless)"
    }
  fi
  unset CREDENTIALS_DIRECTORY
  local memkey=${answer[MEMKEY_LISTEN_ADDR]}
  [[ $memkey != '['* ]] || memkey="'$memkey'" # YAML has a meaning for the bracket
  sed "s|^  listen_addr: .*|  listen_addr: $memkey|" "$etc/memkey.yaml" >"$stage/memkey.yaml"
  memkey-server --config "$stage/memkey.yaml" admin list >/dev/null || die "nothing is changed: memkey-server does not take these answers"
  for key in $names; do
    is_secret "$key" || printf '%s=%s\n' "$key" "${answer[$key]}"
  done >"$stage/answers"

  changed=''
  put "$stage/memkey.yaml" "$etc/memkey.yaml" 644 root
  local memkey_changed=$changed
  changed=''
  put "$stage/answers" "$remembered" 600 root
  changed=''
  for key in $secrets; do
    file=$(credential "$key")
    encrypted "$file" || put "$stage/credentials/$file" "$store/s3-crypt-proxy.$file" 600 root
  done
  put "$stage/proxy.yaml" "$config" 640 s3-crypt-proxy
  sync -f "$etc"

  # An identity that is a credential of the unit is the identity: no second one beside it.
  [ -e "$store/memkey.identity" ] || [ -e "$store.encrypted/memkey.identity" ] ||
    memkey-server init >/dev/null 2>&1 || die "memkey-server init failed; run it to see why"
  [ "${answer[START]}" = yes ] && start
  summary
}

start() {
  systemctl -q enable memkey-server.service s3-crypt-proxy.service
  if systemctl -q is-active memkey-server.service; then
    [ -z "$memkey_changed" ] || say "memkey-server listens elsewhere after its next start. That loses the keys in its memory, so it is yours to choose."
  else
    systemctl start memkey-server.service || die "memkey-server does not start: journalctl -u memkey-server -n 30"
  fi
  if [ -n "$changed" ] && systemctl -q is-active s3-crypt-proxy.service; then
    systemctl restart s3-crypt-proxy.service || die "the proxy does not start: journalctl -u s3-crypt-proxy -n 30"
  else
    systemctl start s3-crypt-proxy.service || die "the proxy does not start: journalctl -u s3-crypt-proxy -n 30"
  fi
}

# holder: the fingerprint of memkey-server's identity.
holder() {
  local handed=/run/credentials/memkey-server.service
  if [ -e "$handed/identity" ]; then
    CREDENTIALS_DIRECTORY=$handed memkey-server fingerprint
  elif [ -e "$store.encrypted/memkey.identity" ]; then
    echo '(in the log of memkey-server, once it runs)'
  else
    mkdir -p "$stage/holder"
    [ ! -e "$store/memkey.identity" ] || ln -sf "$store/memkey.identity" "$stage/holder/identity"
    CREDENTIALS_DIRECTORY=$stage/holder memkey-server fingerprint
  fi
}

summary() {
  local listen=${answer[LISTEN_ADDR]} host fingerprint secret
  host=${listen%:*}
  case $host in '' | 0.0.0.0 | '[::]') host=$(hostname) ;; esac
  mkdir "$stage/again"
  for key in $secrets; do
    ln -s "$(present "$key")" "$stage/again/$(credential "$key")"
  done
  secret=$(present CLIENT_SECRET_KEY)
  local keys=${answer[MEMKEY_LISTEN_ADDR]} tunnel=''
  local server=$keys
  case ${keys%:*} in
    '' | 0.0.0.0 | '[::]') server=$(hostname):${keys##*:} ;;
    127.* | localhost | '[::1]') tunnel="
  ssh -N -L ${keys##*:}:$keys $(hostname)     # in another terminal: memkey-server listens on this machine's loopback" ;;
  esac
  fingerprint=$(CREDENTIALS_DIRECTORY=$stage/again s3-crypt-proxy fingerprint --config "$config" 2>/dev/null) || fingerprint='(made at the first start; then: systemctl status s3-crypt-proxy)'
  cat <<SUMMARY

For PBS (Configuration, S3 Endpoints; path style on):
  endpoint     $host, port ${listen##*:}
  fingerprint  $fingerprint
  access key   ${answer[CLIENT_ACCESS_KEY]}
  secret key   cat $secret

The proxy answers 503 until it has a key. On the administrator's machine, once:$tunnel
  memkey-admin init --server https://$server --fingerprint $(holder)
  (then here the line that it prints: memkey-server admin add …; systemctl reload memkey-server)
  memkey-admin key generate
  memkey-admin key export --paper key.pdf
  memkey-admin key enroll
After every start of memkey-server: memkey-admin key send. More: /usr/share/doc/s3-crypt-proxy/docs/keys.md
SUMMARY
}

main "$@"
