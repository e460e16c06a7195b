#!/usr/bin/env bash
# The secrets of the deployment in containers, by its one-shot service `secrets`; docs/security.md.
#   scripts/secrets.sh create                        makes what is missing, and shows what a person needs
#   scripts/secrets.sh gateway NAME SENSOR [SENSOR]  lets a gateway send these sensors, writes gateway.env and
#                                                    broker-ca.crt for it; further options of `repsense-admin` may follow
set -euo pipefail
cd "$(dirname "$0")/.."

admin() {
  docker compose run --rm --no-deps -T secrets "$@" </dev/null
}

# The brokers that run read their users and their certificate anew; their sessions stay.
reload_brokers() {
  local service
  # With compose/cluster.yml there are several; their exporter would end.
  for service in $(docker compose ps --status running --services | grep -Ex 'broker(-[0-9]+)?'); do
    # Quietly: "Killed" would be a word too strong for it.
    docker compose --progress quiet kill --signal HUP "$service"
  done
}

# Puts a file in place at once or not at all, readable as the umask says: write NAME COMMAND [ARGUMENT…]
write() {
  local file=$1
  shift
  local temporary=".$file.new"
  rm -f "$temporary"
  "$@" >"$temporary" || { rm -f "$temporary"; exit 1; }
  mv "$temporary" "$file"
}

case "${1-}" in
  create)
    admin secrets create
    reload_brokers
    admin secrets show
    ;;
  gateway)
    shift
    if [ $# -lt 2 ]; then
      echo "Name the gateway and all of its sensors: make gateway-access NAME=home SENSORS=\"wrist ankle\"" >&2
      exit 2
    fi
    write broker-ca.crt admin secrets ca
    (umask 077 && write gateway.env admin secrets gateway "$@")
    reload_brokers
    echo "gateway.env and broker-ca.crt are written. On this machine: make gateway. On another one: take both files there."
    ;;
  *)
    sed -n '2,5s/^# //p' "$0" >&2
    exit 2
    ;;
esac
