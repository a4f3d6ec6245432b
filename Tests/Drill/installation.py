"""An installation of its own for the drill: PostgreSQL, Redis, a relay and a node, on free ports of 127.0.0.1."""
import glob, os, shutil, signal, socket, subprocess, sys, time
import urllib.request


def wait(what, condition, seconds=30):
    deadline = time.monotonic() + seconds
    while not (value := condition()):
        if time.monotonic() > deadline:
            raise RuntimeError(f"After {seconds} s it is still not so: {what}")
        time.sleep(0.05)
    return value


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Installation:
    def __init__(self, belfry, folder):
        self.belfry, self.folder, self.processes = belfry, folder, {}
        self.secret = os.urandom(24).hex()
        ports = {name: free_port() for name in ("postgres", "redis", "node", "stomp", "relay")}
        self.stomp_port = ports["stomp"]
        self.node = f"http://127.0.0.1:{ports['node']}"
        self.relay = f"http://127.0.0.1:{ports['relay']}"
        self.redis = f"redis://127.0.0.1:{ports['redis']}"
        self.database = lambda user: f"postgresql://{user}@127.0.0.1:{ports['postgres']}/postgres"
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith(("BELFRY_", "PG"))}
        self.environment |= {
            "BELFRY_REDIS_URL": self.redis, "BELFRY_JWT_SECRET": self.secret, "BELFRY_LIMITS_DRAIN_PAUSE": "0s",
            "BELFRY_LIMITS_NACK_DELAY": "100ms"}
        self.start_postgres(ports["postgres"])
        self.start("redis", ["redis-server", "--port", str(ports["redis"]), "--bind", "127.0.0.1", "--save", "",
                             "--dir", str(folder)])
        subprocess.run([belfry, "migrate", "--log-level", "error"], check=True, stdout=subprocess.DEVNULL,
                       env=self.environment | {"BELFRY_POSTGRES_URL": self.database("postgres")})
        self.sql("create role shop login in role belfry_writer; create role service login in role belfry_service; "
                 "create role oncall login in role belfry_operator, belfry_writer; "
                 "grant pg_read_all_stats, pg_signal_backend to oncall; "
                 "select belfry.register_type('ORDER_SHIPPED', '{\"type\": \"object\"}')")
        self.environment["BELFRY_POSTGRES_URL"] = self.database("service")
        self.relay_command = [belfry, "relay", "--listen", f"127.0.0.1:{ports['relay']}"]
        self.start("node", [belfry, "node", "--listen", f"127.0.0.1:{ports['node']}", "--stomp",
                            f"127.0.0.1:{ports['stomp']}"])
        self.start_relay()
        for name, address in (("relay", self.relay), ("node", self.node)):
            wait(f"the {name} is ready: {self.log(name)}", lambda: self.is_ready(address), 60)

    def start_postgres(self, port):
        found = [os.environ.get("BELFRY_PG_BIN")] if os.environ.get("BELFRY_PG_BIN") else sorted(
            glob.glob("/usr/lib/postgresql/*/bin"), key=lambda path: int(path.split("/")[4]))
        if not found:
            sys.exit("Needs a PostgreSQL server's programs: scripts/install-packages dev")
        data = self.folder / "postgres"
        data.mkdir()
        # PostgreSQL refuses to run as root.
        account = []
        if os.getuid() == 0:
            account = ["setpriv", "--reuid", "postgres", "--regid", "postgres", "--clear-groups"]
            shutil.chown(data, "postgres", "postgres")
        made = subprocess.run(
            [*account, f"{found[-1]}/initdb", "-D", data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C",
             "--no-sync"], capture_output=True, text=True, cwd="/")
        if made.returncode:
            sys.exit(f"initdb failed: {made.stderr}")
        self.start("postgres", [*account, f"{found[-1]}/postgres", "-D", str(data), "-p", str(port), "-c", "fsync=off",
                                "-c", "listen_addresses=127.0.0.1", "-c", "unix_socket_directories="])
        wait(f"PostgreSQL takes connections: {self.log('postgres')}", lambda: subprocess.run(
            ["psql", "-XAtqc", "select 1", self.database("postgres")], capture_output=True).returncode == 0)

    def start(self, name, command):
        with open(self.folder / f"{name}.log", "ab") as log:
            self.processes[name] = subprocess.Popen(
                command, env=self.environment, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/")

    def start_relay(self):
        self.start("relay", self.relay_command)

    def restart_relay(self):
        """What systemd does, but without the time that it gives to a process which does not end."""
        process = self.processes["relay"]
        process.kill()
        process.wait()
        self.start_relay()

    def log(self, name):
        return self.folder / f"{name}.log"

    def is_ready(self, address):
        try:
            with urllib.request.urlopen(f"{address}/health/ready", timeout=2):
                return True
        except OSError:
            return False

    def sql(self, text, user="postgres"):
        done = subprocess.run(["psql", self.database(user), "-AtXqc", text], capture_output=True, text=True)
        if done.returncode:
            raise RuntimeError(f"{text}: {done.stderr}")
        return done.stdout.strip()

    def leads(self):
        return self.sql(
            "select clock_timestamp() - leader_seen_at < interval '1 second' from belfry.relay_cursor") == "t"

    def token(self, user, *options):
        return subprocess.run([self.belfry, "token", "--user", user, *options], env=self.environment, check=True,
                              capture_output=True, text=True).stdout.strip()

    def stop(self):
        for process in reversed(self.processes.values()):
            if process.poll() is None:
                process.send_signal(signal.SIGCONT)
                process.send_signal(signal.SIGINT)
        for process in self.processes.values():
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
