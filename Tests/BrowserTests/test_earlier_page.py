"""A page of the design that Belfry succeeds, with nothing changed but the URL: SockJS, a bare token in CONNECT,
subscriptions without an ack mode, acknowledgement by SEND /app/ack, and its buttons."""

import http.server
import json
import threading
import urllib.request

from browser import URL, BrowserTestCase, insert, status_of
from test_sockjs import Page

# What the page's own STOMP client does, of 2014 by its manners: version 1.1, no subprotocol.
SCRIPT = """
window.messages = [];
window.frames = [];
window.connectPage = (endpoint, token) => {
    const socket = new SockJS(endpoint);
    const send = (command, headers, body = "") => socket.send(
        command + "\\n" + Object.entries(headers).map(([name, value]) => name + ":" + value + "\\n").join("")
        + "\\n" + body + "\\0");
    window.sendFrame = send;
    window.closePage = () => socket.close();
    socket.onopen = () => send("CONNECT", { "accept-version": "1.1,1.0", "heart-beat": "10000,10000",
                                            Authorization: token });
    socket.onmessage = (event) => {
        for (const frame of event.data.split("\\0").filter((text) => text.trim())) {
            window.frames.push(frame);
            if (frame.startsWith("CONNECTED")) {
                send("SUBSCRIBE", { id: "sub-0", destination: "/user/queue/msg" });
                send("SUBSCRIBE", { id: "sub-1", destination: "/topic/messages", receipt: "ready" });
            }
            if (frame.startsWith("MESSAGE")) {
                window.messages.push({ ...JSON.parse(frame.slice(frame.indexOf("\\n\\n") + 2)),
                                       redelivered: frame.includes("\\nredelivered:true\\n") });
            }
        }
    };
};
"""


class EarlierPageTests(BrowserTestCase):
    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        cls.addClassCleanup(server.server_close)
        cls.addClassCleanup(server.shutdown)
        cls.page = f"http://127.0.0.1:{server.server_port}/"

    def open(self):
        self.driver.get(self.page)
        self.driver.execute_script(SCRIPT)
        self.driver.execute_script("connectPage(arguments[0], arguments[1])", f"{URL}/stomp-ws", self.user)
        self.wait_for(
            lambda: self.driver.execute_script("return frames.some((frame) => frame.startsWith('RECEIPT'))"),
            "the subscriptions")

    def messages(self, count):
        return self.wait_for(
            lambda: self.driver.execute_script(
                "return messages.length >= arguments[0] ? messages : null", count), f"{count} messages")

    def acknowledge(self, message_id):
        self.driver.execute_script(
            "sendFrame('SEND', { destination: '/app/ack', receipt: 'ack-' + arguments[0] }, arguments[0])", message_id)
        self.wait_for(
            lambda: self.driver.execute_script(
                "return frames.some((frame) => frame.includes('receipt-id:ack-' + arguments[0]))", message_id),
            "the receipt")

    def test_a_message_is_delivered_by_the_command_alone_and_comes_again_until_then(self):
        message_id = insert(self.user, json.dumps("hello"))
        self.open()
        self.assertEqual(self.messages(1)[0]["id"], message_id)
        self.assertEqual(status_of(message_id), "pending")
        # In this session, and in the next one.
        self.assertTrue(self.messages(2)[1]["redelivered"])
        self.driver.execute_script("closePage()")
        self.open()
        again = self.messages(1)[0]
        self.assertEqual((again["id"], again["redelivered"]), (message_id, True))
        self.acknowledge(message_id)
        self.assertEqual(status_of(message_id), "delivered")

    def test_its_buttons(self):
        self.open()
        self.driver.execute_script("sendFrame('SEND', { destination: '/app/sendMessage' }, 'to all')")
        self.assertEqual(self.messages(1)[0]["data"], "to all")
        for number, path in enumerate(["push_all_obj", f"push_all_obj/{self.user}"], 2):
            status = self.driver.execute_async_script(
                "fetch(arguments[0], { method: 'POST', body: arguments[1] })"
                ".then((answer) => arguments[2](answer.status), (error) => arguments[2](String(error)))",
                f"{URL}/vh-stomp-wsend/{path}", f"pushed {number}")
            self.assertEqual(status, 200)
            self.assertEqual(self.messages(number)[-1]["data"], f"pushed {number}")
        self.assertEqual(self.messages(3)[-1]["receiver"], self.user)

    def test_other_pages_may_not_push(self):
        request = urllib.request.Request(
            f"{URL}/vh-stomp-wsend/push_all_obj", data=b"x", headers={"Origin": "https://evil.example"})
        with self.assertRaises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request)
        self.assertEqual(refused.exception.code, 403)
