"""Debian's sockjs-client in Node and in Chromium, over each of its transports: what a user's page gets through them."""

import http.server
import json
import os
import pathlib
import subprocess
import threading
import unittest
import uuid

from browser import URL, WAIT_SECONDS, BrowserTestCase, insert, status_of

HERE = pathlib.Path(__file__).parent
SCRIPT = pathlib.Path(os.environ.get("SOCKJS_SCRIPT", "/usr/share/nodejs/sockjs-client/dist/sockjs.min.js"))
ENDPOINT = f"{URL}/stomp-ws"
# More text than one streamed response holds, so that the client has to ask for another in between.
BODIES = ["ä€😀\u2028", *(f"{number}" + "x" * 20_000 for number in range(12)), "the last"]


class NodeTests(unittest.TestCase):
    """The client as programs use it."""

    def setUp(self):
        if not URL:
            self.skipTest("BELFRY_URL names no server")

    def receive(self, transport):
        user = f"alice-{uuid.uuid4().hex[:8]}"
        client = subprocess.Popen(
            ["node", str(HERE / "sockjs_stomp.js"), ENDPOINT, transport, user, str(len(BODIES))],
            stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "NODE_PATH": "/usr/share/nodejs"})
        watchdog = threading.Timer(WAIT_SECONDS, client.kill)
        watchdog.start()
        try:
            first = client.stdout.readline().strip()
            self.assertEqual(first, f"subscribed over {transport}", msg=first or client.stderr.read())
            ids = [insert(user, json.dumps(body)) for body in BODIES]
            output, errors = client.communicate()
        finally:
            watchdog.cancel()
            client.kill()
        self.assertEqual(client.returncode, 0, errors)
        result = json.loads(output)
        self.assertEqual(result["transport"], transport)
        self.assertEqual([message["id"] for message in result["seen"]], ids)
        self.assertEqual([message["body"]["data"] for message in result["seen"]], BODIES)
        # Its receipts came behind the commit.
        self.assertEqual({status_of(message_id) for message_id in ids}, {"delivered"})

    def test_websocket(self):
        self.receive("websocket")

    def test_xhr_streaming(self):
        self.receive("xhr-streaming")

    def test_eventsource(self):
        self.receive("eventsource")

    def test_xhr_polling(self):
        self.receive("xhr-polling")


class Page(http.server.BaseHTTPRequestHandler):
    """A page of another origin, with the client's script."""

    def do_GET(self):
        body, kind = {
            "/": (b"<!doctype html><title>SockJS</title><script>"
                  b"if (location.search === '?no-websocket') delete window.WebSocket;</script>"
                  b"<script src=/sockjs.js></script><script src=/client.js></script>", "text/html"),
            "/sockjs.js": (SCRIPT.read_bytes(), "text/javascript"),
            "/client.js": ((HERE / "sockjs_stomp.js").read_bytes(), "text/javascript"),
        }.get(self.path.partition("?")[0], (None, None))
        self.send_response(200 if body else 404)
        self.send_header("Content-Type", kind or "text/plain")
        self.end_headers()
        self.wfile.write(body or b"")

    def log_message(self, *arguments):
        pass


class BrowserTests(BrowserTestCase):
    """The client in a page of another origin than the node's."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.page = f"http://127.0.0.1:{server.server_port}/"

    def receive(self, transport, expected, query=""):
        self.driver.get(self.page + query)
        self.driver.execute_script(
            "window.lines = []; window.result = null;"
            "receive(SockJS, arguments[0], arguments[1], arguments[2], arguments[3], (line) => lines.push(line)).then("
            "    (result) => { window.result = result; }, (error) => { window.result = { error: error.message }; });",
            ENDPOINT, transport, self.user, len(BODIES))
        lines = self.wait_for(
            lambda: self.driver.execute_script("return result ? [result.error] : lines"), "the subscription")
        self.assertEqual(lines, [f"subscribed over {expected}"])
        ids = [insert(self.user, json.dumps(body)) for body in BODIES]
        result = self.wait_for(lambda: self.driver.execute_script("return result"), "the last receipt")
        self.assertEqual(result.get("error"), None)
        self.assertEqual([message["id"] for message in result["seen"]], ids)
        self.assertEqual([message["body"]["data"] for message in result["seen"]], BODIES)
        self.assertEqual({status_of(message_id) for message_id in ids}, {"delivered"})

    def test_without_websockets_the_client_finds_a_stream_by_itself(self):
        self.receive(None, "xhr-streaming", "?no-websocket")

    def test_with_websockets_it_takes_one(self):
        self.receive(None, "websocket")

    def test_event_source(self):
        self.receive("eventsource", "eventsource")

    def test_polling(self):
        self.receive("xhr-polling", "xhr-polling", "?no-websocket")

    def test_jsonp(self):
        self.receive("jsonp-polling", "jsonp-polling", "?no-websocket")
