"""Runs the browser tests against the program as it was built: `belfry dev` for the demo page, a second node with real
tokens for the refusal, and a third that speaks TLS. BELFRY_BIN names another program than .build/debug/belfry, and
BELFRY_SCREENSHOT_DIR a folder for the screenshots."""

import json
import os
import pathlib
import secrets
import shlex
import signal
import socket
import ssl
import subprocess
import sys
import tempfile
import time
import unittest
import urllib.request

HERE = pathlib.Path(__file__).resolve().parent
BINARY = os.environ.get("BELFRY_BIN", str(HERE.parent.parent / ".build/debug/belfry"))
START_SECONDS = 120


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def clean_environment(**settings):
    kept = {name: value for name, value in os.environ.items()
            if not name.startswith("BELFRY_") or name == "BELFRY_PG_BIN"}
    return {**kept, **settings}


def wait_ready(url, process, log):
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        if process is not None and process.poll() is not None:
            break
        try:
            # Whose certificate it is does not matter here; the browser's tests look at that.
            with urllib.request.urlopen(url + "/health/ready", timeout=2, context=ssl._create_unverified_context()):
                return
        except OSError:
            time.sleep(0.1)
    sys.exit(f"belfry did not get ready at {url}; its output:\n{pathlib.Path(log).read_text()}")


def start(arguments, log, environment):
    with open(log, "ab") as output:
        return subprocess.Popen([BINARY, *arguments], stdin=subprocess.DEVNULL, stdout=output, stderr=output,
                                env=environment)


def stop(process):
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def restart(folder):
    """What the test of a restart runs: ends the development server by its id and starts it as it was."""
    state = json.loads((folder / "dev.json").read_text())
    os.kill(state["pid"], signal.SIGTERM)
    deadline = time.monotonic() + 60
    while is_alive(state["pid"]) and time.monotonic() < deadline:
        time.sleep(0.05)
    # The page must see the server away: that is what the test looks at. Its first try comes after half a second.
    time.sleep(3)
    process = start_dev(folder, state["port"])
    wait_ready(f"http://127.0.0.1:{state['port']}", process, folder / "dev.log")


def pause(folder, seconds):
    """What the test of a server that hangs runs: the development server does nothing for so long."""
    pid = json.loads((folder / "dev.json").read_text())["pid"]
    os.kill(pid, signal.SIGSTOP)
    try:
        time.sleep(seconds)
    finally:
        os.kill(pid, signal.SIGCONT)


def is_alive(pid):
    """Whether the process runs; a zombie, which waits to be reaped by the runner, does not."""
    try:
        return pathlib.Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def start_dev(folder, port):
    process = start(["dev", "--listen", f"127.0.0.1:{port}", "--data", str(folder / "data"), "--keep"],
                    folder / "dev.log", clean_environment())
    (folder / "dev.json").write_text(json.dumps({"pid": process.pid, "port": port}))
    return process


def main():
    if sys.argv[1:2] == ["--restart"]:
        return restart(pathlib.Path(sys.argv[2]))
    if sys.argv[1:2] == ["--pause"]:
        return pause(pathlib.Path(sys.argv[2]), float(sys.argv[3]))
    with tempfile.TemporaryDirectory(prefix="belfry-browser-") as name:
        folder = pathlib.Path(name)
        folder.chmod(0o755)
        dev_port = free_port()
        dev = start_dev(folder, dev_port)
        nodes = []
        try:
            wait_ready(f"http://127.0.0.1:{dev_port}", dev, folder / "dev.log")
            database = (folder / "data" / "postgres.port").read_text()
            owner = f"postgresql://postgres@127.0.0.1:{database}/belfry"
            servers = {"BELFRY_POSTGRES_URL": owner, "BELFRY_REDIS_URL": redis_url(folder)}
            # Only now: the servers that dev starts look for free ports as well.
            jwt_port, tls_port, secret = free_port(), free_port(), secrets.token_hex(32)
            (folder / "logins").write_text(login("oncall", "correct horse"))
            nodes.append(start(["node", "--listen", f"127.0.0.1:{jwt_port}"], folder / "node.log", clean_environment(
                BELFRY_JWT_SECRET=secret, BELFRY_PASSWORDS=str(folder / "logins"), **servers)))
            wait_ready(f"http://127.0.0.1:{jwt_port}", nodes[0], folder / "node.log")
            nodes.append(start(["node", "--listen", f"127.0.0.1:{tls_port}", "--auth", "dev"], folder / "tls.log",
                               clean_environment(**servers, **certificate(folder))))
            wait_ready(f"https://127.0.0.1:{tls_port}", nodes[1], folder / "tls.log")
            os.environ.setdefault("BELFRY_SCREENSHOT_DIR", str(folder))
            os.environ.update(
                BELFRY_URL=f"http://127.0.0.1:{dev_port}", BELFRY_PSQL_URL=owner,
                BELFRY_JWT_URL=f"http://127.0.0.1:{jwt_port}", BELFRY_TLS_URL=f"https://127.0.0.1:{tls_port}",
                BELFRY_BROWSER_TESTS_JWT_SECRET=secret,
                BELFRY_RESTART_COMMAND=shlex.join([sys.executable, __file__, "--restart", str(folder)]),
                BELFRY_PAUSE_COMMAND=shlex.join([sys.executable, __file__, "--pause", str(folder), "9"]))
            sys.path.insert(0, str(HERE))
            result = run_tests()
        finally:
            for node in nodes:
                stop(node)
            stop(dev)
            restarted = json.loads((folder / "dev.json").read_text())["pid"]
            if restarted != dev.pid:
                end_other(restarted)
    sys.exit(0 if result.wasSuccessful() else 1)


def login(user, password):
    """A line for the list of logins: an operator's."""
    return subprocess.run([BINARY, "password", "--user", user, "--operator"], input=password, check=True,
                          capture_output=True, text=True).stdout


def certificate(folder):
    """The settings of a certificate that vouches for itself, and now for its node."""
    file, key = folder / "tls.pem", folder / "tls.key"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2",
         "-subj", "/CN=localhost", "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost", "-keyout", str(key), "-out",
         str(file)], check=True, capture_output=True)
    return {"BELFRY_TLS_CERTIFICATES": str(file), "BELFRY_TLS_KEY": str(key)}


def redis_url(folder):
    return f"redis://127.0.0.1:{(folder / 'data' / 'redis.port').read_text()}"


def run_tests():
    """All tests, and those that failed once more: a machine that stands still for seconds fails a test that waits. What
    fails twice is broken; what fails once is told, to be mended."""
    suite = unittest.defaultTestLoader.discover(str(HERE), pattern="test_*.py")
    result = unittest.TextTestRunner(verbosity=2).run(suite)
    failed = [test for test, _ in result.failures + result.errors]
    if not 1 <= len(failed) <= 3 or not all(isinstance(test, unittest.TestCase) for test in failed):
        return result
    names = [test.id() for test in failed]
    print("== Once more, what failed:", *names, flush=True)
    again = unittest.TextTestRunner(verbosity=2).run(unittest.defaultTestLoader.loadTestsFromNames(names))
    if again.wasSuccessful():
        print("== It passed now. A test that passes only at times hides a race: look at it.", flush=True)
    return again


def end_other(pid):
    """Ends a process that is not our child, and waits until it is gone."""
    try:
        os.kill(pid, signal.SIGTERM)
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            os.kill(pid, 0)
            time.sleep(0.1)
    except ProcessLookupError:
        pass


if __name__ == "__main__":
    main()
