import assert from 'node:assert/strict';
import { EndpointMode, NetworkSpec } from '@swarmts/proto';
import { meshDocument } from './mesh-rules.js';
import { routerDocument } from './router-rules.js';
import { endpoint, port, service, testNetwork, testView } from './testing.js';

const ingress = (more = {}) => testView({ network: testNetwork(NetworkSpec.create({ ingress: true })), ...more });
const mesh = (view = ingress({ services: [service({ ports: [port()] })] })) =>
  meshDocument({ nodeId: 'a', ingress: view, dataPathPort: 4789, vteps: ['192.0.2.2'] });

describe('the rules of a router', () => {
  it('spread a virtual address over the tasks that are ready', () => {
    const text = routerDocument(testView(), 'a', ['10.1.0.5']);
    assert.match(text, /dnat ip to numgen random mod 2 map \{ 0 : 10\.1\.0\.5, 1 : 10\.1\.0\.6 \}/);
    assert.match(text, /elements = \{ 10\.1\.0\.2 : goto s_svc \}/);
  });

  it('leave out tasks that are not ready, whatever the order in which they became known', () => {
    const [a, b] = [endpoint('t1', 'a', '10.1.0.5'), endpoint('t2', 'b', '10.1.0.6')];
    const late = endpoint('t3', 'b', '10.1.0.7', { ready: false });
    const text = routerDocument(testView({ endpoints: [late, b, a] }), 'a', []);
    assert.doesNotMatch(text, /10\.1\.0\.7/);
    assert.equal(text, routerDocument(testView({ endpoints: [a, b, late] }), 'a', []));
  });

  it('reject for a service without tasks', () => {
    const text = routerDocument(testView({ endpoints: [] }), 'a', []);
    assert.match(text, /set empty4 \{ type ipv4_addr; elements = \{ 10\.1\.0\.2 \}; \}/);
    assert.doesNotMatch(text, /goto/);
  });

  it('know no virtual address with dnsrr', () => {
    const text = routerDocument(
      testView({ services: [service({ mode: EndpointMode.DNSRR, virtualIps: [] })] }),
      'a',
      [],
    );
    assert.doesNotMatch(text, /dnat/);
  });

  it('masquerade a task that reaches itself, and no other', () => {
    assert.match(routerDocument(testView(), 'a', ['10.1.0.5']), /set self4 \{[^}]*\{ 10\.1\.0\.5 \. 10\.1\.0\.5 \}/);
  });

  it('of the ingress network mark connections by the node that they came through', () => {
    const text = routerDocument(ingress(), 'a', []);
    assert.match(text, /peer_mark \{[^}]*02:53:57:52:00:03 : 0x00010003/);
    assert.match(text, /peer_zone \{[^}]*02:53:57:52:00:03 : 3/);
    assert.match(text, /table netdev swarmts/);
    assert.doesNotMatch(routerDocument(testView(), 'a', []), /netdev|peer_mark/);
  });
});

describe('the rules of published ports', () => {
  it('lead to all tasks, on every address of the node', () => {
    const text = mesh();
    assert.match(text, /tcp \. 8080 : goto p_tcp_8080/);
    assert.match(text, /numgen random mod 2 map \{ 0 : 10\.1\.0\.5 \. 80, 1 : 10\.1\.0\.6 \. 80 \}/);
    assert.doesNotMatch(text, /oifname "swlmesh0" masquerade/, 'the address of the client is kept');
  });

  it('keep to the tasks of the node where that is preferred and there are some', () => {
    const local = [service({ ports: [port({ preferLocal: true })] })];
    assert.match(mesh(ingress({ services: local })), /dnat ip to 10\.1\.0\.5:80/);
    const far = { services: local, endpoints: [endpoint('t2', 'b', '10.1.0.6')] };
    assert.match(mesh(ingress(far)), /dnat ip to 10\.1\.0\.6:80/);
  });

  it('reject while there is no task', () => {
    const text = mesh(ingress({ services: [service({ ports: [port()] })], endpoints: [] }));
    assert.match(text, /set empty \{ type inet_proto \. inet_service; elements = \{ tcp \. 8080 \}; \}/);
  });

  it('let members alone speak to the VXLAN port', () => {
    assert.match(mesh(), /udp dport 4789 fib daddr type local ip saddr != @vteps4 drop/);
    assert.match(mesh(), /set vteps4 \{ type ipv4_addr; elements = \{ 192\.0\.2\.2 \}; \}/);
  });
});
