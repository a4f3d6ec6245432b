"""SockJS as a program sees it that speaks HTTP by itself: which connection a request comes on does not matter, and what
was not taken comes again."""

import http.client
import json
import time
import unittest
import urllib.parse
import uuid

from browser import URL, WAIT_SECONDS, insert, status_of


class Session:
    """One SockJS session by xhr-polling; each request goes by the connection that it is told."""

    def __init__(self, name=None, **headers):
        self.name = name or uuid.uuid4().hex
        self.headers = headers

    @staticmethod
    def connection():
        return http.client.HTTPConnection(urllib.parse.urlparse(URL).netloc, timeout=WAIT_SECONDS)

    def request(self, method, body="", connection=None):
        connection = connection or self.connection()
        connection.request("POST", f"/stomp-ws/000/{self.name}/{method}", body.encode(), self.headers)
        answer = connection.getresponse()
        return answer.status, answer.read().decode()

    def poll(self, connection=None):
        return self.request("xhr", connection=connection)[1]

    def send(self, *frames, connection=None):
        return self.request("xhr_send", json.dumps(frames), connection)[0]

    def open(self, user, ack):
        """A session with a subscription of its user's queue."""
        assert self.poll() == "o\n"
        assert self.send(f"CONNECT\naccept-version:1.2\nhost:x\ntoken:{user}\nheart-beat:0,0\n\n\0") == 204
        assert self.send(f"SUBSCRIBE\nid:0\ndestination:/user/queue/msg\nack:{ack}\nreceipt:sub\n\n\0") == 204
        return self.poll_until("receipt-id:sub")

    def poll_until(self, text):
        seen = ""
        deadline = time.monotonic() + WAIT_SECONDS
        while text not in seen:
            if time.monotonic() > deadline:
                raise AssertionError(f"{text!r} is not in {seen!r}")
            seen += self.poll()
        return seen


@unittest.skipUnless(URL, "BELFRY_URL names no server")
class HTTPTests(unittest.TestCase):
    def setUp(self):
        self.user = f"alice-{uuid.uuid4().hex[:8]}"

    def wait_status(self, message_id, status):
        deadline = time.monotonic() + WAIT_SECONDS
        while status_of(message_id) != status:
            self.assertLess(time.monotonic(), deadline, f"{message_id} is {status_of(message_id)}, not {status}")
            time.sleep(0.05)

    def test_every_event_loop_finds_the_session(self):
        session = Session()
        connections = [session.connection() for _ in range(9)]
        self.assertEqual(session.poll(connections[0]), "o\n")
        session.send(f"CONNECT\naccept-version:1.2\nhost:x\ntoken:{self.user}\n\n\0", connection=connections[1])
        for connection in connections * 2:
            self.assertEqual(session.send("\n", connection=connection), 204)
        self.assertTrue(session.poll(connections[8]).startswith('a["CONNECTED\\n'))

    def test_in_mode_auto_a_message_is_delivered_once_a_request_has_taken_it(self):
        session = Session()
        session.open(self.user, "auto")
        taken = insert(self.user)
        self.assertIn(f"message-id:{taken}", session.poll_until("MESSAGE"))
        waiting = insert(self.user)
        # The first is marked, so the second has had the time to be.
        self.wait_status(taken, "delivered")
        self.assertEqual(status_of(waiting), "pending")
        session.poll_until(f"message-id:{waiting}")
        self.wait_status(waiting, "delivered")

    def test_what_a_client_took_and_did_not_acknowledge_comes_again_once_it_is_given_up(self):
        session = Session()
        session.open(self.user, "client-individual")
        message_id = insert(self.user)
        session.poll_until(f"message-id:{message_id}")
        other = Session()
        other.open(self.user, "client-individual")
        again = other.poll_until(f"message-id:{message_id}")
        self.assertIn("redelivered:true", again)
        deadline = time.monotonic() + WAIT_SECONDS
        while session.send("\n") != 404:
            self.assertLess(time.monotonic(), deadline, "the session without a request is kept")
            time.sleep(0.2)

    def test_an_id_by_itself_opens_nobody_elses_session(self):
        session = Session(**{"User-Agent": "a", "Origin": URL})
        self.assertEqual(session.poll(), "o\n")
        other = Session(session.name, **{"User-Agent": "b", "Origin": URL})
        self.assertEqual(other.request("xhr")[0], 404)
        self.assertEqual(other.send("x"), 404)
        foreign = Session(session.name, **{"User-Agent": "a", "Origin": "https://evil.example"})
        self.assertEqual(foreign.request("xhr")[0], 403)
        self.assertEqual(session.send("\n"), 204)
