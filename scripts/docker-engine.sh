#!/usr/bin/env bash
# Docker for a machine that has none, and images for one that reaches no container registry: what `make test-compose` needs.
#
#   docker-engine.sh up             an engine (26 or newer) and Compose that answer, or 3 and the reason in one line
#   docker-engine.sh env            prints how to reach them: eval "$(scripts/docker-engine.sh env)"
#   docker-engine.sh base           the images that our Dockerfiles begin with
#   docker-engine.sh third-party    the images of docker-compose.yml and compose/ that are not ours
#   docker-engine.sh down           ends the engine that `up` started, and nothing else
#
# An engine that is there is used. Otherwise `up` takes Debian's packages from the mirror that this machine uses, without
# installing them (root on Debian, amd64), and starts one of its own, about half a minute. Images are pulled; those that
# cannot be are built from tests/compose/stand_ins and carry the label `repsense.stand-in`, which says what they are.
# Everything is kept in the user's cache folder.
set -euo pipefail

checkout=$(cd "$(dirname "$0")/.." && pwd)
home=${XDG_CACHE_HOME:-$HOME/.cache}/repsense/docker-engine
programs=$home/root
stand_ins=$checkout/tests/compose/stand_ins
cannot=3
suite=trixie
oldest_engine=26
label=repsense.stand-in
# An answer of the registry counts this long.
remember_s=43200
# For the largest over a slow line; the engine itself gives a registry that does not answer up within seconds.
pull_timeout_s=600

# Nothing is started, and the state of the machine's own apt is left alone.
engine_packages="docker.io docker-cli docker-compose docker-buildx containerd tini"
host_packages="iptables iproute2 debootstrap ca-certificates libseccomp2"

own_path=$programs/usr/sbin:$programs/usr/bin
PATH=$own_path:$PATH:/usr/sbin:/sbin
if [ -d "$home/config" ]; then export DOCKER_CONFIG=$home/config; fi

fail() {
  echo "docker-engine: $1" >&2
  exit "${2:-$cannot}"
}

say() {
  echo "docker-engine: $1" >&2
}

engine_version() {
  timeout 10 docker version --format '{{.Server.Version}}' 2>/dev/null
}

has_programs() {
  docker compose version >/dev/null 2>&1 && docker buildx version >/dev/null 2>&1
}

is_new_enough() {
  [ "${1%%.*}" -ge $oldest_engine ] 2>/dev/null
}

up() {
  local version
  has_programs || fetch_programs
  if ! version=$(engine_version); then
    start
    version=$(engine_version) || fail "the engine does not answer; see $home/dockerd.log"
  fi
  is_new_enough "$version" || fail "Docker Engine $version is too old; it takes $oldest_engine or newer"
  say "Docker Engine $version, Compose $(docker compose version --short)"
}

