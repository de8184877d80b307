# host
# The daemon as a unit of systemd: containers outlive it, and come back after a reboot of the machine.
m1() { on m1 "$@" </dev/null; }
docker() { m1 docker -H unix:///run/swarmts/swarmts.sock "$@"; }
pids() { docker inspect -f '{{.State.Pid}}' kept plain "\$(docker -H unix:///run/swarmts/swarmts.sock ps -qf name=web)"; }
main_pid() { m1 systemctl show -P MainPID swarmtsd; }
daemon_answers() { docker version >/dev/null; }

is_active() { expect unit 'active enabled' "$(m1 'systemctl is-active swarmtsd; systemctl is-enabled swarmtsd' | xargs)"; }
doctor_agrees() { m1 swarmts doctor; }
docker_client() { expect_match version 'Engine' "$(docker version)"; }
info_warns_of_nothing() { expect warnings '' "$(docker info 2>&1 | grep -i warning)"; }
starts() {
  docker run -d --name kept --restart always busybox sleep 100000 && docker run -d --name plain busybox sleep 100000 && docker run -d --name brief busybox sh -c '"sleep 20; exit 7"' &&
    m1 swarmts init --advertise-addr 10.77.0.1 && m1 swarmts service create -q --detach=false --name web busybox sleep 100000
}
# same_after COMMAND...: the pids of the containers, when the daemon answers again.
same_after() {
  local before main
  before=$(pids)
  main=$(main_pid)
  m1 "$@"
  until_true 300 daemon_answers && expect pids "$before" "$(pids)" && refused test "$main" = "$(main_pid)"
}
without_daemon() {
  local before
  before=$(pids)
  m1 systemctl stop swarmtsd && m1 kill -0 $before && sleep 20 && m1 systemctl start swarmtsd && until_true 300 daemon_answers && expect pids "$before" "$(pids)"
}
ended_meanwhile() { expect 'exit code' 7 "$(docker inspect -f '{{.State.ExitCode}}' brief)"; }
reloads() {
  local main
  main=$(main_pid)
  m1 systemctl reload swarmtsd && daemon_answers && expect 'main pid' "$main" "$(main_pid)"
}
comes_back() { reboot m1 && until_true 300 daemon_answers; }
state_is() { expect "state of $1" "$2" "$(docker inspect -f '{{.State.Status}}' "$1")"; }
task_runs() { expect 'replicas of web' 1/1 "$(docker service ls --format '"{{.Replicas}}"')"; }
restarts_are_told() { expect 'policy' always "$(docker inspect -f '{{.HostConfig.RestartPolicy.Name}}' kept)"; }
nothing_left() { docker rm -f kept plain brief && m1 swarmts leave --force; }

check 'the unit is active and enabled' is_active
check 'doctor finds nothing' doctor_agrees
check "Debian's docker command speaks with it" docker_client
check 'info warns of nothing' info_warns_of_nothing
check 'containers and a service start' starts
check 'containers keep their pids over a restart of the unit' same_after systemctl restart swarmtsd
check 'containers keep their pids over kill -9 of the daemon' same_after 'kill -9 $(systemctl show -P MainPID swarmtsd)'
check 'containers keep their pids while the unit is stopped' without_daemon
check 'what ended meanwhile has its exit code' ended_meanwhile
check 'a reload' reloads
check 'the machine reboots, and the daemon is back' comes_back
check 'a container with --restart always runs' eventually 120 state_is kept running
check 'one without a policy does not' state_is plain exited
check 'the task of the service runs' eventually 240 task_runs
check 'the swarm and containers are taken away' nothing_left
