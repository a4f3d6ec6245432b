"""What the bell counts and tells where much comes at once, or late: a backlog, transactions that stay open, answers on
their way, counts that are not true."""

import contextlib
import json
import subprocess
import time
import unittest

from bell_page import BellTestCase
from browser import PSQL_URL, insert, psql

# A page that subscribes itself.
OWN_CLIENT = """
    bell.setAttribute("manual", "");
    import("/stomp.js").then(({ StompClient }) => {
        const client = new StompClient({ url: "/ws", token: bell.token });
        client.subscribe("/user/queue/msg", (message) => {
            bell.receive(message);
            message.ack();
        }, { ack: "client-individual" });
        bell.client = client;
        client.connect();
    });"""
# Keeps answers of the history back for `delay` milliseconds.
SLOW_HISTORY = """
    window.delay = 0;
    import("/stomp.js").then(({ StompClient }) => {
        const client = new StompClient({ url: "/ws", token: bell.token });
        const { history } = client;
        client.history = async (page) => {
            const answer = await history.call(client, page);
            await new Promise((resolve) => setTimeout(resolve, delay));
            return answer;
        };
        client.connect();
        bell.client = client;
    });"""
# Counts how often the server is asked for the counts by the connection of this tab.
COUNT_QUESTIONS = """
    window.questions = 0;
    window.WebSocket = class extends WebSocket {
        send(data) {
            const text = typeof data === "string" ? data : new TextDecoder().decode(data);
            questions += text.split("destination:/app/unread").length - 1;
            super.send(data);
        }
    };"""


class CountsTestCase(BellTestCase):
    def insert_many(self, count):
        rows = psql("insert into belfry.message_log (receiver, type, data)"
                    " select :'v1', 'STRING_MSG', to_jsonb('Message ' || i) from generate_series(1, :v2) i"
                    " returning id;", self.user, count)
        return [row[0] for row in rows]

    def wait_acknowledged(self):
        self.wait_for(lambda: psql("select count(*) from belfry.outbox where receiver = :'v1';", self.user) == [["0"]],
                      "all being acknowledged")

    @contextlib.contextmanager
    def transaction(self, *statements):
        """Does `statements` in a transaction that stays open meanwhile."""
        command = ["psql", PSQL_URL, "-X", "-q", "-A", "-t", "-v", "ON_ERROR_STOP=1"]
        with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
            other.stdin.write("\n".join(["begin;", *statements, "select 'done';\n"]))
            other.stdin.flush()
            while other.stdout.readline().strip() != "done":
                self.assertIsNone(other.poll(), "the transaction failed")
            yield
            other.stdin.write("commit;\n\\q\n")
            other.stdin.flush()

    def mark(self, message):
        return f"select * from belfry.mark_viewed('{self.user}', ids => '{{{message}}}');"


class BacklogTests(CountsTestCase):
    """What had come before the page was there is counted, and is no news."""

    def assert_no_news(self, most):
        """Nothing of what waited was told, nor more than there was, whatever the order of what came."""
        counts = self.events("count")
        self.assertEqual([count for count in counts if max(count.values()) > most], [])
        self.assertEqual((self.events("message"), self.announced()), ([], ""))
        self.assertEqual(self.run_js("return root.querySelectorAll('.toast').length"), 0)

    def assert_told(self):
        insert(self.user, '"New"')
        self.wait_for(lambda: [event["message"]["data"] for event in self.events("message")] == ["New"], "what is new")
        self.wait_for(lambda: self.announced() == "New notification: New", "it being read out")

    def open_acknowledged(self, set_up="", **attributes):
        self.open_connected(set_up, **attributes)
        self.wait_acknowledged()
        # What is told is read out half a second later, and counted again after one and a half.
        time.sleep(1)

    def test_a_backlog_is_counted_once_and_not_told(self):
        for count in (100, 200, 600):
            with self.subTest(count=count):
                self.user = f"{self.user}-{count}"
                self.insert_many(count)
                self.open_acknowledged()
                self.wait_counts(count, count)
                self.assert_no_news(count)
                self.assert_told()
                self.wait_counts(count + 1, count + 1)

    def test_a_backlog_that_was_viewed_is_not_counted(self):
        ids = self.insert_many(1500)
        psql("select belfry.mark_viewed(:'v1', up_to => :'v2'::bigint);", self.user, ids[-1])
        self.open_acknowledged()
        self.wait_counts(0, 0)
        self.assert_no_news(0)
        self.assert_told()

    def test_a_backlog_is_no_news_where_the_page_subscribes_itself(self):
        self.insert_many(600)
        self.open_acknowledged(OWN_CLIENT)
        self.wait_counts(600, 600)
        self.assert_no_news(600)
        self.assert_told()

    def test_what_came_while_it_was_away_is_told(self):
        insert(self.user, '"Before"')
        self.open_acknowledged("""
            window.sockets = [];
            window.WebSocket = class extends WebSocket {
                constructor(...values) {
                    super(...values);
                    sockets.push(this);
                }
            };""")
        self.assert_no_news(1)
        snoozed = insert(self.user, '"Snoozed"')
        self.wait_counts(2, 2)
        psql("select belfry.snooze(:'v1', :'v2'::bigint, now() + interval '5 seconds');", self.user, snoozed)
        returns = time.monotonic() + 6
        later = insert(self.user, '"Later"')
        self.wait_status(later)
        self.run_js("told.length = 0; window.Refused = WebSocket; sockets.at(-1).close();"
                    "window.WebSocket = class { constructor() { throw new Error('away'); } };")
        self.wait_state("reconnecting")
        self.insert_many(60)
        time.sleep(max(0, returns - time.monotonic()))
        self.run_js("window.WebSocket = Refused;")
        self.wait_state("connected")
        self.wait_counts(63, 63)
        titles = [event["message"]["data"] for event in self.events("message")]
        self.assertEqual(sorted(titles), sorted(["Snoozed", *(f"Message {number}" for number in range(1, 61))]))
        counted = [event["unseen"] for event in self.events("count")]
        self.assertLessEqual(max(counted), 63)

    def test_what_commits_late_is_told_and_counted(self):
        self.open_acknowledged()
        sql = f"select 'id', belfry.notify('{self.user}', 'STRING_MSG', '\"Late\"');"
        with self.transaction(sql):
            insert(self.user, '"Early"')
            self.wait_counts(1, 1)
            time.sleep(2)
        self.wait_counts(2, 2)
        self.assertEqual([event["message"]["data"] for event in self.events("message")], ["Early", "Late"])


