// Several clients of one page that share a connection as those of several tabs do; after fake_socket.js.
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
let channelName;
BroadcastChannel.prototype.postMessage = function (data) {
    posts.push(data);
    channelName = this.name;
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