# The packages of Debian's newest stable release, unpacked into a folder of our own.
fetch_programs() {
  [ "$(dpkg --print-architecture 2>/dev/null)" = amd64 ] && [ "$(id -u)" = 0 ] ||
    fail "Docker with Compose is not installed, and only root on Debian (amd64) can fetch it"
  install_host_packages
  local apt=$home/apt mirror release
  mirror=$(debian_mirror)
  [ -n "$mirror" ] || fail "this machine takes its packages from no Debian mirror"
  # shellcheck disable=SC1091
  release=$(. /etc/os-release && echo "${VERSION_CODENAME:-$suite}")
  say "fetching Docker's packages (once) ..."
  rm -rf "$apt" "$programs"
  mkdir -p "$apt"/{lists/partial,archives/partial,debs} "$programs" "$home/config/cli-plugins"
  : >"$apt/status"
  printf 'deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] %s %s main\n' \
    "$mirror" $suite "$mirror" "$release" | sort -u >"$apt/sources.list"
  cat >"$apt/apt.conf" <<CONF
Dir::Etc::SourceList "$apt/sources.list";
Dir::Etc::SourceParts "-";
Dir::State::Lists "$apt/lists";
Dir::State::Status "$apt/status";
Dir::Cache "$apt";
Dir::Cache::Archives "$apt/archives";
APT::Sandbox::User "root";
Acquire::Languages "none";
CONF
  APT_CONFIG=$apt/apt.conf apt-get -qq update
  # runc is the one that is bound to this machine's C library; the others run with an older one.
  # shellcheck disable=SC2046,SC2086 # words
  (cd "$apt/debs" && APT_CONFIG=$apt/apt.conf apt-get -qq download $(printf "%s/$suite " $engine_packages) "runc/$release")
  find "$apt/debs" -name '*.deb' -exec dpkg-deb --extract {} "$programs" \;
  [ -e "$programs/usr/bin/docker-init" ] || ln -s tini-static "$programs/usr/bin/docker-init"
  ln -sf "$programs"/usr/libexec/docker/cli-plugins/* "$home/config/cli-plugins/"
  rm -rf "$apt"
  export DOCKER_CONFIG=$home/config
  hash -r
  has_programs || fail "Debian's docker packages do not run on this machine"
}

install_host_packages() {
  local package missing=""
  for package in $host_packages; do
    dpkg-query --show --showformat '${Status}' "$package" 2>/dev/null | grep -q 'ok installed' || missing="$missing $package"
  done
  [ -n "$missing" ] || return 0
  say "installing$missing ..."
  apt-get update -qq
  # shellcheck disable=SC2086 # one word per package
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends $missing >/dev/null
}

debian_mirror() {
  # shellcheck disable=SC2016 # apt's own placeholder
  apt-get indextargets --format '$(SITE)' 'Created-By: Packages' 2>/dev/null | grep -m1 '/debian/*$' || true
}

start() {
  [ "$(id -u)" = 0 ] || fail "no Docker engine answers, and only root can start one"
  command -v dockerd >/dev/null || { fetch_programs && hash -r; }
  mkdir -p "$home"
  rm -f "$home/dockerd.pid"
  local mtu
  mtu=$(cat "/sys/class/net/$(ip -o route show default | sed -n 's/.* dev \([^ ]*\).*/\1/p' | head -1)/mtu" 2>/dev/null || echo 1500)
  say "starting an engine (log: $home/dockerd.log) ..."
  # The bridges get the MTU of the way out; with more, large packets vanish where that is a tunnel.
  setsid nohup dockerd --host "unix://$(socket)" --data-root "$home/data" --exec-root "$home/exec" \
    --pidfile "$home/dockerd.pid" --mtu "$mtu" \
    --default-network-opt "bridge=com.docker.network.driver.mtu=$mtu" >"$home/dockerd.log" 2>&1 </dev/null &
  local process=$!
  until engine_version >/dev/null; do
    kill -0 $process 2>/dev/null || fail "the engine did not start: $(tail -n 1 "$home/dockerd.log")"
    sleep 0.3
  done
}

