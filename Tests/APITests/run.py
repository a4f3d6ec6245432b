"""Runs schemathesis (PyPI) against the program as it was built: requests made of /api/openapi.json, right and wrong
ones, with a fixed seed, each answer compared with what is described. BELFRY_BIN names another program than
.build/debug/belfry; BELFRY_EXAMPLES another number of requests for each operation.

schemathesis is installed into a temporary folder; BELFRY_WITHOUT_PYPI=1 leaves the tests out.
"""

import json
import os
import pathlib
import secrets
import signal
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("BELFRY_BIN", str(HERE.parent.parent / ".build/debug/belfry"))
PYTHON = "/usr/bin/python3"
SCHEMATHESIS = "schemathesis==4.32.5"
EXAMPLES = os.environ.get("BELFRY_EXAMPLES", "60")
SEED = "20261130"
START_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def ask(url, token, body=None):
    request = urllib.request.Request(url, headers={"Authorization": f"Bearer {token}"})
    if body is not None:
        request.add_header("Content-Type", "application/json")
        request.data = json.dumps(body).encode()
    with urllib.request.urlopen(request, timeout=20) as answer:
        return json.load(answer)


def wait_ready(url, process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"{url}/health/ready", timeout=2):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"belfry did not get ready at {url}; its output:\n{log.read_text()}")


class Servers:
    """`belfry dev`, and a second node on the same database that asks for real tokens."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.secret = secrets.token_urlsafe(48)

    def __enter__(self):
        data = self.folder / "data"
        dev = f"http://127.0.0.1:{free_port()}"
        self.start(dev, "dev", "--listen", dev.removeprefix("http://"), "--data", str(data))
        postgres, redis = (data / "postgres.port").read_text(), (data / "redis.port").read_text()
        self.url = f"http://127.0.0.1:{free_port()}"
        # A thousand requests of one user in a second, from one address, are what is to be tried.
        self.start(self.url, "node", "--listen", self.url.removeprefix("http://"), BELFRY_AUTH="jwt",
                   BELFRY_JWT_SECRET=self.secret, BELFRY_API_EARLIER_PAGES="true",
                   BELFRY_POSTGRES_URL=f"postgresql://postgres@127.0.0.1:{postgres}/belfry",
                   BELFRY_REDIS_URL=f"redis://127.0.0.1:{redis}",
                   BELFRY_LIMITS_REQUESTS_PER_USER_PER_SECOND_MAX="0",
                   BELFRY_LIMITS_CONNECTIONS_PER_ADDRESS_PER_SECOND_MAX="0")
        self.token = subprocess.run(
            [BINARY, "token", "--user", "alice", "--expires", "1h", "--send", "/user/**", "--send", "/topic/**",
             "--operator"],
            env=self.environment(BELFRY_JWT_SECRET=self.secret), check=True, capture_output=True,
            text=True).stdout.strip()
        return self

    def __exit__(self, *error):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)

    @staticmethod
    def environment(**settings):
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith("BELFRY_") or name == "BELFRY_PG_BIN"}
        return {**kept, "BELFRY_LIMITS_DRAIN_PAUSE": "0s", **settings}

    def start(self, url, *arguments, **settings):
        log = self.folder / f"{arguments[0]}.log"
        with open(log, "ab") as output:
            process = subprocess.Popen([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                       env=self.environment(**settings))
        self.processes.append(process)
        wait_ready(url, process, log)


def main():
    if os.environ.get("BELFRY_WITHOUT_PYPI") == "1":
        print("Left out: BELFRY_WITHOUT_PYPI=1 and schemathesis comes from PyPI.")
        return 0
    with tempfile.TemporaryDirectory(prefix="belfry-api-") as name:
        folder = pathlib.Path(name)
        # PostgreSQL runs as another user when we are root, and its folder is in this one.
        folder.chmod(0o755)
        packages = folder / "packages"
        print(f"== Installing {SCHEMATHESIS} into a temporary folder", flush=True)
        subprocess.run([PYTHON, "-m", "pip", "install", "--quiet", "--no-cache-dir", "--target", str(packages),
                        SCHEMATHESIS], check=True)
        with Servers(folder) as servers:
            # What reading and marking is tried on.
            ask(f"{servers.url}/api/v1/messages", servers.token,
                [{"receiver": "alice", "data": number} for number in range(300)])
            result = subprocess.run(
                [PYTHON, "-m", "schemathesis.cli", "--config-file", str(HERE / "schemathesis.toml"), "run",
                 f"{servers.url}/api/openapi.json", "--header", f"Authorization: Bearer {servers.token}", "--seed",
                 SEED, "--max-examples", EXAMPLES, "--phases", "examples,coverage,fuzzing", "--generation-database",
                 "none", "--request-timeout", "20", "--no-color"],
                # It keeps notes in the folder in which it is started.
                cwd=folder, env={**os.environ, "PYTHONPATH": str(packages), "PYTHONDONTWRITEBYTECODE": "1"},
                check=False)
            # It serves after all that.
            ask(f"{servers.url}/api/v1/unread", servers.token)
            return result.returncode


if __name__ == "__main__":
    sys.exit(main())
