"""What the clients that share a connection are handed and acknowledge, against a WebSocket that the test plays."""

import pathlib
import unittest

from browser import URL, BrowserTestCase

HERE = pathlib.Path(__file__).parent
SCRIPTS = "".join((HERE / name).read_text(encoding="utf-8") for name in ("fake_socket.js", "members.js"))
HARNESS = """
const done = arguments[arguments.length - 1];
(async () => { %s })().then(done, (error) => done("failed: " + error.stack));
"""


class SharedMessagesTests(BrowserTestCase):
    def run_script(self, script):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % (SCRIPTS + script))

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
                counted: [...all, late].map(({ messages }) => messages["1"].headers.counted ?? null),
                shown: [...all, late].map(({ shown }) => shown.join()) };""")
        self.assertEqual(seen["counts"], [[[3, 0]], [[4, 0]], [], []])
        # What one gets that was there before is what its counts hold.
        self.assertEqual(seen["counted"], [None, "true", None, None])
        self.assertEqual(seen["subscribed"], ["true"])
        self.assertEqual(seen["shown"], ["1,2"] * 4)

    def test_counts_that_one_asks_for_are_told_to_all_unless_there_was_a_change_meanwhile(self):
        seen = self.run_script(r"""
            const all = await connected(4);
            answering(sockets[0]);
            const questions = () => sockets[0].frames.filter((frame) => frame.destination === "/app/unread");
            const answered = async (unviewed, more) => {
                const { length } = questions();
                await until(() => questions().length > length);
                await more?.();
                answer(sockets[0], questions().at(-1)["correlation-id"], { unviewed, unseen: 0, changes: 1 });
            };
            all[0].subscribe(destination, { unread: true });
            await read(all);
            sockets[0].say("MESSAGE", {
                subscription: "t1", destination, "message-id": "unread-1", unread: "true" }, '{"unviewed":1}');
            const asked = answered(2);
            const second = all[1].subscribe(destination, { unread: true });
            await asked;
            all[2].subscribe();
            await read(all);
            const ask = async (unviewed, more) => {
                const done = answered(unviewed, more);
                const counts = await Promise.all([all[1].client.unread(), done]);
                await read(all);
                return counts[0].unviewed;
            };
            const own = [await ask(3)];
            // The answer may be from before the change.
            const change = { subscription: "t1", destination, "message-id": "7", ack: "a7" };
            own.push(await ask(4, () => sockets[0].say("MESSAGE", change, '{"type":"NOTIFY_VIEWED","data":{}}')));
            second.unsubscribe();
            const told = all[3].client.unread();
            await answered(5);
            await told;
            await read(all);
            return { own, counts: all.map(({ counts }) => counts.map(([unviewed]) => unviewed)) };""")
        self.assertEqual(seen, {"own": [3, 4], "counts": [[1, 3, 5], [2], [], []]})

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


if __name__ == "__main__":
    unittest.main()
