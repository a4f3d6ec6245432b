"""A WebSocket client (RFC 6455) as the protocol's suite uses one, under the names that it knows."""

import base64
import hashlib
import os
import socket
import struct
import urllib.parse

TIMEOUT = 1.0
GUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"


class ConnectionClosedException(Exception):
    """The WebSocket is over; nothing more can be read."""


class WebSocketClient:
    ConnectionClosedException = ConnectionClosedException

    def __init__(self, url):
        place = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=TIMEOUT)
        self.stream = self.socket.makefile("rb")
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall(
            (f"GET {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
             f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n\r\n").encode())
        status = self.stream.readline().decode()
        if " 101 " not in status:
            raise AssertionError(f"no WebSocket: {status}")
        fields = {}
        while line := self.stream.readline().decode().strip():
            name, _, value = line.partition(":")
            fields[name.lower()] = value.strip()
        wanted = base64.b64encode(hashlib.sha1((key + GUID).encode()).digest()).decode()
        assert fields["sec-websocket-accept"] == wanted

    def _write(self, opcode, payload):
        mask = os.urandom(4)
        size = len(payload)
        if size < 126:
            head = struct.pack("!BB", 0x80 | opcode, 0x80 | size)
        elif size < 65536:
            head = struct.pack("!BBH", 0x80 | opcode, 0x80 | 126, size)
        else:
            head = struct.pack("!BBQ", 0x80 | opcode, 0x80 | 127, size)
        masked = bytes(byte ^ mask[place % 4] for place, byte in enumerate(payload))
        self.socket.sendall(head + mask + masked)

    def send(self, text):
        self._write(1, text.encode("utf-8"))

    def recv(self):
        while True:
            head = self.stream.read(2)
            if len(head) < 2:
                raise ConnectionClosedException("the connection ended")
            size = head[1] & 0x7F
            if size == 126:
                size = struct.unpack("!H", self.stream.read(2))[0]
            elif size == 127:
                size = struct.unpack("!Q", self.stream.read(8))[0]
            payload = self.stream.read(size)
            opcode = head[0] & 0xF
            if opcode == 8:
                raise ConnectionClosedException(payload[:2])
            if opcode == 9:
                self._write(10, payload)
            if opcode in (1, 2):
                return payload.decode("utf-8")

    def close(self):
        self.socket.close()


def create_connection(url, on_close=None):
    return WebSocketClient(url)
