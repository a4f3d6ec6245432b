/** In a page under test: `tab` is its client, what that was handed over, and what went out of the page. */
globalThis.makeTab = async (options) => {
    const tab = { shown: [], repeats: [], states: [], counts: [], posted: [], sent: [], messages: new Map() };
    globalThis.tab = tab;
    const record = (prototype, method, note) => {
        const real = prototype[method];
        prototype[method] = function (data) {
            note(data, this);
            return real.call(this, data);
        };
    };
    record(WebSocket.prototype, "send", (data, socket) => {
        tab.sent.push(data);
        tab.socket = socket;
    });
    record(BroadcastChannel.prototype, "postMessage", (data, channel) => {
        tab.posted.push(data);
        tab.channel = channel.name;
    });
    for (const missing of options.lacks ?? []) {
        Object.defineProperty(missing === "locks" ? navigator : globalThis, missing, { value: undefined });
    }
    const module = await import("/stomp.js");
    Object.assign(tab, module);
    tab.client = new module.SharedStompClient({
        ...options, onState: (state, detail) => tab.states.push([state, detail.reason?.text ?? ""]),
    });
    tab.subscribe = (destination = "/user/queue/msg", more = {}) => tab.client.subscribe(destination, (message) => {
        tab.shown.push(message.id);
        tab.messages.set(message.id, message);
        tab.onmessage?.(message);
    }, {
        ack: "client-individual", onUnread: (counts) => tab.counts.push(counts),
        onRepeat: (message) => tab.repeats.push(message.id), ...more,
    });
    tab.until = async (condition) => {
        const deadline = performance.now() + 20000;
        while (!condition()) {
            if (performance.now() > deadline) throw new Error(`not within 20 s: ${condition}`);
            await new Promise((resolve) => setTimeout(resolve, 5));
        }
    };
    tab.subscription = tab.subscribe();
    tab.client.connect();
};
