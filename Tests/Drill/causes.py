"""Why alice did not get order 7."""
import signal, time

from installation import wait
from parties import INSERT, ORDER, Alice, OpenTransaction


class Causes:
    """Each brings its cause about, with alice's client at `self.alice`, and returns once somebody may complain."""

    def __init__(self, installation):
        self.installation, self.alice = installation, None

    def connect(self, kind="good"):
        self.alice = Alice(self.installation.stomp_port, self.installation.token("alice"), kind)
        wait("alice's client is connected", self.alice.subscribed.is_set)

    def status(self):
        return self.installation.sql("select status from belfry.message_log where data @> '%s' order by id" % ORDER)

    def insert(self, columns="", values="", user="shop"):
        self.installation.sql(
            f"insert into belfry.message_log (receiver, type, data{columns}) "
            f"values ('alice', 'ORDER_SHIPPED', '{ORDER}'{values})", user)

    def parked(self):
        """refused by the client \\(NACK\\) 5 times"""
        self.connect("nacks")
        self.insert()
        wait("it is parked", lambda: self.status() == "parked")
        # Her page has a new version by now.
        self.alice.close()
        self.connect()

    def relay_killed(self):
        """none leads"""
        self.connect()
        self.insert(", not_before", ", now() + interval '1 second'")
        self.installation.processes["relay"].kill()
        time.sleep(4)

    def relay_stopped(self):
        """none leads"""
        self.connect()
        self.insert(", not_before", ", now() + interval '1 second'")
        self.installation.processes["relay"].send_signal(signal.SIGSTOP)
        time.sleep(5)

    def unqueued(self):
        """not queued|never queued"""
        self.connect()
        self.installation.sql("set session_replication_role = replica; " + INSERT)

    def held_back(self):
        """its time: 20"""
        self.connect()
        self.insert(", not_before", ", now() + interval '1 day'")

    def snoozed(self):
        """its time: 20"""
        self.insert()
        self.installation.sql(
            "select belfry.snooze('alice', (select max(id) from belfry.message_log), now() + interval '1 day')",
            "service")
        self.connect()

    def silent_client(self):
        """an acknowledgement by a session"""
        self.connect("silent")
        self.insert()
        wait("her client has got it", self.alice.received.is_set)

    def unsubscribed(self):
        """a session of its receiver[\\s\\S]*transport"""
        self.connect("unsubscribed")
        self.insert()
        wait("it is published", lambda: self.installation.sql(
            "select waits_for from belfry.undelivered") == "a session of its receiver")

    def open_transaction(self):
        """idle in transaction"""
        self.connect()
        OpenTransaction(self.installation)
        time.sleep(6)

    def rolled_back(self):
        """\\(0 rows\\)[\\s\\S]*\\(0 rows\\)[\\s\\S]*\\(0 rows\\)"""
        self.connect()
        self.installation.sql(f"begin; {INSERT}; rollback", "shop")

    def wrong_receiver(self):
        """alicia"""
        self.connect()
        self.installation.sql(INSERT.replace("'alice'", "'alicia'"), "shop")

    def cancelled(self):
        """Cancelled by shop\\."""
        self.installation.sql(
            f"select belfry.cancel(belfry.notify('alice', 'ORDER_SHIPPED', '{ORDER}'))", "shop")
        self.connect()

    def deleted(self):
        """Deleted by its receiver\\."""
        self.insert()
        self.installation.sql(
            "select belfry.delete_for('alice', array[(select max(id) from belfry.message_log)])", "service")
        self.connect()

    def expired(self):
        """It was not delivered before its expires_at\\."""
        self.insert(", expires_at", ", now() + interval '100 milliseconds'")
        wait("it has expired", lambda: self.status() == "expired")
        self.connect()

    def other_client(self):
        """delivered"""
        self.connect()
        self.insert()
        wait("her other client has it", lambda: self.alice.acknowledged)
        self.alice.close()
        self.connect()

    @classmethod
    def names(cls):
        own = ("connect", "status", "insert", "names", "clear")
        return [name for name in vars(cls) if not name.startswith("_") and name not in own]

    def clear(self):
        """As if nothing had been: for the next cause."""
        if self.alice:
            self.alice.close()
        if self.installation.processes["relay"].poll() is not None or not self.installation.leads():
            self.installation.restart_relay()
        wait("a relay leads", self.installation.leads)
        self.installation.sql("delete from belfry.outbox; delete from belfry.parked; delete from belfry.unqueued; "
                              "delete from belfry.message_log")
        wait("alice's sessions are gone", lambda: self.installation.sql(
            "select count(*) from belfry.presence where receiver = 'alice'") == "0")
