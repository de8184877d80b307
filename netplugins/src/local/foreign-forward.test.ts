import assert from 'node:assert/strict';
import { drops, markedHandles, parseForwardChains, parseTable } from './foreign-forward.js';

describe('foreign forward chains', () => {
  const listing = `table ip filter {
	chain INPUT {
		type filter hook input priority filter; policy drop;
	}
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}
table inet swarmts {
	chain forward {
		type filter hook forward priority filter; policy accept;
	}
}
table ip6 filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}
table bridge filter {
	chain FORWARD {
		type filter hook forward priority filter; policy drop;
	}
}
table inet fw {
	chain fwd {
		type filter hook forward priority filter - 5; policy accept;
	}
}
`;
  const chains = parseForwardChains(listing, (table) => table === 'swarmts');

  it('are found with their policies, ours and those of bridges left out', () => {
    assert.deepEqual(chains, [
      { family: 'ip', table: 'filter', chain: 'FORWARD', policy: 'drop' },
      { family: 'ip6', table: 'filter', chain: 'FORWARD', policy: 'drop' },
      { family: 'inet', table: 'fw', chain: 'fwd', policy: 'accept' },
    ]);
  });

  it('drop by policy or by a rule', () => {
    const [byPolicy, , byRule] = chains;
    assert.ok(byPolicy && byRule);
    const rules = (...own: string[]) => new Map([['fwd', own]]);
    assert.ok(drops(byPolicy, rules()));
    assert.ok(!drops(byRule, rules('ct state established accept # handle 3')));
    assert.ok(drops(byRule, rules('counter packets 0 bytes 0 drop # handle 4')));
    assert.ok(drops(byRule, rules('reject with icmpx admin-prohibited # handle 4')));
    assert.ok(drops(byRule, rules('counter packets 0 bytes 0 xt target "REJECT" # handle 4')));
    assert.ok(!drops(byRule, rules('accept comment "we drop nothing here" # handle 5')));
    assert.ok(!drops(byRule, rules('log prefix "to drop " # handle 6')));
  });

  it('drop also where their rules lead to a chain that does', () => {
    const byRule = chains[2];
    assert.ok(byRule);
    const table = (fwd: string, ...more: string[]) =>
      parseTable(`table inet fw { # handle 9
	map zones {
		type ifname : verdict
	}

	chain fwd { # handle 1
		type filter hook forward priority filter - 5; policy accept;
		${fwd}
	}

	chain first { # handle 2
		counter packets 3 bytes 180 jump second # handle 12
${more.map((rule) => `\t\t${rule}\n`).join('')}	}

	chain second { # handle 3
		jump first # handle 13
		iifname "eth0" accept # handle 14
	}

	chain ufw-reject-forward { # handle 4
		reject with icmp type port-unreachable # handle 15
	}

	chain input {
		drop
	}
}
`);
    assert.ok(!drops(byRule, table('jump first # handle 10')), 'a loop that lets pass');
    assert.ok(drops(byRule, table('jump first # handle 10', 'goto ufw-reject-forward # handle 16')));
    assert.ok(
      drops(byRule, table('ct state vmap { established : accept, invalid : goto ufw-reject-forward } # handle 10')),
    );
    assert.ok(drops(byRule, table('iifname vmap @zones # handle 10')), 'who knows where to');
    assert.ok(!drops(byRule, table('iifname "jump ufw-reject-forward" accept # handle 10')));
  });

  it('give our rules back by their mark', () => {
    const rules = [
      'iifname "swl*" accept comment "swarmts: containers" # handle 7',
      'iifname "eth0" accept comment "theirs" # handle 8',
      'oifname "swl*" accept comment "swarmts: containers" # handle 9',
    ];
    assert.deepEqual(markedHandles(rules, 'swarmts: containers'), [7, 9]);
  });
});
