# Read before each script of checks, in the machine that it runs in: one line per check, and what a failed one printed.

# check NAME COMMAND...
check() {
  local name=$1 printed
  shift
  if printed=$("$@" 2>&1 </dev/null); then
    echo "ok      $name"
  else
    echo "FAILED  $name"
    sed 's/^/        | /' <<<"$printed"
  fi
}

# expect WHAT WANTED GOT; the others say what was seen instead, too.
expect() { [ "$2" = "$3" ] || { echo "$1: wanted '$2', got '$3'"; return 1; }; }
expect_match() { [[ "$3" =~ $2 ]] || { echo "$1: wanted /$2/, got '$3'"; return 1; }; }
refused() { if "$@"; then echo "not refused: $*"; return 1; fi; }

# eventually SECONDS COMMAND...: tries it until it works; what the last try printed is printed.
eventually() {
  local end=$((SECONDS + $1)) printed
  shift
  until printed=$("$@" 2>&1); do
    if [ "$SECONDS" -ge "$end" ]; then echo "$printed"; return 1; fi
    sleep 0.5
  done
}
