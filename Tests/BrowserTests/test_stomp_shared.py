"""SharedStompClient against a WebSocket that the test plays: several clients of one page are as several tabs."""

import pathlib
import unittest

from browser import URL, BrowserTestCase

FAKE_SOCKET = (pathlib.Path(__file__).parent / "fake_socket.js").read_text(encoding="utf-8")
HARNESS = """
const done = arguments[arguments.length - 1];
(async () => { %s %s })().then(done, (error) => done("failed: " + error.stack));
"""
MEMBERS = r"""
const { SharedStompClient } = await import("/stomp.js");
const code = (promise) => promise.then(() => "resolved", (error) => `${error.code}: ${error.message}`);
const until = async (condition) => {
    const deadline = performance.now() + 10000;
    while (!condition()) {
        if (performance.now() > deadline) throw new Error(`not in time: ${condition}`);
        await turn();
    }
};
const posts = [];
const realPost = BroadcastChannel.prototype.postMessage;
let loses = () => false;
BroadcastChannel.prototype.postMessage = function (data) {
    posts.push(data);
    if (!loses(data)) realPost.call(this, data);
};
const destination = "/user/queue/msg";
/** A client as of a tab of its own, with what it was told. */
const member = (options = {}) => {
    const one = { states: [], details: [], shown: [], repeats: [], counts: [], messages: {} };
    one.client = new SharedStompClient({
        ...quick, user: "alice", ...options, onState(state, detail) {
            one.states.push(state);
            one.details.push(detail);
        },
    });
    one.subscribe = (where = destination, more = {}) => one.client.subscribe(where, (message) => {
        one.shown.push(message.id);
        one.messages[message.id] = message;
    }, {
        ack: "client-individual", onRepeat: ({ id }) => one.repeats.push(id),
        onUnread: ({ unviewed }) => one.counts.push([unviewed, one.shown.length]), ...more,
    });
    one.client.connect();
    return one;
};
/** That many of them, connected; the first leads. */
const connected = async (count, options) => {
    const all = [member(options)];
    (await socket(1)).accept();
    await until(() => all[0].client.state === "connected");
    while (all.length < count) all.push(member(options));
    await until(() => all.every(({ client }) => client.state === "connected"));
    return all;
};
const frames = (command, number = 1) => sockets[number - 1].frames.filter((frame) => frame.command === command);
/** Waits until all have told that they are connected so many times. */
const untilConnected = (all, times) => until(() => all.every(({ states }) =>
    states.filter((state) => state === "connected").length === times && states.at(-1) === "connected"));
/** Waits until the followers have read what was posted so far: what one asks is answered in its turn. */
const read = async (all) => {
    for (const { client } of all) await client.request("echo");
};
/** The server's other part: commands are answered by what was sent, at once. */
const answering = (socket) => {
    const send = socket.send;
    socket.send = function (text) {
        send.call(this, text);
        for (const { command, headers, body } of new FrameDecoder().push(text)) {
            if (command === "SEND" && headers.destination === "/app/echo") answer(this, headers["correlation-id"], {});
        }
    };
};
const answer = (socket, id, body, headers = {}) => socket.say("MESSAGE", {
    subscription: "reply", "message-id": "reply-1", destination: "/user/queue/reply",
    "content-type": "application/json", "correlation-id": id, ...headers }, JSON.stringify(body));
/** A message of the queue, on the one subscription to it of the last connection. */
const deliver = (id, headers = {}) => {
    const subscription = frames("SUBSCRIBE", sockets.length).find((frame) => frame.destination === destination).id;
    sockets.at(-1).message(id, { subscription, ack: `a${id}`, ...headers });
};
"""


