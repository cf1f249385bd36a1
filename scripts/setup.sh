# Read by the other scripts (`. scripts/setup.sh`), POSIX sh. Finds Node, installs what is missing,
# builds dist/. Everything here may run again and again; what is there already is left alone.
# Expects $root, the folder of the repository. Each failure is one line and the fix, exit code 3.

say() { printf '%s\n' "$*" >&2; }
lack() {
  say "packetpath: $1"
  say "  fix: $2"
  exit 3
}

# "v20.19.0": asked for its version, Node starts no engine, which would take a tenth of a second.
node_is_new_enough() {
  version=$("$1" --version 2>/dev/null) || return 1
  major=${version#v}
  minor=${major#*.}
  major=${major%%.*}
  minor=${minor%%.*}
  case $major$minor in '' | *[!0-9]*) return 1 ;; esac
  [ "$major" -gt 20 ] || { [ "$major" -eq 20 ] && [ "$minor" -ge 19 ]; }
}

# sudo replaces PATH, and with it loses a Node that lies in the user's home folder.
find_node() {
  home=${HOME:-/root}
  if [ -n "${SUDO_USER:-}" ] && command -v getent >/dev/null 2>&1; then
    home=$(getent passwd "$SUDO_USER" | cut -d: -f6)
  fi
  for node in "${PACKETPATH_NODE:-}" "$(command -v node || true)" /usr/local/bin/node \
    /usr/bin/node "$home"/.nvm/versions/node/*/bin/node "$home"/.volta/bin/node \
    "$home"/.local/share/fnm/node-versions/*/installation/bin/node /opt/node*/bin/node; do
    if [ -n "$node" ] && [ -x "$node" ] && node_is_new_enough "$node"; then
      # npm and npx lie beside node and start it by name.
      PATH="$(dirname "$node"):$PATH"
      export PATH
      return 0
    fi
  done
  lack "needs Node.js 20.19 or newer, found $(node --version 2>/dev/null || echo none)" \
    "Install it from https://nodejs.org, or name it: PACKETPATH_NODE=/path/to/node"
}

# Under sudo, what this script makes belongs to the user who asked for it.
give_back() {
  [ "$(id -u)" = 0 ] && [ -n "${SUDO_UID:-}" ] || return 0
  for path in "$@"; do
    if [ -e "$root/$path" ]; then chown -R "$SUDO_UID:${SUDO_GID:-$SUDO_UID}" "$root/$path"; fi
  done
}

# Debian packages that help and are not needed: each missing one disables something by name.
installed_now=no
install_optional() {
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null 2>&1; then return 0; fi
  wanted=
  [ -e /usr/include/pcap.h ] || wanted="$wanted libpcap-dev"
  command -v g++ >/dev/null 2>&1 && command -v make >/dev/null 2>&1 || wanted="$wanted g++ make"
  command -v python3 >/dev/null 2>&1 || wanted="$wanted python3"
  command -v ip >/dev/null 2>&1 || wanted="$wanted iproute2"
  [ -n "$wanted" ] || return 0
  say "packetpath: installing optional packages with apt-get:$wanted"
  # shellcheck disable=SC2086 # the list is meant to be split
  if DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted >/dev/null 2>&1 ||
    { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq $wanted; } \
      >/dev/null 2>&1; then
    installed_now=yes
  else
    say "packetpath: not installed; going on without them (see packetpath doctor)"
  fi
}

install_modules() {
  stamp="$root/node_modules/.package-lock.json"
  if [ -e "$stamp" ] && [ ! "$root/package-lock.json" -nt "$stamp" ] &&
    { [ "$installed_now" = no ] || [ -d "$root/node_modules/cap" ]; }; then
    return 0
  fi
  command -v npm >/dev/null 2>&1 || lack "needs npm" "Install npm (it comes with Node.js)."
  say "packetpath: npm ci"
  if ! (cd "$root" && npm ci --no-audit --no-fund --loglevel=error >&2 </dev/null); then
    lack "npm ci failed (see above)" "Check the connection to the package registry; run it again."
  fi
  give_back node_modules
}

build() {
  [ -d "$root/node_modules/esbuild" ] || lack "dependencies are missing" "Run npm ci in $root."
  (cd "$root" && node scripts/build.mjs) || lack "the build failed (see above)" "Run npm ci again."
  give_back dist
}

build_if_stale() {
  # An installed package came built; the times of its files say nothing.
  case $root in */node_modules/*) return ;; esac
  entry="$root/dist/cli/main.js"
  if [ -d "$root/src" ]; then
    if [ ! -e "$entry" ] ||
      [ -n "$(find "$root/src" -name '*.ts' -newer "$entry" -print | head -n 1)" ]; then
      build
    fi
  fi
}
