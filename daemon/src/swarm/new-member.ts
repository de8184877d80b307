/** What a node that joins a swarm gets from its managers: a certificate, with its id and role, and with that the state to begin with. */
import { networkInterfaces } from 'node:os';
import type { JoinRequest } from '@swarmts/api';
import { Credentials, joinCluster } from '@swarmts/manager';
import { NodeRole } from '@swarmts/proto';
import { joinHostPort, resolveListenAddr } from './addresses.js';
import { askManagers } from './join-request.js';
import { type NodeFiles, newRaftId } from './new-cluster.js';
import type { NodeState } from './node-state.js';

export interface NewMember {
  readonly state: NodeState;
  readonly files: NodeFiles;
}

/** Throws SwarmtsError; nothing is written then. */
export async function newMember(r: JoinRequest, signal: AbortSignal): Promise<NewMember> {
  const interfaces = networkInterfaces();
  const listen = resolveListenAddr(r.listenAddr, interfaces);
  const asked = await askManagers(r, { listen, interfaces }, (manager) =>
    joinCluster(manager, r.joinToken, r.availability, signal),
  );
  const { remote, advertise, dataPathAddr, answer: files } = asked;
  const isManager = new Credentials(files).identity.role === NodeRole.MANAGER;
  const state = {
    listenAddr: joinHostPort(listen),
    advertiseAddr: joinHostPort(advertise),
    dataPathAddr,
    raftId: isManager ? newRaftId() : 0,
    managers: [{ nodeId: '', addr: remote }],
    joinAddr: isManager ? remote : '',
    bootstrap: '',
  };
  return { state, files };
}
