"""The client of stomp.js against a WebSocket that the test plays: states, reconnects, acknowledgements, heart-beats."""

import pathlib
import unittest

from browser import URL, BrowserTestCase

FAKE_SOCKET = (pathlib.Path(__file__).parent / "fake_socket.js").read_text(encoding="utf-8")
HARNESS = """
const done = arguments[arguments.length - 1];
(async () => { %s %s })().then(done, (error) => done("failed: " + error.stack));
"""


class ClientTests(BrowserTestCase):
    def run_script(self, script):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % (FAKE_SOCKET, script))

    def test_connect_carries_the_token_and_subscriptions_follow(self):
        seen = self.run_script(r"""
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", () => {}, { ack: "client-individual" });
            client.connect();
            (await socket(1)).accept();
            client.subscribe("/topic/news", () => {}, { lastMessageId: "7" });
            return { url: sockets[0].url, protocols: sockets[0].protocols, frames: sockets[0].frames, states };""")
        host = URL.split("//")[1]
        self.assertEqual(seen["url"], f"ws://{host}/ws")
        self.assertEqual(seen["protocols"], ["v12.stomp"])
        self.assertEqual(seen["states"], ["connecting", "connected"])
        self.assertEqual(seen["frames"], [
            {"command": "CONNECT", "accept-version": "1.2", "host": host.split(":")[0], "heart-beat": "10000,10000",
             "Authorization": "Bearer alice"},
            {"command": "SUBSCRIBE", "id": "s1", "destination": "/user/queue/msg", "ack": "client-individual"},
            {"command": "SUBSCRIBE", "id": "s2", "destination": "/topic/news", "ack": "auto", "last-message-id": "7"}])

    def test_a_lost_connection_is_made_again_with_its_subscriptions(self):
        seen = self.run_script(r"""
            const client = new StompClient(quick);
            client.subscribe("/topic/news", () => {});
            const left = client.subscribe("/topic/left", () => {});
            client.connect();
            (await socket(1)).accept();
            left.unsubscribe();
            sockets[0].message("41");
            sockets[0].lose(1012, "This node is stopping; connect again.");
            (await socket(2)).lose();
            (await socket(3)).accept();
            return { states, frames: sockets[2].frames.slice(1), last: sockets[0].frames.at(-1) };""")
        self.assertEqual(seen["last"], {"command": "UNSUBSCRIBE", "id": "s2"})
        self.assertEqual(seen["frames"], [{
            "command": "SUBSCRIBE", "id": "s1", "destination": "/topic/news", "ack": "auto", "last-message-id": "41"}])
        self.assertEqual(seen["states"], [
            "connecting", "connected",
            "reconnecting: This node is stopping; connect again.",
            "reconnecting: This node is stopping; connect again.",
            "reconnecting: The server cannot be reached.", "reconnecting: The server cannot be reached.", "connected"])

    def test_pauses_grow_to_their_limit(self):
        pauses = self.run_script(r"""
            const pauses = [];
            Math.random = () => 1;
            Date.now = () => 1;
            const client = new StompClient({ ...quick, retryMaxMilliseconds: 8, onState(state, { retryAt }) {
                if (retryAt) pauses.push(retryAt - Date.now());
            } });
            client.connect();
            for (let number = 1; number <= 6; number++) (await socket(number)).lose();
            return pauses;""")
        self.assertEqual(pauses, [1, 2, 4, 8, 8, 8])

    def test_a_server_that_sends_its_clients_away_is_left_alone_for_as_long_and_some(self):
        for random in (0, 1):
            with self.subTest(random=random):
                pauses = self.run_script(r"""
                    const pauses = [];
                    Math.random = () => %d;
                    Date.now = () => 1;
                    const client = new StompClient({ ...quick, retryMaxMilliseconds: 7000, onState(state, { retryAt }) {
                        if (!retryAt) return;
                        pauses.push(retryAt - Date.now());
                        setTimeout(() => client.reconnectNow());
                    } });
                    client.connect();
                    (await socket(1)).accept();
                    sockets[0].say("ERROR", { message: "This node is stopping.", "retry-after": "2" }, "");
                    sockets[0].lose(1012, "This node is stopping; connect again in 1 s.");
                    // A close before any STOMP has the hint in its reason only.
                    (await socket(2)).lose(1013, "This node is full; connect again in 3 s.");
                    // No server keeps a client away for longer than its own longest pause, nor by nonsense.
                    (await socket(3)).accept();
                    sockets[2].say("ERROR", { message: "away", "retry-after": "99999" }, "");
                    sockets[2].lose(1012);
                    (await socket(4)).accept();
                    sockets[3].say("ERROR", { message: "away", "retry-after": "soon" }, "");
                    sockets[3].lose(1012, "Come back in 5 minutes.");
                    return pauses;""" % random)
                self.assertEqual(pauses[:3], [2000 * (1 + random), 3000 * (1 + random), 7000 * (1 + random)])
                self.assertLess(pauses[3], 100)

    def test_a_server_that_ends_each_session_at_once_gets_its_pauses_too(self):
        attempt = self.run_script(r"""
            let last;
            const client = new StompClient({ ...quick, retryFirstMilliseconds: 5, onState(state, { attempt }) {
                last = attempt ?? last;
            } });
            client.connect();
            for (let number = 1; number <= 4; number++) {
                (await socket(number)).accept();
                sockets[number - 1].lose(4008);
            }
            return last;""")
        self.assertEqual(attempt, 4)

    def test_a_refusal_is_final_and_says_why(self):
        for code in (1002, 1007, 1009, 4001, 4002, 4003, 4009):
            with self.subTest(code=code):
                seen = self.run_script(r"""
                    const client = new StompClient(quick);
                    client.connect();
                    (await socket(1)).accept();
                    sockets[0].say("ERROR", { message: "That is not allowed." }, "details");
                    sockets[0].lose(%d, "The text of the code.");
                    await turn();
                    return [client.state, states.at(-1), sockets.length];""" % code)
                self.assertEqual(seen, ["closed", "closed: That is not allowed.", 1])

    def test_an_expired_token_is_replaced_by_its_provider(self):
        tokens = self.run_script(r"""
            let number = 0;
            const client = new StompClient({ ...quick, tokenProvider: async () => `t${++number}` });
            client.connect();
            (await socket(1)).accept();
            sockets[0].lose(4002);
            (await socket(2)).accept();
            return sockets.map(({ frames }) => frames[0].Authorization);""")
        self.assertEqual(tokens, ["Bearer t1", "Bearer t2"])

    def test_a_token_is_replaced_before_it_expires(self):
        seen = self.run_script(r"""
            const timers = [];
            globalThis.setTimeout = ((real) => (body, time, ...rest) => {
                timers.push(time);
                return real(body, time > 500 ? 1 : time, ...rest);
            })(globalThis.setTimeout);
            let number = 0;
            const client = new StompClient({ ...quick, tokenProvider: async () => `t${++number}` });
            client.connect();
            (await socket(1)).accept({ "expires-in": "100000" });
            while (sockets[0].frames.length < 2) await turn();
            const [, refresh] = sockets[0].frames;
            sockets[0].say("RECEIPT", { "receipt-id": refresh.receipt, "expires-in": "3600000" });
            while (sockets[0].frames.length < 3) await turn();
            return { refresh, asked: sockets[0].frames.map((frame) => frame.Authorization), open: client.state,
                     hour: timers.includes(2880000), first: timers.includes(80000) };""")
        self.assertEqual(seen["refresh"], {
            "command": "SEND", "destination": "/app/auth.refresh", "Authorization": "Bearer t2", "receipt": "r1"})
        self.assertEqual(seen["asked"], ["Bearer t1", "Bearer t2", "Bearer t3"])
        self.assertEqual(seen["open"], "connected")
        self.assertTrue(seen["first"], "at four fifths of the time left")
        self.assertTrue(seen["hour"], "and of the new one's")

    def test_a_provider_that_fails_is_asked_again_while_there_is_time(self):
        asked = self.run_script(r"""
            globalThis.setTimeout = ((real) => (body, time, ...rest) => real(body, time > 500 ? 1 : time, ...rest))(
                globalThis.setTimeout);
            let number = 0;
            const tokenProvider = async () => {
                if (++number === 2) throw new Error("The session service is away.");
                return `t${number}`;
            };
            const client = new StompClient({ ...quick, tokenProvider });
            client.connect();
            (await socket(1)).accept({ "expires-in": "100000" });
            while (sockets[0].frames.length < 2) await turn();
            return sockets[0].frames[1].Authorization;""")
        self.assertEqual(asked, "Bearer t3")

    def test_a_token_without_end_or_without_a_provider_is_not_replaced(self):
        counts = self.run_script(r"""
            globalThis.setTimeout = ((real) => (body, time, ...rest) => real(body, time > 500 ? 1 : time, ...rest))(
                globalThis.setTimeout);
            const endless = new StompClient({ ...quick, tokenProvider: () => "t" });
            endless.connect();
            (await socket(1)).accept();
            const fixed = new StompClient(quick);
            fixed.connect();
            (await socket(2)).accept({ "expires-in": "100000" });
            for (let turns = 0; turns < 50; turns++) await turn();
            return sockets.map(({ frames }) => frames.length);""")
        self.assertEqual(counts, [1, 1])

    def test_an_acknowledgement_with_a_receipt_waits_for_it(self):
        seen = self.run_script(r"""
            const log = [];
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", (message) => {
                message.ack(true).then(() => log.push("done"), (error) => log.push(error.code));
            }, { ack: "client-individual" });
            client.connect();
            (await socket(1)).accept();
            sockets[0].message("1", { ack: "a1" });
            await turn();
            const before = [...log];
            const { id, receipt } = sockets[0].frames.at(-1);
            sockets[0].say("RECEIPT", { "receipt-id": receipt });
            sockets[0].message("2", { ack: "a2" });
            await turn();
            sockets[0].lose();
            await turn();
            return [before, id, log];""")
        self.assertEqual(seen, [[], "a1", ["done", "connectionLost"]])

    def test_what_has_no_ack_header_is_not_acknowledged_to_the_server(self):
        seen = self.run_script(r"""
            const log = [];
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", async (message) => {
                if (message.id === "3") return message.nack();
                await message.ack(message.id === "2");
                log.push([message.id, message.acknowledged]);
            }, { ack: "client-individual" });
            client.connect();
            (await socket(1)).accept();
            for (const id of ["1", "2", "3"]) sockets[0].message(id);
            await turn();
            return [log, sockets[0].frames.map(({ command }) => command)];""")
        self.assertEqual(seen, [[["1", True], ["2", True]], ["CONNECT", "SUBSCRIBE"]])

    def test_what_comes_again_is_shown_once_and_acknowledged_again(self):
        seen = self.run_script(r"""
            const shown = [], repeats = [];
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", (message) => shown.push(message), {
                ack: "client-individual",
                onRepeat(message, confirmation) {
                    repeats.push([message.id, confirmation !== null, message === shown[1]]);
                },
            });
            client.connect();
            (await socket(1)).accept();
            sockets[0].message("1", { ack: "a1" });
            sockets[0].message("2", { ack: "a2" });
            shown[0].ack();
            sockets[0].lose();
            const meanwhile = await shown[1].ack(true).catch((error) => error.code);
            (await socket(2)).accept();
            sockets[1].message("1", { ack: "b1", redelivered: "true" });
            sockets[1].message("2", { ack: "b2", redelivered: "true" });
            sockets[1].message("3", { ack: "b3" });
            shown[2].nack();
            sockets[1].message("3", { ack: "b4", redelivered: "true" });
            return {
                meanwhile, repeats, shown: shown.map(({ id, redelivered }) => [id, redelivered]),
                answers: sockets[1].frames.slice(2).map(({ command, id }) => [command, id]),
            };""")
        self.assertEqual(seen, {
            "meanwhile": "connectionLost",
            "repeats": [["1", True, False], ["2", True, False]],
            "shown": [["1", False], ["2", False], ["3", False], ["3", True]],
            "answers": [["ACK", "b1"], ["ACK", "b2"], ["NACK", "b3"]]})

    def test_a_repeat_that_was_not_acknowledged_is_the_message_shown_before(self):
        seen = self.run_script(r"""
            const shown = [], repeats = [];
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", (message) => shown.push(message), {
                ack: "client-individual",
                onRepeat: (message, confirmation) => repeats.push([message === shown[0], confirmation]),
            });
            client.connect();
            (await socket(1)).accept();
            sockets[0].message("1", { ack: "a1" });
            sockets[0].lose();
            (await socket(2)).accept();
            sockets[1].message("1", { ack: "b1", redelivered: "true" });
            shown[0].ack();
            return [shown.length, repeats, shown[0].redelivered, sockets[1].frames.at(-1)];""")
        self.assertEqual(seen, [1, [[True, None]], True, {"command": "ACK", "id": "b1"}])

    def test_in_mode_client_one_acknowledgement_covers_those_before_it(self):
        seen = self.run_script(r"""
            const shown = [];
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", (message) => shown.push(message), { ack: "client" });
            client.connect();
            (await socket(1)).accept();
            for (const id of ["1", "2", "3"]) sockets[0].message(id, { ack: `a${id}` });
            shown[1].ack();
            sockets[0].lose();
            (await socket(2)).accept();
            for (const id of ["1", "2", "3"]) sockets[1].message(id, { ack: `b${id}` });
            return [shown.map(({ acknowledged }) => acknowledged), sockets[1].frames.slice(2).map(({ id }) => id)];""")
        self.assertEqual(seen, [[True, True, False], ["b1", "b2"]])

    def test_the_ids_remembered_are_bounded(self):
        shown = self.run_script(r"""
            const shown = [];
            const client = new StompClient({ ...quick, seenMax: 2 });
            client.subscribe("/user/queue/msg", ({ id }) => shown.push(id));
            client.connect();
            (await socket(1)).accept();
            for (const id of ["1", "2", "2", "3", "1"]) sockets[0].message(id);
            return shown;""")
        self.assertEqual(shown, ["1", "2", "3", "1"])

    def test_heart_beats_are_sent_and_a_silent_server_is_left(self):
        seen = self.run_script(r"""
            const client = new StompClient({ ...quick, heartBeat: [20, 20] });
            client.connect();
            (await socket(1)).accept({ "heart-beat": "20,20" });
            await socket(2);
            const beats = sockets[0].sent.slice(1);
            return [beats.every((text) => text === "\n"), beats.length > 0, states.slice(1, 3)];""")
        self.assertEqual(seen, [True, True, ["connected", "reconnecting: The server's heart-beats stopped."]])

    def test_no_heart_beats_where_one_side_wants_none(self):
        seen = self.run_script(r"""
            let timers = 0;
            globalThis.setInterval = () => { timers++; };
            const client = new StompClient(quick);
            client.connect();
            (await socket(1)).accept({ "heart-beat": "0,0" });
            return [timers, client.state];""")
        self.assertEqual(seen, [0, "connected"])

    def test_a_server_that_does_not_answer_is_left(self):
        state = self.run_script(r"""
            const client = new StompClient({ ...quick, connectTimeoutMilliseconds: 10 });
            client.connect();
            await socket(2);
            return states[1];""")
        self.assertEqual(state, "reconnecting: The server did not answer in time.")

    def test_disconnect_says_farewell_and_closes(self):
        seen = self.run_script(r"""
            const client = new StompClient(quick);
            client.connect();
            (await socket(1)).accept();
            const left = client.disconnect();
            const { command, receipt } = sockets[0].frames.at(-1);
            const open = sockets[0].readyState;
            sockets[0].say("RECEIPT", { "receipt-id": receipt });
            await left;
            return [command, open, sockets[0].readyState, states.at(-1), sockets.length];""")
        self.assertEqual(seen, ["DISCONNECT", 1, 3, "closed: The client disconnected.", 1])

    def test_a_handler_that_throws_harms_no_other_message(self):
        shown = self.run_script(r"""
            const shown = [];
            globalThis.reportError = (error) => shown.push(error.message);
            const client = new StompClient(quick);
            client.subscribe("/user/queue/msg", ({ id }) => {
                if (id === "1") throw new Error("oops");
                shown.push(id);
            });
            client.connect();
            (await socket(1)).accept();
            sockets[0].message("1");
            sockets[0].message("2");
            return shown;""")
        self.assertEqual(shown, ["oops", "2"])

    def test_a_server_that_does_not_speak_stomp_is_left_for_good(self):
        seen = self.run_script(r"""
            const client = new StompClient(quick);
            client.connect();
            (await socket(1)).accept();
            sockets[0].onmessage({ data: "HELLO\n\n\0" });
            return states.at(-1);""")
        self.assertEqual(seen, "closed: The server sent a frame of an unknown kind.")


if __name__ == "__main__":
    unittest.main()
