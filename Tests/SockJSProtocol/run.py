"""Runs the suite of the SockJS protocol, version 0.3.3, against a server, and sums up.

    run.py SUITE URL [SUMMARY]

SUITE is the protocol's own `sockjs-protocol-0.3.3.py`, which is written for Python 2: it is converted in memory, and
given clients of ours for those that it imports. URL is where the services of `SockJSTestServer` are. The summary is
written as Markdown. Ends with 1 if a test failed that should not.
"""

import os
import sys
import types
import unittest
import warnings

import http_client
import websocket_client

warnings.simplefilter("ignore")
from lib2to3 import refactor  # noqa: E402  (in Python up to 3.12)

# What is not served, and so fails. Each line is a promise that everything else passes.
NOT_SERVED = {
    "WebsocketHixie76.test_haproxy":
        "asks for hixie-76, a draft of 2010 that no browser has spoken since 2012",
    "WebsocketHybi10.test_headersSanity":
        "asks for the drafts 7 and 8 beside RFC 6455 (13), which is served",
    "WebsocketHybi10.test_firefox_602_connection_header":
        "asks for draft 7 with `Connection: keep-alive, Upgrade`, which is served with version 13",
}


def suite(path):
    """The suite's module."""
    tool = refactor.RefactoringTool(refactor.get_fixers_from_package("lib2to3.fixes"))
    with open(path, encoding="utf-8") as file:
        text = str(tool.refactor_string(file.read() + "\n", path))
    clients = types.ModuleType("utils_03")
    for name in ("GET", "POST", "OPTIONS", "GET_async", "POST_async", "old_POST_async", "RawHttpConnection"):
        setattr(clients, name, getattr(http_client, name))
    clients.WebSocket8Client = websocket_client.WebSocketClient
    sys.modules.update(utils_03=clients, unittest2=unittest, websocket=websocket_client)
    module = types.ModuleType("sockjs_protocol")
    exec(compile(text, path, "exec"), module.__dict__)
    return module


class Result(unittest.TextTestResult):
    """Keeps what became of each test."""

    def __init__(self, *arguments):
        super().__init__(*arguments)
        self.outcomes = {}

    def _name(self, test):
        return ".".join(test.id().split(".")[-2:])

    def addSuccess(self, test):
        super().addSuccess(test)
        self.outcomes[self._name(test)] = True

    def addFailure(self, test, error):
        self._failed(super().addFailure, test, error)

    def addError(self, test, error):
        self._failed(super().addError, test, error)

    def _failed(self, report, test, error):
        self.outcomes[self._name(test)] = False
        if self._name(test) not in NOT_SERVED:
            report(test, error)


def summary(outcomes):
    passed = sum(outcomes.values())
    lines = [
        "# The SockJS protocol's own suite", "",
        "`scripts/sockjs-protocol` runs the suite of SockJS 0.3.3 against `SockJSTestServer`, which serves its",
        "services through the handlers of a node, and writes this page.", "",
        f"{passed} of {len(outcomes)} tests pass.", "",
        "| test | |", "| --- | --- |",
    ]
    for name, is_passed in sorted(outcomes.items()):
        what = "passes" if is_passed else f"not served: {NOT_SERVED[name]}" if name in NOT_SERVED else "**fails**"
        lines.append(f"| {name} | {what} |")
    return "\n".join(lines) + "\n"


def main():
    path, url = sys.argv[1:3]
    os.environ["SOCKJS_URL"] = url
    tests = unittest.defaultTestLoader.loadTestsFromModule(suite(path))
    result = unittest.TextTestRunner(resultclass=Result, verbosity=1).run(tests)
    outcomes = result.outcomes
    missing = set(NOT_SERVED) - set(outcomes)
    if len(sys.argv) > 3:
        with open(sys.argv[3], "w", encoding="utf-8") as file:
            file.write(summary(outcomes))
    print(f"{sum(outcomes.values())} of {len(outcomes)} passed; not served: {len(NOT_SERVED)}.")
    unexpected = [name for name, is_passed in outcomes.items() if not is_passed and name not in NOT_SERVED]
    sys.exit(1 if unexpected or missing or not outcomes else 0)


if __name__ == "__main__":
    main()
