/** Where the docker commands print something else for us than for dockerd 20.10, and why. */
export const knownDifferences: Readonly<Record<string, string>> = {
  'build-unknown': 'dockerd of later releases writes it so',
  'config-create-again': 'dockerd of later releases writes it so',
  'events-bad-filter': 'dockerd of later releases writes it so',
  'exec-missing-command': 'the words, and the exit code, of crun',
  'exec-paused': 'dockerd of later releases writes it so',
  'exec-stopped': 'dockerd of later releases writes it so',
  'image-inspect-missing': 'dockerd of later releases writes it so',
  'import-nonsense': 'says what was wrong with which input',
  'kill-bad-signal': 'dockerd of later releases writes it so',
  'kill-stopped': 'dockerd of later releases writes it so',
  'network-connect-again': 'names the network by its id, and the container',
  'network-create-bad-driver': 'says what was wrong with which input, without the prefix of gRPC',
  'network-create-bad-subnet': 'dockerd of later releases writes it so',
  'network-create-overlap': 'dockerd of later releases writes it so',
  'network-inspect': 'the gateway that was chosen is shown',
  'network-rm-used': 'dockerd of later releases writes it so',
  'node-demote-last': '`self` is a name of the node in every operation',
  'node-inspect': '`self` is a name of the node in every operation',
  'node-ls-outside': 'names our own command',
  'node-update': '`self` is a name of the node in every operation',
  'pause-again': 'dockerd of later releases writes it so',
  'plugin-ls-bad-filter': 'dockerd of later releases writes it so',
  'ps-bad-filter': 'dockerd of later releases writes it so',
  'ps-bad-status': 'dockerd of later releases writes it so',
  'ps-format': 'steps of a build have names of their own',
  'ps-is-task-bad': 'dockerd of later releases writes it so',
  'rm-running': 'dockerd of later releases writes it so',
  'run-missing-command': 'the words, and the exit code, of crun',
  'search-bad': 'there is no search to check the limit for',
  'secret-create-again': 'dockerd of later releases writes it so',
  'secret-create-bad-name': 'says what was wrong with which input, without the prefix of gRPC',
  'secret-create-empty': 'says what was wrong with which input, without the prefix of gRPC',
  'service-create-bad-constraint': 'says what was wrong with which input, without the prefix of gRPC',
  'service-create-bad-image': 'says what was wrong with which input, without the prefix of gRPC',
  'service-create-bad-memory': 'says what was wrong with which input, without the prefix of gRPC',
  'service-create-bad-name': 'says what was wrong with which input, without the prefix of gRPC',
  'service-ls-outside': 'names our own command',
  'swarm-init-again': 'names our own command',
  'swarm-join-bad-token': 'says what was wrong with which input, without the prefix of gRPC',
  'unpause-again': 'dockerd of later releases writes it so',
};

/** What we say to bad requests where it is not what dockerd 20.10 says. */
export const knownRefusals: Readonly<
  Record<string, { readonly status: number; readonly message: string; readonly why: string }>
