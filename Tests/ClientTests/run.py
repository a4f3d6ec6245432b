"""Runs STOMP clients that others wrote against the program as it was built, over TCP, TLS and WebSocket: `belfry dev`,
and beside it a node with a certificate. BELFRY_BIN names another program than .build/debug/belfry.

The clients: Debian's python3-stomp, ruby-stomp, and stomp.py from PyPI, which is installed into a temporary folder;
BELFRY_WITHOUT_PYPI=1 leaves that one out. What docs/clients.md shows of a user's history and marks is run as it stands.
"""

import json
import os
import pathlib
import signal
import socket
import subprocess
import sys
import tempfile
import time
import unittest

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("BELFRY_BIN", str(HERE.parent.parent / ".build/debug/belfry"))
PYTHON = "/usr/bin/python3"
STOMP_PY = "stomp.py==9.0.0"
START_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Servers:
    """`belfry dev` and a second node on the same database, whose STOMP port speaks TLS."""

    def __init__(self, folder):
        self.folder = folder
        self.processes = []
        self.certificate = folder / "tls.pem"
        subprocess.run(
            ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
             "2", "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout",
             str(folder / "tls.key"), "-out", str(self.certificate)], check=True, capture_output=True)
        self.port, self.web_port = free_port(), free_port()
        self.start("dev", "--listen", f"127.0.0.1:{self.web_port}", "--stomp", f"127.0.0.1:{self.port}", "--data",
                   str(folder / "data"))
        self.wait(self.port)
        database = (folder / "data" / "postgres.port").read_text()
        redis = (folder / "data" / "redis.port").read_text()
        self.owner = f"postgresql://postgres@127.0.0.1:{database}/belfry"
        # Only now: the servers that dev starts look for free ports as well.
        self.tls_port = free_port()
        self.start("node", "--listen", "127.0.0.1:0", "--stomp", f"127.0.0.1:{self.tls_port}", "--auth", "dev",
                   BELFRY_POSTGRES_URL=self.owner, BELFRY_REDIS_URL=f"redis://127.0.0.1:{redis}",
                   BELFRY_TLS_CERTIFICATES=str(self.certificate), BELFRY_TLS_KEY=str(folder / "tls.key"))
        self.wait(self.tls_port)

    def start(self, *arguments, **settings):
        environment = {name: value for name, value in os.environ.items()
                       if not name.startswith("BELFRY_") or name == "BELFRY_PG_BIN"}
        log = open(self.folder / f"{arguments[0]}.log", "ab")
        self.processes.append(subprocess.Popen(
            [BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
            env={**environment, "BELFRY_LIMITS_DRAIN_PAUSE": "0s", **settings}))

    def wait(self, port):
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline and self.processes[-1].poll() is None:
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.1)
        logs = "\n".join(log.read_text() for log in self.folder.glob("*.log"))
        sys.exit(f"nobody listens on port {port}; the output of belfry:\n{logs}")

    def sql(self, text):
        return subprocess.run(["psql", self.owner, "-AtXqc", text], check=True, capture_output=True,
                              text=True).stdout.strip()

    def stop(self):
        for process in reversed(self.processes):
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                process.wait(timeout=60)


