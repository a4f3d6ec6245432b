"""The HTTP requests that the protocol's suite makes, under the names that it knows them by.

Bodies are text in UTF-8. Every connection is for one request, and waits for a second at most.
"""

import re
import socket
import urllib.parse

TIMEOUT = 1.0


class Fields(dict):
    """Header fields by name, in whatever case it is written."""

    def __setitem__(self, name, value):
        super().__setitem__(name.lower(), value)

    def __getitem__(self, name):
        return super().__getitem__(name.lower())

    def __contains__(self, name):
        return super().__contains__(name.lower())

    def get(self, name, default=None):
        return super().get(name.lower(), default)


class Answer:
    """The head of an answer; what comes behind it is read by whoever made the request."""

    def __init__(self, version, status, headers):
        self.http = version
        self.status = status
        self.headers = headers
        self.body = ""

    def __getitem__(self, name):
        return self.headers.get(name)


class RawHttpConnection:
    """A socket, with as much of HTTP as the suite looks at."""

    def __init__(self, url):
        place = urllib.parse.urlparse(url)
        self.socket = socket.create_connection((place.hostname, place.port), timeout=TIMEOUT)

    def request(self, method, url, headers={}, body=None, timeout=TIMEOUT, http="1.1"):
        place = urllib.parse.urlparse(url)
        fields = dict(headers)
        fields["Host"] = place.netloc
        data = None
        if body is not None or method == "POST":
            data = (body or "").encode("utf-8")
            fields["Content-Length"] = str(len(data))
        target = place.path + ("?" + place.query if place.query else "")
        lines = [f"{method} {target} HTTP/{http}"] + [f"{name}: {value}" for name, value in fields.items()]
        self.socket.sendall("\r\n".join(lines + ["", ""]).encode("utf-8") + (data or b""))
        return self.read_head()

    def read_head(self):
        version, status = re.match(r"HTTP/(\S+) (\d+)", self.read_line()).groups()
        headers = Fields()
        while True:
            line = self.read_line()
            if not line:
                return Answer(version, int(status), headers)
            name, _, value = line.partition(":")
            headers[name] = value.strip()

    def read_line(self):
        line = b""
        while not line.endswith(b"\n"):
            byte = self.socket.recv(1)
            if not byte:
                raise EOFError("the connection ended in a line")
            line += byte
        return line.decode("utf-8").rstrip("\r\n")

    def read(self, size=None):
        if size is None:
            return self.socket.recv(999999).decode("utf-8")
        data = b""
        while len(data) < size:
            more = self.socket.recv(size - len(data))
            if not more:
                raise EOFError("the connection ended")
            data += more
        return data.decode("utf-8")

    def read_chunk(self):
        size = int(self.read_line(), 16)
        return self.read(size + 2)[:-2] if size == 0 else self._chunk(size)

    def _chunk(self, size):
        data = b""
        while len(data) < size + 2:
            more = self.socket.recv(size + 2 - len(data))
            if not more:
                raise EOFError("the connection ended in a chunk")
            data += more
        return data[:-2].decode("utf-8")

    def read_to_end(self):
        data = b""
        while True:
            more = self.socket.recv(999999)
            if not more:
                return data.decode("utf-8")
            data += more

    def closed(self):
        self.socket.settimeout(0.2)
        if self.socket.recv(1) != b"":
            raise AssertionError("the connection is still open")
        return True

    def send(self, text):
        self.socket.sendall(text.encode("utf-8"))

    def close(self):
        self.socket.close()


def _framing(answer):
    if answer.headers.get("transfer-encoding", "").lower() == "chunked":
        return "chunked"
    if answer.headers.get("content-length"):
        return "length"
    return "end"


def _whole(method, url, **how):
    connection = RawHttpConnection(url)
    answer = connection.request(method, url, **how)
    framing = _framing(answer)
    if answer.status in (101, 204, 304):
        pass
    elif framing == "chunked":
        chunks = iter(connection.read_chunk, "")
        answer.body = "".join(chunks)
    elif framing == "length":
        answer.body = connection.read(int(answer.headers["content-length"]))
    else:
        answer.body = connection.read_to_end()
    connection.close()
    return answer


def _begun(method, url, **how):
    connection = RawHttpConnection(url)
    answer = connection.request(method, url, **how)
    framing = _framing(answer)
    if framing == "chunked":
        answer.read = connection.read_chunk
    elif framing == "length":
        answer.read = lambda: connection.read(int(answer.headers["content-length"]))
    else:
        answer.read = connection.read
    answer.close = connection.close
    return answer


def GET(url, **how):
    return _whole("GET", url, **how)


def POST(url, **how):
    return _whole("POST", url, **how)


def OPTIONS(url, **how):
    return _whole("OPTIONS", url, **how)


def GET_async(url, **how):
    return _begun("GET", url, **how)


def POST_async(url, **how):
    return _begun("POST", url, **how)


class old_POST_async:
    """A request whose answer nobody reads."""

    def __init__(self, url, load=False, body=None, headers={}):
        place = urllib.parse.urlparse(url)
        self.connection = RawHttpConnection(url)
        self.connection.send(f"POST {place.path} HTTP/1.1\r\nHost: {place.netloc}\r\nContent-Length: 0\r\n\r\n")

    def close(self):
        self.connection.close()
