import assert from 'node:assert/strict';
import { elementsOf, parseListing, sameElements } from './ruleset.js';

describe('the listing of the table', () => {
  const listing = `table inet swarmts {
	map published {
		type inet_proto . inet_service : ipv4_addr . inet_service
		elements = { tcp . 80 : 172.30.0.2 . 8080,
			     udp . 53 : 172.30.0.3 . 53 }
	}

	set self {
		type ipv4_addr . ipv4_addr
	}

	chain swarmts-user {
		ip saddr 10.0.0.0/8 drop
	}

	chain guard {
		type filter hook prerouting priority raw; policy accept;
	}
}
`;

  it('is taken apart into layout and elements, the operator chain left out', () => {
    const parsed = parseListing(listing);
    assert.deepEqual(parsed.elements.published, ['tcp . 80 : 172.30.0.2 . 8080', 'udp . 53 : 172.30.0.3 . 53']);
    assert.deepEqual(parsed.elements.self, []);
    assert.ok(!parsed.layout.includes('10.0.0.0/8'));
    assert.ok(!parsed.layout.includes('8080'));
    assert.ok(parsed.layout.includes('hook prerouting priority raw'));
    const other = listing.replace('ip saddr 10.0.0.0/8 drop', 'accept').replace('tcp . 80', 'tcp . 81');
    assert.equal(parseListing(other).layout, parsed.layout);
    assert.ok(!sameElements(parseListing(other).elements, parsed.elements));
  });

  it('has the elements in our own words', () => {
    const port = (protocol: 'tcp' | 'udp', publishedPort: number, targetPort: number) => ({
      protocol,
      hostIp: '',
      publishedPort,
      targetPort,
    });
    const elements = elementsOf([
      { address: '172.30.0.2', ports: [port('tcp', 80, 8080)] },
      { address: '172.30.0.3', ports: [port('udp', 53, 53)] },
    ]);
    assert.deepEqual(new Set(elements.published), new Set(parseListing(listing).elements.published));
  });
});
