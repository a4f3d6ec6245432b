"""What stomp.js asks a node for, and how it takes the answers, against a WebSocket that the test plays."""

import pathlib
import unittest

from browser import URL, BrowserTestCase

FAKE_SOCKET = (pathlib.Path(__file__).parent / "fake_socket.js").read_text(encoding="utf-8")
HARNESS = """
const done = arguments[arguments.length - 1];
(async () => { %s %s })().then(done, (error) => done("failed: " + error.stack));
"""
CONNECTED = r"""
const client = new StompClient(quick);
const code = (promise) => promise.then(() => "resolved", (error) => `${error.code}: ${error.message}`);
const answer = (socket, id, body, headers = {}) => socket.say("MESSAGE", {
    subscription: "reply", "message-id": "reply-1", destination: "/user/queue/reply",
    "content-type": "application/json", "correlation-id": id, ...headers }, JSON.stringify(body));
client.connect();
(await socket(1)).accept();
"""


class InboxTests(BrowserTestCase):
    def run_script(self, script, start=CONNECTED):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % (FAKE_SOCKET, start + script))

    def test_each_call_is_a_command_and_resolves_by_its_own_answer(self):
        seen = self.run_script(r"""
            const calls = [
                client.history({ before: "42", limit: 20, type: "NOTICE", unviewed: true }), client.unread(),
                client.markViewed(["41", 42]), client.markViewed({ upTo: "42" }), client.markSeen("42"),
                client.deleteMessages(["41"]), client.snooze("41", new Date(1893456000000)),
                client.request("other", { any: 1 })];
            await turn();
            const sent = [...new FrameDecoder().push(sockets[0].sent.join(""))].slice(1);
            const bodies = sent.map(({ command, headers, body }) =>
                [command, headers.destination, new TextDecoder().decode(body)]);
            const ids = sent.slice(1).map(({ headers }) => headers["correlation-id"]);
            for (const id of ids.toReversed()) answer(sockets[0], id, { of: id });
            const answers = await Promise.all(calls);
            return { bodies, own: answers.every(({ of }, index) => of === ids[index]), ids: new Set(ids).size };""")
        self.assertEqual(seen["bodies"], [
            ["SUBSCRIBE", "/user/queue/reply", ""],
            ["SEND", "/app/history", '{"before":"42","limit":20,"type":"NOTICE","unviewed":true}'],
            ["SEND", "/app/unread", "{}"],
            ["SEND", "/app/viewed", '{"ids":["41","42"]}'],
            ["SEND", "/app/viewed", '{"upTo":"42"}'],
            ["SEND", "/app/seen", '{"upTo":"42"}'],
            ["SEND", "/app/delete", '{"ids":["41"]}'],
            ["SEND", "/app/snooze", '{"id":"41","until":1893456000000}'],
            ["SEND", "/app/other", '{"any":1}']])
        self.assertEqual([seen["own"], seen["ids"]], [True, 8])

    def test_what_a_node_would_refuse_is_not_sent(self):
        seen = self.run_script(r"""
            const many = Array.from({ length: 1001 }, (_, index) => String(index + 1));
            const codes = await Promise.all([
                code(client.history({ limit: 101 })), code(client.history({ limit: 0 })),
                code(client.history({ before: "1", after: "2" })), code(client.history({ before: "x" })),
                code(client.markViewed(many)), code(client.markViewed(["1", "-2"])), code(client.markViewed({})),
                code(client.markViewed()), code(client.markSeen("")), code(client.deleteMessages("41")),
                code(client.snooze("41", NaN)), code(client.snooze("41", new Date("?")))]);
            return [codes.filter((text) => !text.startsWith("invalid: ")), sockets[0].frames.length];""")
        self.assertEqual(seen, [[], 1])

    def test_a_refusal_rejects_with_its_code_and_text(self):
        seen = self.run_script(r"""
            const refused = code(client.unread());
            const other = client.unread();
            await turn();
            const error = { code: "unavailable", message: "PostgreSQL is away." };
            answer(sockets[0], "c1", { error }, { error: "unavailable" });
            answer(sockets[0], "c2", { unviewed: 1, unseen: 0, changes: 3 });
            return [await refused, await other];""")
        self.assertEqual(seen, ["unavailable: PostgreSQL is away.", {"unviewed": 1, "unseen": 0, "changes": 3}])

    def test_an_answer_that_is_no_object_or_to_nothing_asked_harms_nothing(self):
        seen = self.run_script(r"""
            const broken = code(client.unread());
            const other = client.unread();
            await turn();
            answer(sockets[0], "c1", 7);
            answer(sockets[0], "c9", {});
            answer(sockets[0], "c1", {});
            answer(sockets[0], "c2", { fine: true });
            return [await broken, await other, client.state];""")
        self.assertEqual(seen, [
            "protocolViolation: The server's answer is not a JSON object.", {"fine": True}, "connected"])

    def test_a_lost_connection_rejects_what_was_sent_and_the_next_has_its_own_subscription(self):
        seen = self.run_script(r"""
            const lost = code(client.markViewed(["1"]));
            await turn();
            sockets[0].lose(1006, "The cable.");
            const waiting = client.unread();
            (await socket(2)).accept();
            await turn();
            const sent = sockets[1].frames.slice(1).map(({ command, destination }) => [command, destination]);
            answer(sockets[1], "c2", { unviewed: 2 });
            return [await lost, sent, await waiting];""")
        self.assertEqual(seen, [
            "connectionLost: The connection was lost before the answer: The cable.",
            [["SUBSCRIBE", "/user/queue/reply"], ["SEND", "/app/unread"]], {"unviewed": 2}])

    def test_a_client_that_is_closed_or_closes_rejects(self):
        seen = self.run_script(r"""
            const never = new StompClient(quick);
            const before = await code(never.unread());
            const sent = code(client.unread());
            await turn();
            client.disconnect();
            never.connect();
            const waiting = code(never.unread());
            await turn();
            never.disconnect();
            return [before, await sent, await waiting];""")
        self.assertEqual(seen, [
            "closed: The client is closed: call connect() first.",
            "connectionLost: The connection was lost before the answer: The client disconnected.",
            "closed: The client disconnected."])

    def test_a_call_without_an_answer_ends_and_those_unanswered_are_bounded(self):
        seen = self.run_script(r"""
            const slow = new StompClient({ ...quick, requestTimeoutMilliseconds: 20 });
            slow.connect();
            (await socket(2)).accept();
            const late = await code(slow.unread());
            const calls = Array.from({ length: 257 }, () => code(client.unread()));
            const refused = await calls[256];
            answer(sockets[1], "c1", {});
            await turn();
            for (let number = 1; number <= 256; number++) answer(sockets[0], `c${number}`, {});
            return [late, refused, new Set(await Promise.all(calls.slice(0, 256))).size, slow.state];""")
        self.assertEqual(seen, [
            "timeout: /app/unread was not answered in time.",
            "tooManyRequests: 256 requests are unanswered already.", 1, "connected"])

    def test_counts_come_before_the_messages_and_after_each_reconnect(self):
        seen = self.run_script(r"""
            const log = [];
            client.subscribe("/user/queue/msg", ({ id }) => log.push(id), {
                ack: "client-individual", unread: true, onUnread: ({ unviewed }) => log.push(`unviewed ${unviewed}`),
            });
            const counts = (socket, body, headers = {}) => socket.say("MESSAGE", {
                subscription: "s1", destination: "/user/queue/msg", "content-type": "application/json",
                "message-id": "unread-1", unread: "true", ...headers }, body);
            counts(sockets[0], '{"unviewed":3,"unseen":2,"changes":17}');
            sockets[0].message("7", { ack: "a1" });
            // A row may have a header of that name: it is a message all the same.
            sockets[0].message("8", { ack: "a2", unread: "true" });
            counts(sockets[0], '{"error":{"code":"unavailable","message":"Not now."}}', { error: "unavailable" });
            sockets[0].lose();
            (await socket(2)).accept();
            counts(sockets[1], '{"unviewed":4,"unseen":2,"changes":18}');
            return [log, sockets.map(({ frames }) => frames.at(-1).unread)];""")
        self.assertEqual(seen, [["unviewed 3", "7", "8", "unviewed 4"], ["true", "true"]])


if __name__ == "__main__":
    unittest.main()