class ChangeTests(CountsTestCase):
    """What another device or an application changes."""

    def test_a_change_that_commits_late_leaves_the_counts_right_in_all_tabs(self):
        viewed = insert(self.user)
        tabs = []
        for _ in range(3):
            tabs.append(self.new_tab())
            self.open_connected(COUNT_QUESTIONS)
        # What is asked while tabs come is asked by then.
        time.sleep(7)
        questions = self.questions(tabs)
        with self.transaction(self.mark(viewed)):
            insert(self.user, '"Meanwhile"')
            self.wait_counts(2, 2)
            # Messages and counts that come together are asked about anyhow.
            time.sleep(2)
        for tab in tabs:
            self.driver.switch_to.window(tab)
            self.wait_counts(1, 1)
        time.sleep(7)
        self.assertEqual(self.questions(tabs) - questions, 1, "one tab asks for all")

    def questions(self, tabs):
        count = 0
        for tab in tabs:
            self.driver.switch_to.window(tab)
            count += self.driver.execute_script("return questions")
        return count

    def test_a_tab_asks_itself_where_the_one_with_the_connection_has_no_bell(self):
        viewed = insert(self.user)
        self.open_page("""
            import("/stomp.js").then(({ SharedStompClient }) => {
                window.client = new SharedStompClient({ url: "/ws", token: bell.token });
                client.connect();
            });""")
        self.run_js("bell.remove()")
        self.wait_js("window.client?.isLeading", "the connection")
        self.new_tab()
        self.open_connected(COUNT_QUESTIONS)
        self.wait_counts(1, 1)
        with self.transaction(self.mark(viewed)):
            insert(self.user, '"Meanwhile"')
            time.sleep(2)
        self.wait_counts(1, 1)
        self.assertEqual(self.driver.execute_script("return questions"), 0, "the other tab has the connection")

    def test_what_is_viewed_while_a_page_is_read_is_not_marked_as_unread(self):
        ids = self.insert_many(60)
        self.open_connected(SLOW_HISTORY)
        self.wait_acknowledged()
        self.driver.refresh()
        self.open_page(SLOW_HISTORY)
        self.wait_state("connected")
        self.open_list()
        time.sleep(3)
        self.driver.execute_script("delay = 1500")
        self.run_js("const box = root.querySelector('.scroll'); box.scrollTop = box.scrollHeight;")
        self.wait_js("root.querySelector('[aria-busy=true]') !== null", "the next page being read")
        time.sleep(0.5)
        psql("select belfry.mark_viewed(:'v1', up_to => :'v2'::bigint);", self.user, ids[-1])
        self.wait_counts(0, 0)
        self.wait_js("root.querySelectorAll('.item').length === 60", "the next page")
        self.assertEqual(self.run_js("return root.querySelectorAll('.item.unviewed').length"), 0)

    def test_counts_that_are_not_true_do_not_stay(self):
        messages = [insert(self.user)]
        self.open_connected()
        self.wait_counts(1, 1)
        for changes in (9007199254740991, 10**300):
            with self.subTest(changes=changes):
                data = json.dumps({"ids": [], "unviewed": 77, "unseen": 77, "changes": changes})
                self.wait_status(insert(self.user, data, "NOTIFY_VIEWED"))
                self.wait_agreement()
                messages.append(insert(self.user))
                self.wait_agreement()
        psql("select belfry.mark_viewed(:'v1', ids => :'v2'::bigint[]);", self.user, f"{{{','.join(messages)}}}")
        self.wait_agreement()
        self.assertLess(self.stored_counts()["unviewed"], len(messages))

    def wait_agreement(self):
        self.wait_for(lambda: self.run_js("return bell.counts") == self.stored_counts(), "the counts of PostgreSQL")


if __name__ == "__main__":
    unittest.main()