socket() {
  local host=${DOCKER_HOST:-unix:///var/run/docker.sock}
  [ "${host#unix://}" != "$host" ] || fail "DOCKER_HOST is $host, where nobody answers"
  echo "${host#unix://}"
}

down() {
  [ -s "$home/dockerd.pid" ] || { say "no engine of ours is running"; return 0; }
  local process
  process=$(cat "$home/dockerd.pid")
  if [ "$(cat "/proc/$process/comm" 2>/dev/null)" = dockerd ]; then
    kill "$process"
    # It stops the containers first.
    while [ "$(cat "/proc/$process/comm" 2>/dev/null)" = dockerd ]; do sleep 0.2; done
  fi
  rm -f "$home/dockerd.pid"
}

env_lines() {
  if [ -d "$programs/usr/bin" ]; then echo "export PATH=$own_path:\$PATH"; fi
  if [ -d "$home/config" ]; then echo "export DOCKER_CONFIG=$home/config"; fi
}

exists() {
  docker image inspect "$1" >/dev/null 2>&1
}

is_stand_in() {
  [ -n "$(docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$1" 2>/dev/null)" ]
}

# Whether there is the real image, now or before. A registry that could not be reached is not asked again for a while.
pulled() {
  if exists "$1"; then
    is_stand_in "$1" || return 0
  fi
  local refusal=$home/no-registry
  [ -z "$(find "$refusal" -newermt "-$remember_s seconds" 2>/dev/null)" ] || return 1
  timeout $pull_timeout_s docker pull --quiet "$1" >/dev/null 2>&1 && return 0
  mkdir -p "$home"
  touch "$refusal"
  say "no registry answers for $1; building stand-ins"
  return 1
}

# build NAME TAG [ARGUMENTS...]: from tests/compose/stand_ins/NAME; a matter of a second if nothing has changed.
build() {
  local name=$1 tag=$2
  shift 2
  docker build --quiet --tag "$tag" --file "$stand_ins/$name/Dockerfile" "$@" "$stand_ins/$name" >/dev/null ||
    fail "the stand-in for $tag cannot be built" 1
  say "$tag is a stand-in: $(docker image inspect --format "{{ index .Config.Labels \"$label\" }}" "$tag")"
}

base() {
  local image=python:3.13-slim
  pulled $image && return
  # One that was made elsewhere is as good.
  if exists $image && ! is_stand_in $image; then return; fi
  debian
  build python $image
}

# Debian itself, with the certificate authorities that this machine has been told to trust.
debian() {
  local image=repsense/debian:$suite folder mirror
  exists $image && return
  install_host_packages
  folder=$home/debian
  mirror=$(debian_mirror)
  rm -rf "$folder"
  mkdir -p "$home"
  say "making $image with debootstrap (once) ..."
  debootstrap --variant=minbase --include=ca-certificates --keyring=/usr/share/keyrings/debian-archive-keyring.gpg \
    $suite "$folder" "$mirror" >"$home/debootstrap.log" 2>&1 || fail "debootstrap failed; see $home/debootstrap.log" 1
  find /usr/local/share/ca-certificates -name '*.crt' -exec cp {} "$folder/usr/local/share/ca-certificates/" \;
  chroot "$folder" update-ca-certificates >/dev/null 2>&1
  rm -rf "$folder"/var/cache/apt/* "$folder"/var/lib/apt/lists/* "$folder"/usr/share/{doc,man,locale}/*
  # Python's tools come with a list of authorities of their own.
  local authorities=/etc/ssl/certs/ca-certificates.crt
  tar --directory "$folder" --numeric-owner --create . | docker import \
    --change "LABEL $label=\"debootstrap of Debian $suite\"" --change 'CMD ["bash"]' \
    --change "ENV PIP_CERT=$authorities SSL_CERT_FILE=$authorities REQUESTS_CA_BUNDLE=$authorities" - $image >/dev/null
  rm -rf "$folder"
}

# The tags are those that the compose files name.
tags_of() {
  sed -n "s|^ *image: \($1:[^ ]*\).*|\1|p" "$checkout/docker-compose.yml" "$checkout"/compose/*.yml | sort -u
}

third_party() {
  base
  local name image tag arguments
  while read -r name image; do
    for tag in $(tags_of "$image"); do
      pulled "$tag" && continue
      arguments=()
      case $name in
        python) ;;
        tensorflow_serving)
          # What the trainer's image has of other people's, TensorFlow above all, changes seldom.
          docker build --quiet --target dependencies --tag repsense/tensorflow \
            --file "$checkout/services/trainer/Dockerfile" "$checkout" >/dev/null || fail "TensorFlow cannot be installed" 1
          arguments=(--build-arg TENSORFLOW=repsense/tensorflow
            --build-context "domain=$checkout/packages/repsense/src" --build-context "support=$checkout/tests/support")
          ;;
        mosquitto | prometheus | caddy) debian ;;
      esac
      build "$name" "$tag" "${arguments[@]}"
    done
  done <<'IMAGES'
nats nats
mongo mongo
tensorflow_serving tensorflow/serving
mosquitto eclipse-mosquitto
prometheus prom/prometheus
caddy caddy
IMAGES
}

case ${1:-} in
  up) up ;;
  env) env_lines ;;
  base) base ;;
  third-party) third_party ;;
  down) down ;;
  *)
    sed -n '2,15s/^# \{0,1\}//p' "$0"
    exit 2
    ;;
esac
