/** The options of `run` one by one, with what comes of them in the container, and those of networks, volumes and services. */
import { type CliStep, IMAGE, step } from './step.js';

/** What a container is asked, by the options that it is made with; the golden file has the name of the option. */
const run = (name: string, options: string, ...command: readonly string[]): CliStep =>
  step(`option-${name}`, ['run', '--rm', ...options.split(' '), IMAGE, ...(command.length > 0 ? command : ['true'])]);

const shell = (text: string) => ['sh', '-c', text];
const STATUS = '/proc/self/status';

const limits: readonly CliStep[] = [
  run('blkio-weight-bad', '--blkio-weight 5'),
  run('cpu-period-bad', '--cpu-period 5'),
  run('cpu-quota-bad', '--cpu-quota 5'),
  run('cpus-and-quota', '--cpus 1.5 --cpu-quota 1000'),
  run('cpuset-cpus', '--cpuset-cpus 0', 'grep', 'Cpus_allowed_list', STATUS),
  run('cpuset-cpus-missing', '--cpuset-cpus 99'),
  run('cpuset-cpus-bad', '--cpuset-cpus nope'),
  run('cpuset-mems-missing', '--cpuset-mems 9'),
  run('memory-swap-less', '-m 64m --memory-swap 32m'),
  run('memory-swap-alone', '--memory-swap 32m'),
  run('memory-reservation-more', '-m 64m --memory-reservation 128m'),
  run('memory-swappiness-bad', '--memory-swappiness 101'),
  run('oom-score-adj', '--oom-score-adj 100', 'cat', '/proc/self/oom_score_adj'),
  run('oom-score-adj-bad', '--oom-score-adj 5000'),
  run('shm-size', '--shm-size 1m', ...shell('df /dev/shm | tail -1')),
  run('ulimit', '--ulimit nofile=100:200 --ulimit core=0', ...shell('ulimit -n; ulimit -Hn; ulimit -c')),
  run('ulimit-bad', '--ulimit nofile=300:200'),
];

const identity: readonly CliStep[] = [
  run('cap-add', '--cap-add NET_ADMIN --cap-drop CHOWN', 'grep', 'CapEff', STATUS),
  run('cap-drop-all', '--cap-drop all --cap-add chown', 'grep', 'CapEff', STATUS),
  run('cap-of-user', '--user 5', 'grep', 'Cap', STATUS),
  run('cap-bad', '--cap-add NOPE'),
  run('group-add', '--group-add 7', 'id'),
  run('user', '-u 5:6', 'id'),
  run('user-missing', '-u nope', 'id'),
  run('user-too-large', '-u 99999999999', 'id'),
  run('group-alone', '-u :5', 'id'),
  run('no-new-privileges', '--security-opt no-new-privileges', 'grep', 'NoNew', STATUS),
  run('seccomp-unconfined', '--security-opt seccomp=unconfined', 'grep', 'Seccomp:', STATUS),
  run('seccomp-default', '--init', 'grep', 'Seccomp:', STATUS),
  run('userns-bad', '--userns nope'),
  run('uts-bad', '--uts nope'),
  run('hostname', '--hostname h --domainname d.e', ...shell('hostname; cat /proc/sys/kernel/domainname')),
];

const files: readonly CliStep[] = [
  run('device', '--device /dev/null:/dev/x', 'ls', '/dev/x'),
  run('device-read-only', '--device /dev/null:/dev/x:r', ...shell('cat /dev/x; echo a > /dev/x')),
  run('device-missing', '--device /dev/nope'),
  run('device-cgroup-rule-bad', '--device-cgroup-rule nope'),
  run('read-only', '--read-only', ...shell('echo a > /x')),
  run(
    'tmpfs',
    '--read-only --tmpfs /t:size=1m,mode=700',
    ...shell('echo a > /t/x && df /t | tail -1 && stat -c %a /t'),
  ),
  run('tmpfs-relative', '--tmpfs t'),
  run('mount-tmpfs', '--mount type=tmpfs,target=/m,tmpfs-size=1m,tmpfs-mode=1770', 'stat', '-c', '%a', '/m'),
  run('mount-bind-missing', '--mount type=bind,source=/nope,target=/m'),
  run('mount-bind-read-only', '--mount type=bind,source=/tmp,target=/m,readonly', 'touch', '/m/x'),
  run('mount-bind-propagation-bad', '--mount type=bind,source=/tmp,target=/m,bind-propagation=nope'),
  run('mount-bind-root', '--mount type=bind,source=/tmp,target=/'),
  run('mount-volume-slash', '--mount type=volume,source=a/b,target=/m'),
  run('mount-twice', '--mount type=volume,target=/m --mount type=volume,target=/m'),
  run('mount-kind-bad', '--mount type=nope,target=/m'),
  run('volumes-from-missing', '--volumes-from nope'),
  run('workdir', '-w /a/b', 'pwd'),
  run('workdir-relative', '-w rel', 'pwd'),
];