class SharedTests(BrowserTestCase):
    def run_script(self, script):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % (FAKE_SOCKET, MEMBERS + script))

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

    def test_equal_subscriptions_are_one_and_others_are_not(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            const first = all.map((one) => one.subscribe());
            all[1].subscribe(destination, { ack: "client" });
            all[2].subscribe("/topic/news", { headers: { "prefetch-count": "3" } });
            const again = all[0].subscribe();
            answering(sockets[0]);
            await read(all);
            const subscribed = frames("SUBSCRIBE").map(({ id, destination, ack }) => [id, destination, ack]);
            deliver("1");
            await until(() => all[2].shown.length === 1);
            const shown = all.map(({ shown }) => shown.join());
            first.forEach((one) => one.unsubscribe());
            await read(all);
            const early = frames("UNSUBSCRIBE").length;
            again.unsubscribe();
            return { subscribed, shown, early, left: frames("UNSUBSCRIBE").map(({ id }) => id) };""")
        # One member has it twice, as it asked for it twice.
        self.assertEqual(sorted(entry[1:] for entry in seen["subscribed"]), [
            ["/topic/news", "client-individual"], ["/user/queue/msg", "client"],
            ["/user/queue/msg", "client-individual"], ["/user/queue/reply", "auto"]])
        self.assertEqual(seen["shown"], ["1,1", "1", "1"])
        self.assertEqual([seen["early"], seen["left"]], [0, ["t1"]])

    def test_an_acknowledgement_by_one_is_known_to_all_and_a_refusal_brings_it_again_to_the_one(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            all.forEach((one) => one.subscribe());
            answering(sockets[0]);
            await read(all);
            ["1", "2", "3"].forEach((id) => deliver(id));
            await until(() => all.every(({ shown }) => shown.length === 3));
            all[1].messages["1"].ack();
            all[2].messages["2"].nack();
            const receipt = all[2].messages["3"].ack(true);
            await until(() => frames("ACK").length === 2);
            const sent = [...frames("ACK"), ...frames("NACK")].map(({ command, id }) => `${command} ${id}`);
            sockets[0].say("RECEIPT", { "receipt-id": frames("ACK").at(-1).receipt });
            await receipt;
            deliver("2", { ack: "b2", redelivered: "true" });
            await until(() => all[2].shown.length === 4);
            // Somebody has it still, and it is acknowledged for all.
            await read(all);
            all[0].messages["2"].ack();
            await read(all);
            return { sent: sent.toSorted(), shown: all.map(({ shown }) => shown.join()),
                repeats: all.map(({ repeats }) => repeats.join()),
                acknowledged: all.map(({ messages }) => Object.values(messages).every((one) => one.acknowledged)) };""")
        self.assertEqual(seen["sent"], ["ACK a1", "ACK a3", "NACK a2"])
        self.assertEqual(seen["shown"], ["1,2,3", "1,2,3", "1,2,3,2"])
        self.assertEqual(seen["repeats"], ["2", "2", ""])
        self.assertEqual(seen["acknowledged"], [True] * 3)

    def test_in_mode_client_one_acknowledgement_covers_those_before_it_for_all(self):
        seen = self.run_script(r"""
            const all = await connected(2);
            all.forEach((one) => one.subscribe(destination, { ack: "client" }));
            answering(sockets[0]);
            await read(all);
            ["1", "2", "3"].forEach((id) => deliver(id));
            await until(() => all[1].shown.length === 3);
            all[1].messages["2"].ack();
            await read(all);
            const late = member();
            late.subscribe(destination, { ack: "client" });
            await until(() => late.shown.length > 0);
            return [all.map(({ messages }) => Object.values(messages).map((one) => one.acknowledged)), late.shown];""")
        self.assertEqual(seen, [[[True, True, False]] * 2, ["3"]])

    def test_a_lost_connection_brings_what_is_open_again_without_showing_it_again(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            all.forEach((one) => one.subscribe());
            answering(sockets[0]);
            await read(all);
            deliver("1");
            deliver("2");
            await until(() => all.every(({ shown }) => shown.length === 2));
            all[1].messages["1"].ack();
            const lost = code(all[2].messages["2"].ack(true));
            await until(() => frames("ACK").length === 2);
            sockets[0].lose();
            (await socket(2)).accept();
            await untilConnected(all, 2);
            answering(sockets[1]);
            await read(all);
            deliver("1", { ack: "b1" });
            deliver("2", { ack: "b2" });
            await read(all);
            return { lost: await lost, shown: all.map(({ shown }) => shown.join()),
                again: new Set(frames("ACK", 2).map(({ id }) => id)).size };""")
        self.assertEqual(seen["lost"].split(":")[0], "connectionLost")
        self.assertEqual(seen["shown"], ["1,2"] * 3)
        self.assertEqual(seen["again"], 2)

    def test_a_topic_goes_on_for_each_from_where_it_was(self):
        seen = self.run_script(r"""
            const all = await connected(4);
            const topic = (one, lastMessageId) => one.subscribe("/topic/news", { ack: "auto", lastMessageId });
            const say = (number, id) => sockets[0].say("MESSAGE", {
                subscription: `t${number}`, "message-id": id, destination: "/topic/news" }, "{}");
            answering(sockets[0]);
            topic(all[0], "5");
            await read(all);
            say(1, "6");
            say(1, "8");
            topic(all[1], "6");   // A part of what came.
            topic(all[2]);        // Only what comes from now on.
            topic(all[3], "3");   // More than the others have asked for.
            await read(all);
            say(1, "9");
            for (const id of ["4", "5", "6", "8", "9"]) say(2, id);
            await read(all);
            return { asked: frames("SUBSCRIBE").filter(({ id }) => id !== "reply")
                .map((frame) => [frame.id, frame["last-message-id"]]), shown: all.map(({ shown }) => shown.join()) };
            """)
        self.assertEqual(seen["asked"], [["t1", "5"], ["t2", "3"]])
        self.assertEqual(seen["shown"], ["6,8,9", "8,9", "9", "4,5,6,8,9"])

    def test_counts_come_first_for_those_that_join_later_too(self):
        seen = self.run_script(r"""
            const all = await connected(3);
            answering(sockets[0]);
            const counts = (unviewed) => JSON.stringify({ unviewed, unseen: 0, changes: 1 });
            all[0].subscribe(destination, { unread: true });
            await read(all);
            sockets[0].say("MESSAGE", {
                subscription: "t1", destination, "message-id": "unread-1", unread: "true" }, counts(3));
            deliver("1");
            all[1].subscribe(destination, { unread: true });
            all[2].subscribe();
            await until(() => sockets[0].frames.some((frame) => frame.destination === "/app/unread"));
            deliver("2");
            const asked = sockets[0].frames.find((frame) => frame.destination === "/app/unread");
            answer(sockets[0], asked["correlation-id"], JSON.parse(counts(4)));
            await until(() => all[1].shown.length === 2);
            // A refusal leaves the counts out, not the messages.
            const late = member();
            late.subscribe(destination, { unread: true });
            const questions = () => sockets[0].frames.filter((frame) => frame.destination === "/app/unread");
            await until(() => questions().length === 2);
            answer(sockets[0], questions()[1]["correlation-id"], {}, { error: "unavailable" });
            await until(() => late.shown.length === 2);
            return { counts: [...all, late].map(({ counts }) => counts),
                subscribed: frames("SUBSCRIBE").filter(({ id }) => id !== "reply").map(({ unread }) => unread),
                shown: [...all, late].map(({ shown }) => shown.join()) };""")
        self.assertEqual(seen["counts"], [[[3, 0]], [[4, 0]], [], []])
        self.assertEqual(seen["subscribed"], ["true"])
        self.assertEqual(seen["shown"], ["1,2"] * 4)

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

    def test_a_post_that_was_lost_is_noticed(self):
        seen = self.run_script(r"""
            const all = await connected(2);
            all.forEach((one) => one.subscribe());
            answering(sockets[0]);
            await read(all);
            deliver("1");
            await until(() => all[1].shown.length === 1);
            loses = ({ kind }) => kind === "message";
            deliver("2");
            loses = () => false;
            deliver("3");
            await until(() => all[1].shown.length === 3);
            return [all.map(({ shown }) => shown.join()), all[1].details.at(-2).reason.text];""")
        self.assertEqual(seen, [["1,2,3", "1,2,3"], "A message between tabs was lost."])

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