> = {
  'POST /containers/create {"Image":"","Cmd":["true"]}': {
    status: 400,
    message: 'No image was specified',
    why: 'dockerd takes it, and fails when the container starts',
  },
  'POST /containers/create {"Image":"UPPER","Cmd":["true"]}': {
    status: 400,
    message: 'invalid reference format: repository name (library/UPPER) must be lowercase',
    why: 'names what was not in lower case',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"StopSignal":"NOPE"}': {
    status: 400,
    message: 'invalid signal: NOPE',
    why: 'dockerd of later releases writes it so',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"ExposedPorts":{"x/tcp":{}}}': {
    status: 400,
    message: 'invalid port specification: "x/tcp"',
    why: 'dockerd takes it, and fails when the container starts',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"NanoCpus":-1}}': {
    status: 400,
    message: 'range of CPUs is from 0.01 to 2.00, as there are only 2 CPUs available',
    why: 'dockerd of later releases writes it so',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"nope"}}}':
    {
      status: 400,
      message:
        "invalid restart policy: unknown policy 'nope'; use one of 'no', 'always', 'on-failure', or 'unless-stopped'",
      why: 'dockerd of later releases writes it so',
    },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"RestartPolicy":{"Name":"always","MaximumRetryCount":3}}}':
    {
      status: 400,
      message: "invalid restart policy: maximum retry count can only be used with 'on-failure'",
      why: 'dockerd of later releases writes it so',
    },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"Binds":["/a:b:c:d"]}}': {
    status: 400,
    message: "invalid volume specification: '/a:b:c:d'",
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"Binds":["/a:relative"]}}': {
    status: 400,
    message:
      "invalid volume specification: '/a:relative': invalid mount config for type \"bind\": invalid mount path: 'relative' mount path must be absolute",
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"Binds":["/a:/b:nope"]}}': {
    status: 400,
    message: 'invalid mode: nope',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"PortBindings":{"80/nope":[{"HostPort":"80"}]}}}':
    {
      status: 400,
      message: 'invalid port specification: "80/nope"',
      why: 'dockerd takes it, and fails when the container starts',
    },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"LogConfig":{"Type":"nope"}}}':
    {
      status: 400,
      message: "logger: no log driver named 'nope' is registered",
      why: 'dockerd of later releases writes it so',
    },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"Runtime":"nope"}}': {
    status: 400,
    message: 'unknown or invalid runtime name: nope',
    why: 'dockerd of later releases writes it so',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"Ulimits":[{"Name":"nope","Soft":1,"Hard":1}]}}':
    { status: 400, message: 'invalid ulimit type: nope', why: 'dockerd takes it, and fails when the container starts' },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"IpcMode":"nope"}}': {
    status: 400,
    message: 'invalid IPC mode: nope',
    why: 'dockerd takes it, and fails when the container starts',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"PidMode":"nope"}}': {
    status: 400,
    message: 'invalid PID mode: nope',
    why: 'dockerd takes it, and fails when the container starts',
  },
  'POST /containers/create {"Image":"registry:5000/busybox","Cmd":["true"],"HostConfig":{"SecurityOpt":["nope"]}}': {
    status: 400,
    message: 'invalid --security-opt 2: "nope"',
    why: 'a bad request is no failure of the daemon',
  },
  'GET /containers/json?filters={': {
    status: 400,
    message: "invalid filters: Expected property name or '}' in JSON at position 1",
    why: 'a bad request is no failure of the daemon',
  },
  'GET /containers/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D': {
    status: 400,
    message: "invalid filter 'nope'",
    why: 'dockerd of later releases writes it so',
  },
  'GET /containers/json?limit=x': {
    status: 400,
    message: 'strconv.Atoi: parsing "x": invalid syntax',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/nope/kill?signal=NOPE': {
    status: 400,
    message: 'cannot kill container: nope: invalid signal: NOPE',
    why: 'dockerd of later releases writes it so',
  },
  'POST /containers/nope/wait?condition=nope': {
    status: 400,
    message: 'invalid condition: "nope"',
    why: 'what is checked first differs',
  },
  'POST /containers/nope/resize?h=x&w=1': {
    status: 404,
    message: 'No such container: nope',
    why: 'what is checked first differs',
  },
  'POST /containers/create {': {
    status: 400,
    message: "invalid JSON: Expected property name or '}' in JSON at position 1",
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create []': {
    status: 400,
    message: 'invalid JSON: the request body must be an object, not array',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create {"Image": 1}': {
    status: 400,
    message: 'invalid JSON: Image must be a string, not number',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /containers/create {"Cmd": {"a": 1}}': {
    status: 400,
    message: 'No image was specified',
    why: 'a bad request is no failure of the daemon',
  },
  'GET /images/nope/json': {
    status: 404,
    message: 'No such image: nope:latest',
    why: 'dockerd of later releases writes it so',
  },
  'GET /images/json?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D': {
    status: 400,
    message: "invalid filter 'nope'",
    why: 'dockerd of later releases writes it so',
  },
  'POST /images/nope/push': {
    status: 200,
    message:
      '{"status":"The push refers to repository [docker.io/library/nope]"}\r\n{"errorDetail":{"message":"An image does not exist locally with the tag: nope"},"error":"An image does not exist locally with the tag: nope"}',
    why: 'what is checked first differs',
  },
  'POST /images/create?fromImage=UPPER': {
    status: 400,
    message: 'invalid reference format: repository name (library/UPPER) must be lowercase',
    why: 'names what was not in lower case',
  },
  'GET /volumes?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D': {
    status: 400,
    message: "invalid filter 'nope'",
    why: 'dockerd of later releases writes it so',
  },
  'GET /networks?filters=%7B%22nope%22%3A%5B%22x%22%5D%7D': {
    status: 400,
    message: "invalid filter 'nope'",
    why: 'dockerd of later releases writes it so',
  },
  'POST /networks/create {}': {
    status: 400,
    message: 'invalid name: name is empty',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /networks/create {"Name":"x","IPAM":{"Config":[{"Subnet":"nope"}]}}': {
    status: 400,
    message: 'invalid network config:\ninvalid subnet nope: invalid CIDR block notation',
    why: 'a bad request is no failure of the daemon',
  },
  'POST /swarm/unlock {"UnlockKey":"x"}': {
    status: 409,
    message: 'swarm is not locked',
    why: 'what is checked first differs',
  },
  'GET /swarm': {
    status: 503,
    message:
      'This node is not a swarm manager. Use "swarmts swarm init" or "swarmts swarm join" to connect this node to swarm and try again.',
    why: 'names our own command',
  },
  'GET /nodes': {
    status: 503,
    message:
      'This node is not a swarm manager. Use "swarmts swarm init" or "swarmts swarm join" to connect this node to swarm and try again.',
    why: 'names our own command',
  },
  'GET /tasks': {
    status: 503,
    message:
      'This node is not a swarm manager. Use "swarmts swarm init" or "swarmts swarm join" to connect this node to swarm and try again.',
    why: 'names our own command',
  },
  'GET /secrets': {
    status: 503,
    message:
      'This node is not a swarm manager. Use "swarmts swarm init" or "swarmts swarm join" to connect this node to swarm and try again.',
    why: 'names our own command',
  },
  'GET /distribution/UPPER/json': {
    status: 400,
    message: 'invalid reference format: repository name (library/UPPER) must be lowercase',
    why: 'names what was not in lower case',
  },
  'POST /info': { status: 405, message: 'method POST not allowed', why: 'a path that there is says so' },
  'GET /v1.99/info': {
    status: 400,
    message: 'client version 1.99 is too new. Maximum supported API version is 1.55',
    why: 'other versions are spoken',
  },
  'GET /v1.1/info': {
    status: 400,
    message:
      'client version 1.1 is too old. Minimum supported API version is 1.24, please upgrade your client to a newer version',
    why: 'other versions are spoken',
  },
  'GET /events?filters={': {
    status: 400,
    message: "invalid filters: Expected property name or '}' in JSON at position 1",
    why: 'a bad request is no failure of the daemon',
  },
  'GET /events?since=nope': {
    status: 400,
    message: 'invalid timestamp "nope"',
    why: 'a bad request is no failure of the daemon',
  },
};
