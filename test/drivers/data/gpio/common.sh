# Shared by the stub tools. The chip: gpiochip0 [edge-sim], 8 lines, as in the record.
root=$(cd "$(dirname "$0")/.." && pwd)
state=$root/state
tool=$(basename "$0")
names="relay rain button flow door float pump unnamed"

present() { [ -e "$root/devices/gpiochip0" ]; }

quoted() { if [ "$1" = unnamed ]; then printf unnamed; else printf '"%s"' "$1"; fi; }

consumer() { cat "$state/consumer$1" 2>/dev/null; }

pull() { cat "$state/pull$1" 2>/dev/null || echo 0; }

# Takes lines for this process, all or none.
claim() {
  name=$1 error=$2; shift 2
  held=
  for line in "$@"; do
    if (set -C; echo "$name" > "$state/consumer$line") 2>/dev/null; then held="$held $line"
    else release $held; echo "$tool: $error: Device or resource busy" >&2; exit 1; fi
  done
}

release() { for line in "$@"; do rm -f "$state/consumer$line" "$state/out$line"; done; }
