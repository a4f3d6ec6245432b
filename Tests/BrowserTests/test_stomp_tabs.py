"""All tabs of a browser as one session of a real server's: what each is shown, and what happens to the leading one."""

import unittest

from browser import URL, broadcast, insert
from tabs import TabsTestCase


class TabsTests(TabsTestCase):
    def test_each_tab_has_every_message_once_and_one_acknowledgement_is_enough(self):
        tabs = self.open_tabs(3)
        first, second = insert(self.user), insert(self.user)
        self.wait_shown(tabs, first, second)
        follower = next(tab for tab in tabs if not tab.is_leading)
        follower.run("await tab.messages.get(values[0]).ack(true);", first)
        self.wait_status(first)
        for tab in tabs:
            self.assertEqual(tab.run("return [...tab.messages.values()].map((one) => one.acknowledged);"),
                             [True, False])
        self.wait_status(second, "pending")
        self.assertEqual(self.sessions(), 1)

    def test_a_tab_that_comes_later_gets_what_nobody_has_acknowledged(self):
        tabs = self.open_tabs(2)
        ids = [insert(self.user) for _ in range(4)]
        self.wait_shown(tabs, *ids)
        tabs[1].run("await tab.messages.get(values[0]).ack(true);", ids[1])
        late = self.open_tabs(1)[0]
        self.wait_shown([late], ids[0], ids[2], ids[3])
        late.run("await tab.messages.get(values[0]).ack(true);", ids[2])
        self.wait_status(ids[2])
        live = insert(self.user)
        self.wait_shown(tabs, *ids, live)
        self.wait_shown([late], ids[0], ids[2], ids[3], live)
        self.assertEqual(self.sessions(), 1)

    def test_a_tab_that_comes_later_is_not_shown_what_was_deleted(self):
        tabs = self.open_tabs(2)
        ids = [insert(self.user) for _ in range(2)]
        self.wait_shown(tabs, *ids)
        tabs[1].run("await tab.client.deleteMessages([values[0]]);", ids[0])
        for tab in tabs:
            self.wait_for(lambda tab=tab: len(tab.shown) == 3, "the news of it")
        late = self.open_tabs(1)[0]
        self.wait_shown([late], ids[1])

    def test_thirty_tabs_are_one_session(self):
        tabs = self.open_tabs(30)
        first = insert(self.user)
        self.wait_shown(tabs, first)
        self.wait_sessions(1)
        self.leader(tabs)
        subscriptions = [tab.run("return tab.sent.filter((text) => text.startsWith('SUBSCRIBE')).length;")
                         for tab in tabs]
        self.assertEqual(sorted(subscriptions), [0] * 29 + [1])
        tabs[17].run("await tab.messages.get(values[0]).ack(true);", first)
        self.wait_status(first)

    def test_the_last_tab_that_unsubscribes_or_goes_ends_the_subscription(self):
        tabs = self.open_tabs(3)
        leader = self.leader(tabs)
        staying, leaving = [tab for tab in tabs if tab is not leader]
        for tab in (staying, leaving):
            tab.run("tab.news = tab.subscribe('/topic/news', { ack: 'auto' });")
        self.wait_for(lambda: leader.run("return tab.sent.filter((text) => text.includes('/topic/news')).length;") == 1,
                      "one subscription to the topic")
        staying.run("tab.news.unsubscribe();")
        heard = broadcast("news")
        self.wait_shown([leaving], heard)
        self.assertEqual(staying.shown, [])
        # It goes without a word.
        leaving.crash()
        self.wait_for(lambda: leader.run("return tab.sent.at(-1).startsWith('UNSUBSCRIBE');"),
                      "the subscription's end")

    def check_handover(self, tabs, gone):
        """What was shown is not shown again, what comes is shown, and acknowledgements arrive, without the leader."""
        before = self.before
        rest = [tab for tab in tabs if tab is not gone]
        after = insert(self.user)
        self.wait_shown(rest, before, after)
        self.leader(rest)
        rest[0].run("await tab.messages.get(values[0]).ack(true);", before)
        rest[1].run("await tab.messages.get(values[0]).ack(true);", after)
        self.wait_status(before)
        self.wait_status(after)
        for tab in rest:
            self.assertEqual(tab.run("return tab.repeats;"), [before])

    def open_with_one_message(self, count=3):
        tabs = self.open_tabs(count)
        self.before = insert(self.user)
        self.wait_shown(tabs, self.before)
        return tabs, self.leader(tabs)

    def hang(self, leader, tabs):
        """Keeps the leading tab busy for longer than the others have patience; returns another one that knows."""
        follower = next(tab for tab in tabs if tab is not leader)
        follower.run("""tab.test = new BroadcastChannel("test");
            tab.test.onmessage = () => { tab.isLeaderHanging = true; };""")
        leader.run("""const test = new BroadcastChannel("test");
            test.onmessage = () => {
                const end = Date.now() + values[0];
                while (Date.now() < end);
            };
            // What is posted leaves the page when its task is over.
            test.postMessage("from here on");""", 6000)
        follower.run("""await tab.until(() => tab.isLeaderHanging);
            tab.test.postMessage("now");""")
        return follower

    def test_the_leading_tab_is_closed(self):
        tabs, leader = self.open_with_one_message()
        leader.close()
        self.check_handover(tabs, leader)
        self.wait_sessions(1)

    def test_the_leading_tab_is_reloaded(self):
        tabs, leader = self.open_with_one_message()
        leader.reload()
        self.wait_for(lambda: leader.shown == [self.before], "what nobody acknowledged, in the tab that was reloaded")
        self.check_handover(tabs, leader)
        self.wait_sessions(1)

    def test_the_leading_tab_crashes(self):
        tabs, leader = self.open_with_one_message()
        leader.crash()
        self.check_handover(tabs, leader)
        self.wait_sessions(1)

    def test_the_leading_tab_says_goodbye(self):
        tabs, leader = self.open_with_one_message()
        leader.run("await tab.client.disconnect();")
        self.check_handover(tabs, leader)
        self.assertEqual(leader.run("return tab.states.at(-1);"), ["closed", "The client disconnected."])
        self.wait_sessions(1)

    def test_the_leading_tab_is_frozen_and_comes_back(self):
        tabs, leader = self.open_with_one_message()
        leader.devtools("Page.setWebLifecycleState", state="frozen")
        self.check_handover(tabs, leader)
        for tab in tabs:
            if tab is not leader:
                # Its farewell may be cut off by the freeze itself; its lock tells the same then.
                told = {text for _, text in tab.run("return tab.states;")}
                self.assertTrue(told & {"The tab that held the connection left.",
                                        "The tab that held the connection is gone."}, told)
        self.wait_sessions(1)
        missed = insert(self.user)
        leader.devtools("Page.setWebLifecycleState", state="active")
        self.wait_shown([leader], self.before, missed)
        self.assertEqual(leader.run("return tab.states.map(([state, text]) => text).filter(Boolean);"),
                         ["The page is suspended."])
        self.assertEqual(self.sessions(), 1)

    def test_the_leading_tab_hangs_and_wakes_late(self):
        tabs, leader = self.open_with_one_message()
        self.hang(leader, tabs)
        self.check_handover(tabs, leader)
        self.wait_for(lambda: leader.state == "connected" and not leader.is_leading, "the tab that woke up following")
        self.wait_sessions(1)
        late = insert(self.user)
        self.wait_for(lambda: leader.shown[-1:] == [late], "the message that came when it was awake again")

    def test_the_leading_tab_goes_into_the_back_forward_cache_and_comes_back(self):
        tabs, leader = self.open_with_one_message()
        leader.run("addEventListener('pageshow', ({ persisted }) => { tab.isPersisted = persisted; });")
        self.driver.get(f"{URL}/health/ready")
        self.check_handover(tabs, leader)
        missed = insert(self.user)
        self.driver.switch_to.window(leader.handle)
        self.driver.back()
        self.assertTrue(leader.run("return tab.isPersisted;"), "the page as it was")
        self.wait_shown([leader], self.before, missed)
        self.wait_sessions(1)

    def test_a_leading_tab_whose_timers_stand_still_is_told_to_connect_again(self):
        tabs, leader = self.open_with_one_message()
        # A hidden tab's timers run once a minute, or later.
        leader.run("""const real = setTimeout;
            globalThis.setTimeout = (body, time = 0) => time < 20 ? real(body, time) : 0;
            tab.socket.close();""")
        for tab in tabs:
            self.wait_for(lambda tab=tab: [state for state, _ in tab.run("return tab.states;")].count("connected") == 2,
                          "a tab being connected again")
        self.assertTrue(leader.is_leading)
        after = insert(self.user)
        self.wait_shown(tabs, self.before, after)

    def test_followers_ask_for_histories_and_counts_and_mark(self):
        tabs = self.open_tabs(3)
        ids = [insert(self.user) for _ in range(5)]
        self.wait_shown(tabs, *ids)
        one, two = [tab for tab in tabs if not tab.is_leading]
        page = one.run("return tab.client.history({ limit: 3 });")
        self.assertEqual([message["id"] for message in page["messages"]], ids[:1:-1])
        self.assertEqual([page["unviewed"], page["unseen"], page["isCut"]], [5, 5, False])
        older = one.run("return tab.client.history({ before: values[0], unviewed: true });", ids[2])
        self.assertEqual([message["id"] for message in older["messages"]], [ids[1], ids[0]])
        self.assertEqual(two.run("return tab.client.markViewed([values[0]]);", ids[1])["unviewed"], 4)
        self.assertEqual(one.run("return tab.client.markSeen(values[0]);", ids[2])["unseen"], 2)
        self.assertEqual(two.run("return tab.client.deleteMessages([values[0]]);", ids[0])["unviewed"], 3)
        snoozed = one.run("return tab.client.snooze(values[0], new Date(Date.now() + 3600000));", ids[4])["snoozedAs"]
        self.assertGreater(int(snoozed), int(ids[4]))
        counts = self.leader(tabs).run("return tab.client.unread();")
        self.assertEqual([counts["unviewed"], counts["unseen"]], [2, 1])
        self.assertEqual(self.sessions(), 1)

    def test_what_a_follower_asked_of_a_leader_that_hangs_is_answered_by_the_next(self):
        tabs, leader = self.open_with_one_message()
        follower = self.hang(leader, tabs)
        asked = """const code = (promise) => promise.then((page) => page.unviewed ?? page, (error) => error.code);
            return Promise.all([code(tab.client.history()), code(tab.client.snooze("1", Date.now() + 60000))]);"""
        self.assertEqual(follower.run(asked), [1, "connectionLost"])

    def test_two_users_of_one_browser_have_a_session_each(self):
        alice, bob = self.open_tabs(2), self.open_tabs(2, user=f"bob-{self.user}")
        for_alice, for_bob = insert(self.user), insert(f"bob-{self.user}")
        self.wait_shown(alice, for_alice)
        self.wait_shown(bob, for_bob)
        self.assertEqual([self.sessions(), self.sessions(f"bob-{self.user}")], [1, 1])

    def test_a_browser_without_locks_or_channels_has_a_connection_for_each_tab(self):
        for lacks in ("locks", "BroadcastChannel"):
            with self.subTest(lacks=lacks):
                user = f"{lacks}-{self.user}"
                tabs = self.open_tabs(2, user=user, lacks=[lacks])
                first = insert(user)
                self.wait_shown(tabs, first)
                tabs[0].run("await tab.messages.get(values[0]).ack(true);", first)
                self.wait_status(first)
                self.assertEqual(tabs[1].run("return (await tab.client.unread()).unviewed;"), 1)
                self.wait_sessions(2, user)

    def test_what_other_scripts_say_on_the_channel_harms_nothing(self):
        tabs, leader = self.open_with_one_message()
        stranger = next(tab for tab in tabs if tab is not leader)
        stranger.run("""
            const channel = new BroadcastChannel(tab.channel);
            const { epoch } = tab.posted.at(-1);
            const kinds = ["hello", "ping", "reconnect", "leave", "frame", "lead", "beat", "bye", "refused", "welcome",
                "state", "subscribed", "message", "acknowledged", "answer", "receipt", "toString", "__proto__"];
            const parts = [undefined, null, 7, -1, NaN, "", "x", "x".repeat(9000), [], {}, { headers: {} }, new Date(),
                [null], new Uint8Array(3), "connected", "closed", "SUBSCRIBE", "ACK", { destination: "x", id: "\0" }];
            const names = ["from", "to", "n", "session", "command", "headers", "body", "receipt", "state", "detail",
                "id", "shared", "message", "replay", "counts", "text", "attempt"];
            let seed = 7;
            const any = (list) => list[(seed = (seed * 48271) % 2147483647) % list.length];
            for (const nonsense of [null, 1, "x", [], {}, { kind: null }]) channel.postMessage(nonsense);
            for (let count = 0; count < 3000; count++) {
                const made = { kind: any(kinds), epoch: any([0, epoch - 1, NaN, 9e15, "1", null]) };
                for (const name of names) if (any([0, 1])) made[name] = any(parts);
                channel.postMessage(made);
            }
            // What the present leader does not say, and what a tab of its does not.
            const { from } = tab.posted.find(({ kind }) => kind === "frame");
            for (const kind of kinds.slice(5)) {
                for (const n of [undefined, "1", NaN, null]) channel.postMessage({ kind, epoch, n, to: from });
            }
            for (const headers of [undefined, null, 7, [1], { id: 1 }, { id: "x" }]) {
                channel.postMessage({ kind: "frame", epoch, from, session: 1, command: "SUBSCRIBE", headers });
                channel.postMessage({ kind: "frame", epoch, from, session: 1, command: "SEND", headers });
            }
            // As a tab that there is not, of the present leader.
            for (let count = 0; count < 3000; count++) {
                const made = { kind: any(kinds.slice(0, 5)), epoch, from: any(["ghost", "", "x/y"]) };
                for (const name of names.slice(1)) if (any([0, 1])) made[name] = any(parts);
                channel.postMessage(made);
            }
            channel.close();""")
        after = insert(self.user)
        self.wait_shown(tabs, self.before, after)
        stranger.run("await tab.messages.get(values[0]).ack(true);", after)
        self.wait_status(after)
        self.assertTrue(leader.is_leading)
        self.assertEqual(self.sessions(), 1)
        for tab in tabs:
            self.assertEqual([state for state, _ in tab.run("return tab.states;")], ["connecting", "connected"])
            self.assert_console_clean()


if __name__ == "__main__":
    unittest.main()
