"""Alice's client, and an application, as far as something may be wrong with them."""
import json, socket, subprocess, threading, time

from installation import wait

ORDER = '{"order": 7}'
INSERT = f"insert into belfry.message_log (receiver, type, data) values ('alice', 'ORDER_SHIPPED', '{ORDER}')"


class Alice:
    """A session over STOMP's own port. `kind` says what is wrong with the client: it "nacks" what it gets, is "silent",
    does not subscribe ("unsubscribed"); "good" is none of it. When its connection ends it is loaded anew, and good."""

    def __init__(self, port, token, kind="good"):
        self.port, self.token, self.kind = port, token, kind
        self.received = threading.Event()
        self.subscribed = threading.Event()
        # When an acknowledgement of order 7 was committed.
        self.acknowledged = None
        self.is_closed = False
        threading.Thread(target=self.run, daemon=True).start()

    def run(self):
        while not self.is_closed:
            try:
                with socket.create_connection(("127.0.0.1", self.port)) as self.socket:
                    self.follow()
            except OSError:
                pass
            self.kind = "good"
            time.sleep(0.1)

    def send(self, command, **headers):
        lines = "".join(f"{name.replace('_', '-')}:{value}\n" for name, value in headers.items())
        self.socket.sendall(f"{command}\n{lines}\n\0".encode())

    def follow(self):
        self.send("CONNECT", accept_version="1.2", token=self.token, host="belfry")
        pending = b""
        while more := self.socket.recv(65536):
            *frames, pending = (pending + more).split(b"\0")
            for frame in frames:
                self.handle(frame.decode().lstrip("\n"))

    def handle(self, frame):
        head, _, body = frame.partition("\n\n")
        command, *lines = head.split("\n")
        headers = dict(line.split(":", 1) for line in lines)
        if command == "CONNECTED":
            if self.kind == "unsubscribed":
                self.subscribed.set()
            else:
                self.send("SUBSCRIBE", id=0, destination="/user/queue/orders", ack="client-individual", receipt="s")
        elif command == "RECEIPT" and headers["receipt-id"] == "s":
            self.subscribed.set()
        elif command == "RECEIPT" and headers["receipt-id"] == "order 7":
            self.acknowledged = time.monotonic()
        elif command == "MESSAGE":
            is_order = json.loads(body).get("data") == json.loads(ORDER)
            if is_order:
                self.received.set()
            if self.kind == "nacks":
                self.send("NACK", id=headers["ack"])
            elif self.kind == "good":
                self.send("ACK", id=headers["ack"], receipt="order 7" if is_order else "other")

    def close(self):
        self.is_closed = True
        try:
            self.socket.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass


class OpenTransaction:
    """An application that has inserted, and does something else before it commits. When its connection is lost it does
    the transaction anew, as applications should."""

    def __init__(self, installation):
        self.installation = installation
        self.psql = subprocess.Popen(
            ["psql", "-Xq", installation.database("shop")], stdin=subprocess.PIPE, stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, text=True)
        self.psql.stdin.write(f"begin;\n{INSERT};\n")
        self.psql.stdin.flush()
        wait("the application has inserted", self.is_open)
        threading.Thread(target=self.watch, daemon=True).start()

    def is_open(self):
        return self.installation.sql(
            "select count(*) from pg_stat_activity where usename = 'shop' and state = 'idle in transaction' "
            "and backend_xid is not null") != "0"

    def watch(self):
        while self.is_open():
            time.sleep(0.2)
        self.psql.kill()
        self.psql.wait()
        self.installation.sql(INSERT, "shop")
