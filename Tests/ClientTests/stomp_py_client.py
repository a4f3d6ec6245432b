"""A session of stomp.py: subscribes, takes one message, acknowledges it, and leaves with a receipt.

Arguments: port, user, and for TLS the file with the server's certificate, or `ws` for WebSocket at /ws instead of TCP.
Says on standard output how far it is.
"""

import sys
import threading

import stomp

WAIT_SECONDS = 30


class Listener(stomp.ConnectionListener):
    def __init__(self, connection):
        self.connection = connection
        self.message = None
        self.arrived = threading.Event()
        self.receipts = {name: threading.Event() for name in ("subscribed", "acknowledged", "bye")}

    def on_error(self, frame):
        print("error", frame.headers.get("message"), frame.body, flush=True)

    def on_message(self, frame):
        self.message = frame
        self.connection.ack(frame.headers["ack"], receipt="acknowledged")
        self.arrived.set()

    def on_receipt(self, frame):
        self.receipts[frame.headers["receipt-id"]].set()

    def wait(self, receipt):
        if not self.receipts[receipt].wait(WAIT_SECONDS):
            sys.exit(f"the receipt '{receipt}' did not come")


def main():
    port, user, how = int(sys.argv[1]), sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else None
    place = [("127.0.0.1", port)]
    if how == "ws":
        connection = stomp.WSConnection(place, ws_path="/ws", reconnect_attempts_max=1)
    else:
        connection = stomp.Connection12(place, heartbeats=(5000, 5000), reconnect_attempts_max=1)
        if how:
            connection.set_ssl(place, ca_certs=how)
    listener = Listener(connection)
    connection.set_listener("test", listener)
    connection.connect(wait=True, headers={"Authorization": f"Bearer {user}"})
    connection.subscribe("/user/queue/msg", id="1", ack="client-individual", headers={"receipt": "subscribed"})
    listener.wait("subscribed")
    print("subscribed", flush=True)
    if not listener.arrived.wait(WAIT_SECONDS):
        sys.exit("no message came")
    listener.wait("acknowledged")
    print("message", listener.message.headers["message-id"], listener.message.body, flush=True)
    connection.disconnect(receipt="bye")
    listener.wait("bye")
    print("gone", stomp.__version__, flush=True)


if __name__ == "__main__":
    main()
