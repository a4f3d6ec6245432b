"""Who shares a connection, and how its state and its end are told, against a WebSocket that the test plays: several
clients of one page are as several tabs."""

import pathlib
import unittest

from browser import URL, BrowserTestCase

HERE = pathlib.Path(__file__).parent
SCRIPTS = "".join((HERE / name).read_text(encoding="utf-8") for name in ("fake_socket.js", "members.js"))
HARNESS = """
const done = arguments[arguments.length - 1];
(async () => { %s })().then(done, (error) => done("failed: " + error.stack));
"""


class SharedTests(BrowserTestCase):
    def run_script(self, script):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % (SCRIPTS + script))

    def test_states_are_the_same_for_all_and_come_with_their_details(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            sockets[0].lose(1012, "This node is stopping; connect again.");
            (await socket(2)).accept({ "user-name": "alice" });
            await untilConnected(all, 2);
            const last = all.map(({ states, details }) => JSON.stringify(states.slice(-3).map((state, index) =>
                [state, details.slice(-3)[index]])));
            return { same: new Set(last).size, last: JSON.parse(last[2]), sockets: sockets.length };""")
        self.assertEqual(seen["same"], 1)
        self.assertEqual([state for state, _ in seen["last"]], ["reconnecting", "reconnecting", "connected"])
        self.assertEqual(seen["last"][0][1]["reason"]["text"], "This node is stopping; connect again.")
        self.assertGreater(seen["last"][0][1]["retryAt"], 0)
        self.assertIsNone(seen["last"][1][1]["retryAt"])
        self.assertEqual(seen["last"][2][1]["headers"]["user-name"], "alice")
        self.assertEqual(seen["sockets"], 2)

    def test_states_are_told_to_whoever_watches_from_the_present_one_on(self):
        seen = self.run_script(r"""
            const told = [[], []];
            const all = await connected(1);
            const own = new StompClient(quick);
            const ends = [all[0].client, own].map((client, index) =>
                client.watch((state) => told[index].push(state)));
            own.connect();
            (await socket(2)).accept();
            ends[0]();
            ends[1]();
            all[0].client.disconnect();
            own.disconnect();
            return told;""")
        self.assertEqual(seen, [["connected"], ["closed", "connecting", "connected"]])

    def test_no_token_is_ever_told_to_another_tab(self):
        seen = self.run_script(r"""
            const all = [member({ token: "secret-1" })];
            (await socket(1)).accept();
            all.push(member({ token: "secret-2" }), member({ token: undefined, tokenProvider: () => "secret-3" }));
            await until(() => all.every(({ client }) => client.state === "connected"));
            all[1].subscribe();
            await until(() => frames("SUBSCRIBE").length === 1);
            deliver("1");
            await until(() => all[1].shown.length === 1);
            await all[0].client.disconnect();
            (await socket(2)).accept();
            await until(() => all[2].client.state === "connected");
            return [posts.length > 10, JSON.stringify(posts).includes("secret"), posts.some(({ body }) =>
                body && new TextDecoder().decode(body).includes("secret"))];""")
        self.assertEqual(seen, [True, False, False])

    def test_whose_tabs_share_is_told_by_the_user_else_by_the_token(self):
        seen = self.run_script(r"""
            const pairs = [
                [{ user: "alice", token: "x" }, { user: "alice", token: "y" }],
                [{ user: undefined, token: "x" }, { user: undefined, token: "x" }],
                [{ user: "alice" }, { user: "bob" }],
                [{ user: undefined, token: "x" }, { user: undefined, token: "y" }],
                [{ user: "x", token: "x" }, { user: undefined, token: "x" }],
                [{ url: "/ws" }, { url: "/other" }]];
            const counts = [];
            for (const pair of pairs) {
                sockets.length = 0;
                const first = member(pair[0]);
                (await socket(1)).accept();
                const second = member(pair[1]);
                await until(() => second.client.state === "connected" || sockets.length === 2);
                counts.push(sockets.length);
                first.client.disconnect();
                second.client.disconnect();
            }
            return counts;""")
        self.assertEqual(seen, [1, 1, 2, 2, 2, 2])

    def test_it_has_to_be_said_whose_session_is_shared(self):
        codes = self.run_script(r"""
            const made = (options) => {
                try {
                    new SharedStompClient(options);
                    return "made";
                } catch (error) {
                    return error.code;
                }
            };
            return [made(), made({ tokenProvider: () => "x" }), made({ token: "x", tokenProvider: () => "x" }),
                made({ token: "x" }), made({ user: "alice" })];""")
        self.assertEqual(codes, ["invalid", "invalid", "invalid", "made", "made"])

    def test_a_refused_token_is_that_tabs_own_and_the_next_leads_with_its_own(self):
        seen = self.run_script(r"""
            const all = ["t1", "t2", "t3"].map((token) => member({ token }));
            const tokens = [];
            for (let number = 1; number <= 3; number++) {
                const one = await socket(number);
                if (number < 3) {
                    one.readyState = 1;
                    one.onopen();
                    one.say("ERROR", { message: "The token was refused." });
                    one.lose(4001, "The token was refused.");
                } else {
                    one.accept();
                }
                tokens.push(one.frames[0].Authorization);
            }
            await until(() => all.some(({ client }) => client.state === "connected"));
            return { tokens: tokens.toSorted(), states: all.map(({ client }) => client.state).toSorted() };""")
        self.assertEqual(seen["tokens"], ["Bearer t1", "Bearer t2", "Bearer t3"])
        self.assertEqual(seen["states"], ["closed", "closed", "connected"])

    def test_another_refusal_is_final_for_all(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            sockets[0].say("ERROR", { message: "Not allowed." });
            sockets[0].lose(4003, "Not allowed.");
            await until(() => all.every(({ client }) => client.state === "closed"));
            const reasons = all.map(({ details }) => details.at(-1).reason.text);
            const number = sockets.length + 1;
            all[1].client.connect();
            (await socket(number)).accept();
            await until(() => all[1].client.state === "connected");
            return [reasons, all.map(({ client }) => client.state)];""")
        self.assertEqual(seen, [["Not allowed."] * 3, ["closed", "connected", "closed"]])

    def test_a_final_refusal_that_is_read_after_the_lead_is_final_too(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            let late;
            loses = (data) => data.state === "closed" && (late = data);
            sockets[0].lose(4003, "Not allowed.");
            await socket(2);
            loses = () => false;
            new BroadcastChannel(channelName).postMessage(late);
            await until(() => all.every(({ client }) => client.state === "closed"));
            return [sockets.length, all.map(({ details }) => details.at(-1).reason.text)];""")
        self.assertEqual(seen, [2, ["Not allowed."] * 3])

    def test_what_can_be_asked_twice_is_asked_again_and_the_rest_is_lost(self):
        seen = self.run_script(r"""
            const all = await connected(2);
            const counts = all[1].client.markViewed({ upTo: "7" });
            const snoozed = code(all[1].client.snooze("7", 1893456000000));
            await until(() => frames("SEND").length === 2);
            sockets[0].lose(1006, "The cable.");
            (await socket(2)).accept();
            await until(() => sockets[1].frames.some((frame) => frame.destination === "/app/viewed"));
            answer(sockets[1], frames("SEND", 2)[0]["correlation-id"], { unviewed: 0 });
            return [await counts, await snoozed, frames("SEND", 2).length];""")
        self.assertEqual(seen, [
            {"unviewed": 0}, "connectionLost: The connection was lost before the answer: The cable.", 1])

    def test_one_tab_with_too_many_subscriptions_harms_no_other(self):
        seen = self.run_script(r"""
            const all = await connected(2);
            for (let number = 0; number < 61; number++) all[1].subscribe(`/topic/${number}`);
            await until(() => all[1].client.state === "closed");
            await until(() => frames("UNSUBSCRIBE").length === 60);
            return [all[1].details.at(-1).reason, all[0].client.state, frames("SUBSCRIBE").length];""")
        self.assertEqual(seen, [
            {"code": 1002, "text": "All tabs together have at most 60 different subscriptions."}, "connected", 60])

    def test_a_pause_is_ended_by_any_tab_and_the_last_to_leave_says_goodbye(self):
        seen = self.run_script(r"""
            const all = await connected(2, { retryFirstMilliseconds: 60000, retryMaxMilliseconds: 60000 });
            sockets[0].lose();
            await until(() => all[1].client.state === "reconnecting");
            all[1].client.reconnectNow();
            (await socket(2)).accept();
            await untilConnected(all, 2);
            all[0].client.disconnect();
            await until(() => frames("DISCONNECT", 2).length === 1);
            (await socket(3)).accept();
            await until(() => all[1].client.state === "connected");
            all[1].client.disconnect();
            return [frames("DISCONNECT", 3).length, all.map(({ client }) => client.state),
                await code(all[1].client.unread())];""")
        self.assertEqual(seen, [1, ["closed", "closed"], "closed: The client is closed: call connect() first."])

    def test_a_header_that_cannot_be_written_is_an_error_where_it_was_given(self):
        seen = self.run_script(r"""
            const all = await connected(2);
            const codes = all.map((one) => {
                try {
                    one.subscribe("/topic/\0");
                    return "fine";
                } catch (error) {
                    return error.code;
                }
            });
            return [codes, all.map(({ client }) => client.state)];""")
        self.assertEqual(seen, [["invalidHeader"] * 2, ["connected"] * 2])


if __name__ == "__main__":
    unittest.main()
