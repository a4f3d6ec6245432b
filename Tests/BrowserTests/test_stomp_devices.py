"""A user with two devices, each a browser with three tabs: what is done on one is known on all, and they agree."""

import pathlib
import random
import statistics
import unittest

from browser import insert, psql
from tabs import Tab, TabsTestCase

USER_SCRIPT = (pathlib.Path(__file__).parent / "random_user.js").read_text(encoding="utf-8") + "startUser();"
ROUNDS = 20
INSERTS_IN_A_ROUND = 10
ACTIONS_OF_A_TAB_IN_A_ROUND = 15


class DevicesTests(TabsTestCase):
    def setUp(self):
        super().setUp()
        self.drivers = [self.driver, self.new_device()]
        self.tabs = [tab for driver in self.drivers for tab in self.open_tabs(3, driver=driver)]
        for tab in self.tabs:
            tab.run(USER_SCRIPT)

    def insert_many(self, count):
        psql("insert into belfry.message_log (receiver, type, data) select :'v1', 'STRING_MSG', to_jsonb(n::text) "
             f"from generate_series(1, {count}) n;", self.user)

    def counts_in_database(self):
        return [int(value) for value in psql("select unviewed, unseen from belfry.unread(:'v1');", self.user)[0]]

    def test_a_message_viewed_on_one_is_viewed_on_all_within_a_second(self):
        self.wait_sessions(2)
        took = []
        for number in range(6):
            viewed = insert(self.user)
            for tab in self.tabs:
                self.wait_for(lambda tab=tab: viewed in tab.shown, "the message in each tab")
            start = self.tabs[number].run("""const start = Date.now();
                await tab.client.markViewed([values[0]]);
                return start;""", viewed)
            arrived = [tab.run("""
                const notice = () => tab.notices.find(({ data }) => data.ids?.includes(values[0]));
                await tab.until(notice);
                return notice().at;""", viewed) for tab in self.tabs]
            took.append(max(arrived) - start)
            self.wait_for(lambda: all(tab.run("return tab.badge;") == [0, 0] for tab in self.tabs), "no badge anywhere")
        # The slowest of six tabs, on most days a few hundredths of a second.
        self.assertLess(statistics.median(took), 1000, f"milliseconds until the last tab knew: {took}")

    def test_counts_agree_after_many_actions_with_connections_cut_and_tabs_closed(self):
        chance = random.Random(4711)
        done = 0
        for number in range(ROUNDS):
            self.insert_many(INSERTS_IN_A_ROUND)
            done += INSERTS_IN_A_ROUND
            for tab in self.tabs:
                self.start_acting(tab, chance)
            if number % 4 == 3:
                index = chance.randrange(len(self.tabs))
                self.open_again(index, by_reload=number % 8 == 3)
                self.start_acting(self.tabs[index], chance)
            for tab in self.tabs:
                done += tab.run("return tab.acting;")
        self.assertEqual(done, 2000)
        self.insert_many(3)
        self.wait_for(lambda: psql(
            "select count(*) from belfry.message_log where receiver = :'v1' and not_before > now();", self.user)
            == [["0"]], "what was snoozed having come again")
        self.wait_for(self.all_agree, "all tabs agreeing with the database")
        self.wait_sessions(2)
        self.assertGreaterEqual(self.counts_in_database()[0], 3)
        self.assertGreater(sum(tab.run("return tab.states.flat().filter((state) => state === 'connected').length - 1;")
                               for tab in self.tabs), 10, "connections that were made again")
        for tab in self.tabs:
            self.assertEqual(tab.run("return [tab.problem, tab.shown.length - new Set(tab.shown).size];"), [None, 0])

    def start_acting(self, tab, chance):
        tab.run("tab.acting = tab.act(...values);", chance.randrange(1, 2**31 - 1), ACTIONS_OF_A_TAB_IN_A_ROUND)

    def open_again(self, index, by_reload):
        """A tab is reloaded, or closed and opened anew, whatever is under way in it."""
        tab = self.tabs[index]
        if by_reload:
            tab.reload()
        else:
            tab.close()
            tab.driver.switch_to.window(tab.driver.window_handles[0])
            tab = self.tabs[index] = Tab(tab.driver, self.user)
        self.wait_all_connected([tab])
        tab.run(USER_SCRIPT)

    def all_agree(self):
        counts = self.counts_in_database()
        listed = psql("select id, viewed_at is not null from belfry.history(:'v1', \"limit\" => 100);", self.user)
        for tab in self.tabs:
            badge, is_idle, history = tab.run("""
                const { messages } = await tab.client.history({ limit: 100 });
                return [tab.badge, tab.isIdle(), messages.map(({ id, viewed }) => [id, viewed ? "t" : "f"])];""")
            if not is_idle or badge != counts or history != listed:
                return False
        return True


if __name__ == "__main__":
    unittest.main()
