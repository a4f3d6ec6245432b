// A WebSocket whose other side is the test: sockets in the order they were made, `frames` that the client sent.
const { StompClient, StompError, FrameDecoder, encodeFrame } = await import("/stomp.js");

const sockets = [];
class FakeSocket {
    static OPEN = 1;
    readyState = 0;
    sent = [];

    constructor(url, protocols) {
        Object.assign(this, { url, protocols });
        sockets.push(this);
    }

    get frames() {
        const frames = [...new FrameDecoder().push(this.sent.join(""))];
        return frames.map(({ command, headers }) => ({ command, ...headers }));
    }

    send(text) {
        this.sent.push(text);
    }

    close() {
        this.readyState = 3;
    }

    /** The server takes the connection and answers CONNECT. */
    accept(headers = {}) {
        this.readyState = 1;
        this.onopen();
        this.say("CONNECTED", { version: "1.2", ...headers });
    }

    say(command, headers, body) {
        this.onmessage({ data: encodeFrame(command, headers, body) });
    }

    message(id, headers = {}) {
        this.say("MESSAGE", { "message-id": id, subscription: "s1", destination: "/user/queue/msg", ...headers }, "{}");
    }

    lose(code = 1006, reason = "") {
        this.readyState = 3;
        this.onclose({ code, reason });
    }
}
globalThis.WebSocket = FakeSocket;

const states = [];
const onState = (state, { reason }) => states.push(reason ? `${state}: ${reason.text}` : state);
const turn = () => new Promise((resolve) => setTimeout(resolve));
/** The `number`th socket that the client opens, once it has opened it. */
const socket = async (number) => {
    const deadline = performance.now() + 10000;
    while (sockets.length < number && performance.now() < deadline) await turn();
    return sockets[number - 1];
};
const quick = { url: "/ws", token: "alice", retryFirstMilliseconds: 1, retryMaxMilliseconds: 4, onState };
