# The log driver journald with a journal.
docker() { command docker -H unix:///run/swarmts/swarmts.sock "$@"; }
journal() { journalctl --no-pager -o "${2:-cat}" "CONTAINER_NAME=$1"; }

runs() { docker run --name talker --log-driver journald --log-opt tag=vm/{{.Name}} busybox sh -c 'echo out; echo err >&2'; }
is_there() { expect journal 'err out' "$(journal talker | sort | xargs)"; }
has_fields() {
  local fields
  fields=$(journal talker export)
  expect_match fields "CONTAINER_ID_FULL=$(docker inspect -f '{{.Id}}' talker)" "$fields" && expect_match tag 'CONTAINER_TAG=vm/talker' "$fields" && expect_match priority 'PRIORITY=3' "$fields"
}
reads_back() { expect logs 'err out' "$(docker logs talker 2>&1 | sort | xargs)"; }
keeps_streams() { expect stdout out "$(docker logs talker 2>/dev/null)" && expect stderr err "$(docker logs talker 2>&1 >/dev/null)"; }
follows() {
  docker run -d --name counter --log-driver journald busybox sh -c 'for i in $(seq 5); do echo line $i; sleep 1; done'
  expect followed 5 "$(docker logs -f counter | grep -c line)"
}
while_down() {
  docker run -d --name through --log-driver journald busybox sh -c 'for i in $(seq 10); do echo line $i; sleep 1; done'
  systemctl stop swarmtsd; sleep 12; systemctl start swarmtsd
  eventually 300 all_lines
}
all_lines() { expect lines 10 "$(journal through | grep -c line)"; }
info_lists() { expect_match plugins journald "$(docker info -f '{{.Plugins.Log}}')"; }
swept() { docker rm -f talker counter through; }

check 'info lists journald' info_lists
check 'a container logs to it' runs
check 'its lines are in the journal' eventually 20 is_there
check 'with the fields that Docker writes' has_fields
check 'logs reads them back' eventually 20 reads_back
check 'and tells the streams apart' keeps_streams
check 'logs -f follows to the end' follows
check 'no line is lost while the daemon is down' while_down
swept >/dev/null 2>&1
