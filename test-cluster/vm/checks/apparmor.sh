# AppArmor as Debian has it: containers are confined by our profile, by one of the user's, or by none if that was asked for.
docker() { command docker -H unix:///run/swarmts/swarmts.sock "$@"; }
label_of() { cat "/proc/$(docker inspect -f '{{.State.Pid}}' "$1")/attr/current"; }
denied() { refused docker exec "$1" sh -c "$2" && expect_match 'said' 'Permission denied' "$(docker exec "$1" sh -c "$2" 2>&1)"; }

kernel_has_it() { expect enabled Y "$(cat /sys/module/apparmor/parameters/enabled)"; }
is_loaded() { grep -qx 'swarmts-default (enforce)' /sys/kernel/security/apparmor/profiles; }
info_says() { expect_match info 'name=apparmor' "$(docker info -f '{{.SecurityOptions}}')"; }
doctor_says() { expect_match doctor 'AppArmor +.*swarmts-default' "$(swarmts doctor)"; }
confined() { docker run -d --name confined --cap-add ALL busybox sleep 1000 && expect label 'swarmts-default (enforce)' "$(label_of confined)"; }
inspect_says() { expect inspect swarmts-default "$(docker inspect -f '{{.AppArmorProfile}}' confined)"; }
works_inside() { docker exec confined sh -ec 'echo a >/tmp/a; cat /tmp/a /proc/1/status >/dev/null; ls / >/dev/null; kill -0 1; echo 1000 >/proc/self/oom_score_adj'; }
exec_too() { expect label 'swarmts-default (enforce)' "$(docker exec confined cat /proc/self/attr/current)"; }
# With every capability the profile is all that stands in the way.
no_mount() { denied confined 'mount -t tmpfs none /mnt 2>&1 || mount -t tmpfs none /tmp'; }
unconfined() { docker run -d --name free --security-opt apparmor=unconfined busybox sleep 1000 && expect label unconfined "$(label_of free)"; }
mount_allowed() { docker run --rm --cap-add SYS_ADMIN --security-opt apparmor=unconfined busybox mount -t tmpfs none /tmp; }
privileged() { docker run --rm --privileged busybox cat /proc/self/attr/current | grep -qx unconfined; }
users_own() {
  printf 'profile users-own flags=(attach_disconnected,mediate_deleted) {\n file,\n network,\n capability,\n signal,\n deny /etc/** w,\n}\n' | apparmor_parser -Kr
  docker run -d --name own --security-opt apparmor=users-own busybox sleep 1000 && expect label 'users-own (enforce)' "$(label_of own)" && denied own 'echo a >/etc/a'
}
unknown() { refused docker run --rm --security-opt apparmor=no-such-profile busybox true; }
service() {
  swarmts init --advertise-addr 127.0.0.1 >/dev/null && swarmts service create -q --name confined-task --detach=false busybox sleep 1000
  local id
  id=$(docker ps -qf name=confined-task)
  expect label 'swarmts-default (enforce)' "$(label_of "$id")"
}
signals() { docker stop -t 5 confined && docker kill free; }
# A distribution's upgrade takes away profiles that lie in no file of it.
comes_back() {
  docker rm -f confined free own && apparmor_parser -R <(echo 'profile swarmts-default {}') && confined
}
built() { printf 'FROM busybox\nRUN cat /proc/self/attr/current >/label\n' | DOCKER_BUILDKIT=0 docker build -q -t labelled - && docker run --rm labelled grep -qx 'swarmts-default (enforce)' /label; }
leave() { swarmts leave --force; docker rm -f confined; }

check 'AppArmor is on' kernel_has_it
check 'our profile is loaded and enforced' is_loaded
check 'info tells of it' info_says
check 'doctor tells of it' doctor_says
check 'a container is confined by it' confined
check 'inspect tells of it' inspect_says
check 'exec is confined by it' exec_too
check 'what programs need is allowed' works_inside
check 'a mount is denied, with every capability' no_mount
check 'unconfined, if asked for' unconfined
check 'a mount is allowed then' mount_allowed
check 'privileged containers are not confined' privileged
check 'a profile of the user' users_own
check 'one that is not loaded is refused' unknown
check 'tasks of services are confined' service
check 'steps of a build are confined' built
check 'stop and kill get through' signals
check 'a profile that was taken away is loaded again' comes_back
leave >/dev/null 2>&1