const network: readonly CliStep[] = [
  run('add-host', '--add-host a:1.2.3.4', 'grep', '1.2.3.4', '/etc/hosts'),
  run('mac-address', '--mac-address 02:00:00:00:00:01', 'cat', '/sys/class/net/eth0/address'),
  run('network-none', '--network none', 'ls', '/sys/class/net'),
  run('network-container-missing', '--network container:nope'),
  run('pid-container-missing', '--pid container:nope'),
  run('ipc-container-missing', '--ipc container:nope'),
  run('link-missing', '--link nope'),
  run('alias-on-default', '--network bridge --network-alias x'),
  run('sysctl', '--sysctl net.ipv4.ip_forward=1', 'cat', '/proc/sys/net/ipv4/ip_forward'),
  run('sysctl-not-namespaced', '--sysctl kernel.hostname=x'),
];

const others: readonly CliStep[] = [
  run('attach-stderr', '-a stderr', ...shell('echo o; echo e >&2')),
  run('entrypoint', '--entrypoint echo', 'a', 'b'),
  run('env', '-e B= -e C=1', ...shell('echo "$B|$C"')),
  run('health-interval-bad', '--health-interval 1us'),
  run('health-retries-bad', '--health-retries=-1'),
  run('init', '--init', 'cat', '/proc/1/comm'),
  run('isolation-bad', '--isolation hyperv'),
  run('log-driver-none', '--log-driver none', 'echo', 'a'),
  run('log-opt-bad', '--log-opt nope=1', 'echo', 'a'),
  run('restart-and-rm', '--restart always'),
  run('terminal', '-t', 'tty'),
];

const services: readonly CliStep[] = [
  step('option-swarm-init', 'swarm init', { prepares: true }),
  step(
    'option-service-create',
    [
      ...`service create -q --no-resolve-image --name full --cap-add NET_ADMIN --cap-drop CHOWN --container-label cl=v`.split(
        ' ',
      ),
      ...`--dns 1.2.3.4 --dns-option ndots:2 --dns-search x.y -e A=b --entrypoint sh --group 7 --health-cmd true`.split(
        ' ',
      ),
      ...`--host h:1.2.3.4 --hostname t-{{.Task.Slot}} --init -l a=b --limit-cpu 0.5 --limit-memory 64m --limit-pids 50`.split(
        ' ',
      ),
      ...`--log-driver json-file --log-opt max-size=1m --mount type=tmpfs,target=/m,tmpfs-size=1m --read-only`.split(
        ' ',
      ),
      ...`--replicas-max-per-node 2 --reserve-cpu 0.1 --reserve-memory 16m --restart-condition on-failure`.split(' '),
      ...`--restart-delay 1s --restart-max-attempts 2 --restart-window 10s --rollback-parallelism 2 --stop-signal USR1`.split(
        ' ',
      ),
      ...`--sysctl net.ipv4.ip_forward=1 -t --ulimit nofile=100:200 --update-delay 1s --update-order start-first`.split(
        ' ',
      ),
      ...`-d -u 5 -w /w --stop-grace-period 0s ${IMAGE}`.split(' '),
      '-c',
      'sleep 1000',
    ],
    { prepares: true },
  ),
  step('option-service-inspect', ['service', 'inspect', 'full', '--format', '{{json .Spec}}']),
  step(
    'option-service-update',
    [
      ...`service update -q -d --args x --cap-add SYS_TIME --cap-drop NET_ADMIN --constraint-add node.role==manager`.split(
        ' ',
      ),
      ...`--container-label-add q=r --container-label-rm cl --dns-add 5.6.7.8 --dns-rm 1.2.3.4 --dns-option-rm ndots:2`.split(
        ' ',
      ),
      ...`--dns-search-rm x.y --env-add C=d --env-rm A --group-add 9 --group-rm 7 --host-add i:5.6.7.8 --host-rm h:1.2.3.4`.split(
        ' ',
      ),
      ...`--hostname fixed --init=false --label-add z=y --label-rm a --limit-pids 20 --log-driver none --mount-rm /m`.split(
        ' ',
      ),
      ...`--publish-add 8099:80 --read-only=false --restart-condition any --stop-signal TERM --sysctl-rm net.ipv4.ip_forward`.split(
        ' ',
      ),
      ...`--tty=false --ulimit-add nproc=9 --ulimit-rm nofile --user 0 --workdir /x full`.split(' '),
    ],
    { prepares: true },
  ),
  step('option-service-updated', ['service', 'inspect', 'full', '--format', '{{json .Spec}}']),
  step('option-service-ls-filter', ['service', 'ls', '--filter', 'label=z=y', '--format', '{{.Name}} {{.Mode}}']),
  step('option-service-ps-filter', 'service ps --filter node=nope full'),
  step('option-service-scale-bad', 'service scale -d full=nope'),
  step('option-service-mode-bad', `service create -q -d --no-resolve-image --mode global --replicas 2 ${IMAGE}`),
  step('option-service-job-bad', `service create -q -d --no-resolve-image --max-concurrent 1 ${IMAGE} true`),
  step('option-overlay-local', 'network create -d overlay --scope local o3'),
  step('option-swarm-update', 'swarm update --cert-expiry 48h --dispatcher-heartbeat 3s --task-history-limit 2'),
  step('option-swarm-leave', 'swarm leave --force'),
];

export const optionSteps: readonly CliStep[] = [...limits, ...identity, ...files, ...network, ...others, ...services];
