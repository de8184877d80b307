/** Mocha's spec reporter that also says what is tried again, and appends "passed failed skipped" to the file in SWARMTS_TEST_COUNTS. */
import { appendFileSync } from 'node:fs';
import mocha from 'mocha';

export default class CountingReporter extends mocha.reporters.Spec {
  constructor(runner, options) {
    super(runner, options);
    runner.on('retry', (test, error) => console.log(`    tried again: ${test.title}: ${error.message}`));
    runner.once('end', () => {
      const { passes, failures, pending } = this.stats;
      const file = process.env.SWARMTS_TEST_COUNTS;
      if (file) appendFileSync(file, `${passes} ${failures} ${pending}\n`);
    });
  }
}
