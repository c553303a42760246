"""What every test below tests/ shares: how a run sums itself up for ./dev test.

`NOT RUN: name (why)` for what was skipped, `FAILED: name` for what failed, last `N passed, N failed, N skipped`.
"""


def pytest_terminal_summary(terminalreporter):
    stats = terminalreporter.stats
    for report in stats.get("skipped", []):
        why = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        terminalreporter.write_line(f"NOT RUN: {report.nodeid} ({why.removeprefix('Skipped: ')})")
    failed = stats.get("failed", []) + stats.get("error", [])
    for report in failed:
        terminalreporter.write_line(f"FAILED: {report.nodeid}")
    passed, skipped = len(stats.get("passed", [])), len(stats.get("skipped", []))
    terminalreporter.write_line(f"{passed} passed, {len(failed)} failed, {skipped} skipped")
