"""The frame codec of stomp.js, run where it is used: in a browser."""

import unittest

from browser import URL, BrowserTestCase

HARNESS = """
const done = arguments[arguments.length - 1];
(async () => {
    const { FrameDecoder, StompError, encodeFrame } = await import("/stomp.js");
    const plain = ({ command, headers, body }) => [command, { ...headers }, new TextDecoder().decode(body)];
    const decode = (...parts) => {
        const decoder = new FrameDecoder(1000);
        return parts.flatMap((part) => [...decoder.push(part)].map(plain));
    };
    const failure = (action) => {
        try {
            action();
            return "nothing";
        } catch (error) {
            return error instanceof StompError ? error.code : String(error);
        }
    };
    %s
})().then(done, (error) => done("failed: " + error.stack));
"""


class CodecTests(BrowserTestCase):
    def run_script(self, script):
        self.driver.get(f"{URL}/")
        return self.driver.execute_async_script(HARNESS % script)

    def test_headers_are_escaped_except_in_connect(self):
        written = self.run_script(r"""
            return [encodeFrame("SUBSCRIBE", { id: "a:b\\c\r\nd" }), encodeFrame("CONNECT", { token: "a:b\\c" }),
                encodeFrame("SEND", { destination: "/app/ack" }, "grüß")];""")
        self.assertEqual(written, [
            "SUBSCRIBE\nid:a\\cb\\\\c\\r\\nd\n\n\0",
            "CONNECT\ntoken:a:b\\c\n\n\0",
            "SEND\ndestination:/app/ack\ncontent-length:6\n\ngrüß\0"])

    def test_a_header_that_cannot_be_written_is_refused(self):
        codes = self.run_script(r"""
            return [failure(() => encodeFrame("CONNECT", { token: "a\nreceiver:bob" })),
                failure(() => encodeFrame("CONNECT", { token: "a\rb" })),
                failure(() => encodeFrame("ACK", { id: "\0" }))];""")
        self.assertEqual(codes, ["invalidHeader"] * 3)

    def test_headers_are_read_back_as_they_were_written(self):
        frames = self.run_script(r"""
            return decode(encodeFrame("MESSAGE", { "na:me": "\\n\n\r:\\c", empty: "" }, "x"));""")
        self.assertEqual(frames, [["MESSAGE", {"na:me": "\\n\n\r:\\c", "empty": "", "content-length": "1"}, "x"]])

    def test_every_split_of_several_frames_gives_the_same_frames(self):
        outcome = self.run_script(r"""
            const text = "\n\r\nMESSAGE\r\nmessage-id:1\r\n\r\nplain\0\n\n" +
                "MESSAGE\nmessage-id:2\ncontent-length:9\n\nnul \0 grü\0RECEIPT\nreceipt-id:r\\c1\n\n\0\n";
            const bytes = new TextEncoder().encode(text.replace("length:9", "length:10"));
            const whole = decode(bytes);
            let same = 0;
            for (let first = 0; first <= bytes.length; first++) {
                for (let second = first; second <= bytes.length; second++) {
                    const parts = [bytes.slice(0, first), bytes.slice(first, second), bytes.slice(second)];
                    if (JSON.stringify(decode(...parts)) === JSON.stringify(whole)) same++;
                }
            }
            const single = decode(...Array.from(bytes, (byte) => new Uint8Array([byte])));
            return { whole, single, differing: (bytes.length + 1) * (bytes.length + 2) / 2 - same };""")
        expected = [
            ["MESSAGE", {"message-id": "1"}, "plain"],
            ["MESSAGE", {"message-id": "2", "content-length": "10"}, "nul \0 grü"],
            ["RECEIPT", {"receipt-id": "r:1"}, ""]]
        self.assertEqual(outcome, {"whole": expected, "single": expected, "differing": 0})

    def test_text_and_binary_messages_are_read_alike(self):
        frames = self.run_script(r"""
            const text = encodeFrame("MESSAGE", { "message-id": "1" }, "日本");
            return [decode(text), decode(new TextEncoder().encode(text).buffer)];""")
        self.assertEqual(frames[0], frames[1])
        self.assertEqual(frames[0][0][2], "日本")

    def test_connected_is_not_unescaped_and_the_first_of_repeated_headers_counts(self):
        frames = self.run_script(r"""
            return decode("CONNECTED\nuser-name:a\\c\n\n\0MESSAGE\na:1\na:2\n__proto__:x\n\n\0")""")
        self.assertEqual(frames[0][1], {"user-name": "a\\c"})
        self.assertEqual(frames[1][1]["a"], "1")

    def test_what_is_not_stomp_is_refused(self):
        codes = self.run_script(r"""
            const wrong = [
                "MESSAGE\nno colon\n\n\0", "MESSAGE\na:\\t\n\n\0", "MESSAGE\na:\\\n\n\0", "MESSAGE\n:x\n\n\0",
                "MESSAGE\ncontent-length:-1\n\n\0", "MESSAGE\ncontent-length:2\n\nabc\0",
                new Uint8Array([77, 255, 10])];
            return wrong.map((data) => failure(() => decode(data)));""")
        self.assertEqual(codes, ["protocolViolation"] * 7)

    def test_a_frame_over_the_limit_is_refused(self):
        codes = self.run_script(r"""
            return [failure(() => decode("MESSAGE\n\n" + "x".repeat(2000))), failure(() => decode("M".repeat(2000))),
                failure(() => decode("MESSAGE\ncontent-length:2000\n\n")),
                failure(() => decode("MESSAGE\n\n", "x".repeat(999)))];""")
        self.assertEqual(codes, ["frameTooLarge", "frameTooLarge", "frameTooLarge", "nothing"])

    def test_a_large_frame_in_many_pieces_is_put_together(self):
        length = self.run_script(r"""
            const decoder = new FrameDecoder();
            const text = encodeFrame("MESSAGE", { "message-id": "1" }, "x".repeat(300000));
            const frames = [];
            for (let at = 0; at < text.length; at += 1000) frames.push(...decoder.push(text.slice(at, at + 1000)));
            return [frames.length, frames[0].body.length];""")
        self.assertEqual(length, [1, 300000])


if __name__ == "__main__":
    unittest.main()