class ClientTests(unittest.TestCase):
    servers = None
    pypi = None

    def run_session(self, command, secure=False, environment=None, web=False):
        port = self.servers.web_port if web else self.servers.tls_port if secure else self.servers.port
        user = f"user-{self.id().rpartition('.')[2]}"
        how = ["ws"] if web else [str(self.servers.certificate)] if secure else []
        arguments = [*command, str(port), user, *how]
        client = subprocess.Popen(arguments, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                                  env={**os.environ, **(environment or {})})
        try:
            self.assertEqual(client.stdout.readline(), "subscribed\n", client)
            message = self.servers.sql(
                "insert into belfry.message_log (receiver, type, data) values "
                f"('{user}', 'STRING_MSG', to_jsonb('Grüße'::text)) returning id")
            output, _ = client.communicate(timeout=60)
        finally:
            client.kill()
            client.wait()
        self.assertEqual(client.returncode, 0, output)
        lines = output.splitlines()
        _, identifier, body = lines[0].split(" ", 2)
        self.assertEqual(identifier, message, output)
        self.assertEqual(json.loads(body)["data"], "Grüße")
        self.assertTrue(lines[-1].startswith("gone "), output)
        # The receipt of the acknowledgement said so already.
        self.assertEqual(self.servers.sql(f"select status from belfry.message_log where id = {message}"), "delivered")

    def python(self, secure=False, path="", web=False):
        self.run_session([PYTHON, str(HERE / "stomp_py_client.py")], secure, {"PYTHONPATH": path}, web)

    def test_stomp_py_of_debian(self):
        self.python(secure=False)

    def test_stomp_py_of_debian_with_tls(self):
        self.python(secure=True)

    def test_stomp_py_of_pypi(self):
        if self.pypi is None:
            self.skipTest("BELFRY_WITHOUT_PYPI is set")
        self.python(secure=False, path=str(self.pypi))

    def test_stomp_py_of_pypi_with_tls(self):
        if self.pypi is None:
            self.skipTest("BELFRY_WITHOUT_PYPI is set")
        self.python(secure=True, path=str(self.pypi))

    def test_stomp_py_of_pypi_over_websocket(self):
        if self.pypi is None:
            self.skipTest("BELFRY_WITHOUT_PYPI is set")
        self.python(path=str(self.pypi), web=True)

    def run_documented(self, language, section, command, before, behind):
        """Runs what docs/clients.md shows of a client: its first block, and that of a user's messages."""
        user = f"user-{self.id().rpartition('.')[2]}"
        ids = self.servers.sql(
            f"insert into belfry.message_log (receiver, type, data) select '{user}', 'JSON_MSG', to_jsonb(n) "
            "from generate_series(1, 3) n returning id").split("\n")
        text = (HERE.parent.parent / "docs" / "clients.md").read_text()
        block = f"```{language}\n"
        first = text.split(f"## {section}\n")[1].split(block)[1].split("```")[0]
        asking = text.split("## History, unread")[1].split(block)[1].split("```")[0]
        code = (first + asking).replace("61613", str(self.servers.port)).replace('"41"', f'"{ids[0]}"')
        lines = [line for line in code.splitlines() if line != "client.join"]
        with tempfile.NamedTemporaryFile("w", suffix=f".{language}") as script:
            script.write("\n".join([before.replace("USER", user), *lines, behind]))
            script.flush()
            done = subprocess.run([*command, script.name], capture_output=True, text=True, timeout=60)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn("asked " + " ".join(reversed(ids)), done.stdout)
        self.assertRegex(done.stdout, "refused .*a page has 1 to 100 messages")
        self.assertEqual(self.servers.sql(
            f"select unviewed, unseen from belfry.unread('{user}')"), "0|0", done.stdout)

    def test_documented_commands_of_stomp_py(self):
        self.run_documented(
            "python", "stomp.py", [PYTHON], 'TOKEN = "USER"',
            """print("asked", *(message["id"] for message in page["messages"]))
try:
    replies.ask("history", limit=1000)
except RuntimeError as error:
    print("refused", error)
connection.disconnect()""")

    def test_documented_commands_of_the_stomp_gem(self):
        self.run_documented(
            "ruby", "ruby-stomp", ["ruby"], 'TOKEN = "USER"\n$stdout.sync = true',
            """puts "asked #{page["messages"].map { |message| message["id"] }.join(" ")}"
begin
  ask.("history", limit: 1000)
rescue => error
  puts "refused #{error}"
end
exit! 0""")

    def test_stomp_gem(self):
        self.run_session(["ruby", str(HERE / "stomp_client.rb")], secure=False)

    def test_stomp_gem_with_tls(self):
        self.run_session(["ruby", str(HERE / "stomp_client.rb")], secure=True)


def main():
    with tempfile.TemporaryDirectory(prefix="belfry-clients-") as name:
        folder = pathlib.Path(name)
        # PostgreSQL's user has to get in.
        folder.chmod(0o755)
        if os.environ.get("BELFRY_WITHOUT_PYPI") != "1":
            ClientTests.pypi = folder / "pypi"
            subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--disable-pip-version-check", "--target",
                            str(ClientTests.pypi), STOMP_PY], check=True)
        servers = Servers(folder)
        ClientTests.servers = servers
        try:
            result = unittest.TextTestRunner(verbosity=2).run(
                unittest.defaultTestLoader.loadTestsFromTestCase(ClientTests))
        finally:
            servers.stop()
    sys.exit(0 if result.wasSuccessful() else 1)


if __name__ == "__main__":
    main()
