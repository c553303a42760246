/* count_reporter.ts - the last line of a test run: "N passed, N failed", as every runner here ends. */
import type { Reporter, TestModule } from 'vitest/node';

export default class CountReporter implements Reporter {
    onTestRunEnd(modules: ReadonlyArray<TestModule>): void {
        let passed = 0;
        let failed = 0;
        for (const module of modules) {
            if (module.state() === 'failed' && [...module.children.allTests()].length === 0)
                failed++; /* a file that did not even load */
            for (const test of module.children.allTests()) {
                if (test.result().state === 'passed') passed++;
                if (test.result().state === 'failed') failed++;
            }
        }
        console.log(`${passed} passed, ${failed} failed`);
    }
}
