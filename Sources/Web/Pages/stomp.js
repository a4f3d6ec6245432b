/**
 * STOMP 1.2 over WebSocket for browsers, in one module without dependencies.
 *
 *     import { StompClient } from "/stomp.js";
 *
 *     const client = new StompClient({ url: "/ws", token: "alice", onState: (state) => console.log(state) });
 *     client.subscribe("/user/queue/msg", (message) => {
 *         console.log(message.id, message.json);
 *         message.ack();
 *     }, { ack: "client-individual" });
 *     client.connect();
 *
 * A lost connection is made again, and its subscriptions with it. Each message is handed over once: one that comes a
 * second time under the same `message-id` is acknowledged again if it was acknowledged, and not shown again.
 *
 * It stays one file, so that an application can take a copy.
 */

const escapes = { "\\": "\\\\", "\r": "\\r", "\n": "\\n", ":": "\\c" };
const unescapes = { "\\\\": "\\", "\\r": "\r", "\\n": "\n", "\\c": ":" };
const lineFeed = 10;
const carriageReturn = 13;

/** Close codes after which the same token meets the same end: those of a broken protocol and of a refusal. */
const finalCodes = new Set([1002, 1007, 1009, 4001, 4003, 4009]);
/** The token has expired: final, unless a `tokenProvider` has another. */
const tokenExpiredCode = 4002;

/** The longest time that a timer of a browser's can have. */
const timerMax = 2 ** 31 - 1;

/** Where a node answers the commands of a session, and how many may be unanswered, those that wait to be sent too. */
const replyDestination = "/user/queue/reply";
const requestsMax = 256;
/** Ids in one call, and messages in one page of a history: more are refused by the node. */
const idsMax = 1000;
const pageMax = 100;

/**
 * What went wrong. `code`: `connectionLost`, `closed`, `timeout`, `tooManyRequests`; `invalid`, `forbidden` and
 * `unavailable`, a node's refusals; `protocolViolation`, `frameTooLarge`, `invalidHeader`.
 */
export class StompError extends Error {
    constructor(code, message) {
        super(message);
        this.name = "StompError";
        this.code = code;
    }
}

/**
 * One frame as a string. Headers are escaped as STOMP 1.2 says, CONNECT's are not ("Value Encoding"); a body gets its
 * `content-length`. Throws `StompError` for a header that cannot be written.
 */
export function encodeFrame(command, headers = {}, body = "") {
    const verbatim = command === "CONNECT";
    const write = (text) => {
        if ((verbatim ? /[\r\n\0]/ : /\0/).test(text)) {
            throw new StompError("invalidHeader", `A header of ${command} holds a character that cannot be sent.`);
        }
        return verbatim ? text : text.replace(/[\\\r\n:]/g, (character) => escapes[character]);
    };
    let text = `${command}\n`;
    for (const [name, value] of Object.entries(headers)) text += `${write(name)}:${write(String(value))}\n`;
    if (body !== "") text += `content-length:${new TextEncoder().encode(body).length}\n`;
    return `${text}\n${body}\0`;
}

/** Makes frames `{command, headers, body: Uint8Array}` of WebSocket messages, however the frames lie in them. */
export class FrameDecoder {
    #bytes = new Uint8Array(4096);
    #start = 0;
    #scanned = 0;
    #end = 0;
    #frame = null;
    #inBody = false;
    #bytesMax;
    #text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

    /** @param {number} bytesMax bytes of one header line or one body at most. */
    constructor(bytesMax = 4 * 1024 * 1024) {
        this.#bytesMax = bytesMax;
    }

    /**
     * Takes one message (a string, an ArrayBuffer or a Uint8Array) and yields the frames that it completes; to be
     * iterated to its end. Throws `StompError` at what is not STOMP 1.2.
     */
    *push(data) {
        this.#append(typeof data === "string" ? new TextEncoder().encode(data) : new Uint8Array(data));
        while (this.#inBody ? this.#readBody() : this.#readLine()) {
            if (this.#inBody || this.#frame?.body === undefined) continue;
            const frame = this.#frame;
            this.#frame = null;
            yield frame;
        }
        if (this.#end - this.#start > this.#bytesMax) this.#refuseSize();
    }

    #append(bytes) {
        const length = this.#end - this.#start;
        if (this.#end + bytes.length > this.#bytes.length) {
            const needed = length + bytes.length;
            const target = needed * 2 > this.#bytes.length ? new Uint8Array(needed * 2) : this.#bytes;
            target.set(this.#bytes.subarray(this.#start, this.#end));
            this.#bytes = target;
            this.#scanned -= this.#start;
            this.#start = 0;
            this.#end = length;
        }
        this.#bytes.set(bytes, this.#end);
        this.#end += bytes.length;
    }

    /** The index of `byte` among what is not yet consumed, or -1; never looks at the same bytes twice. */
    #find(byte) {
        const index = this.#bytes.subarray(0, this.#end).indexOf(byte, Math.max(this.#scanned, this.#start));
        this.#scanned = index < 0 ? this.#end : index;
        return index;
    }

    #readLine() {
        const index = this.#find(lineFeed);
        if (index < 0) return false;
        const end = index > this.#start && this.#bytes[index - 1] === carriageReturn ? index - 1 : index;
        const line = this.#decode(this.#bytes.subarray(this.#start, end));
        this.#start = index + 1;
        if (this.#frame === null) {
            if (line !== "") this.#frame = { command: line, headers: Object.create(null), body: undefined };
        } else if (line === "") {
            this.#inBody = true;
        } else {
            this.#addHeader(line);
        }
        return true;
    }

    #addHeader(line) {
        const colon = line.indexOf(":");
        if (colon < 1) throw new StompError("protocolViolation", "The server sent a header without a name.");
        const read = (text) => this.#frame.command === "CONNECTED" ? text : unescape(text);
        const name = read(line.slice(0, colon));
        // The first of repeated headers counts (STOMP 1.2, "Repeated Header Entries").
        if (!(name in this.#frame.headers)) this.#frame.headers[name] = read(line.slice(colon + 1));
    }

    #readBody() {
        const declared = this.#frame.headers["content-length"];
        let end;
        if (declared === undefined) {
            end = this.#find(0);
            if (end < 0) return false;
        } else {
            if (!/^\d{1,15}$/.test(declared)) {
                throw new StompError("protocolViolation", "The server sent a content-length that is not a number.");
            }
            end = this.#start + Number(declared);
            if (Number(declared) > this.#bytesMax) this.#refuseSize();
            if (end >= this.#end) return false;
            if (this.#bytes[end] !== 0) {
                throw new StompError("protocolViolation", "The server sent a body longer than its content-length.");
            }
        }
        this.#frame.body = this.#bytes.slice(this.#start, end);
        this.#start = end + 1;
        this.#inBody = false;
        return true;
    }

    #decode(bytes) {
        try {
            return this.#text.decode(bytes);
        } catch {
            throw new StompError("protocolViolation", "The server sent a header that is not UTF-8.");
        }
    }

    #refuseSize() {
        throw new StompError("frameTooLarge", `The server sent a frame of more than ${this.#bytesMax} bytes.`);
    }
}

/** A callback that throws is reported as an uncaught error would be, and harms no other message. */
function call(callback, ...values) {
    try {
        callback?.(...values);
    } catch (error) {
        reportError(error);
    }
}

/** A body read as JSON, or `undefined` when it is none. */
function readJSON(bytes) {
    try {
        return JSON.parse(new TextDecoder().decode(bytes));
    } catch {
        return undefined;
    }
}

function unescape(text) {
    return text.replace(/\\[^]?/g, (pair) => {
        if (!(pair in unescapes)) throw new StompError("protocolViolation", "The server sent an unknown escape.");
        return unescapes[pair];
    });
}

/** Milliseconds that a server asks us to stay away, by a text that ends in seconds: `5`, or `… again in 5 s.` */
function awayMilliseconds(text = "") {
    return 1000 * Number(/(?:^| in )(\d{1,5})(?: s\.)?$/.exec(text)?.[1] ?? 0);
}

/** One WebSocket from CONNECT to its end. Ends once, with a reason `{code, text}`, and `away` in milliseconds. */
class Connection {
    #socket;
    #handlers;
    #heartBeat;
    #decoder = new FrameDecoder();
    #receipts = new Map();
    #receiptsMade = 0;
    #deadline;
    #ticker;
    #sendEvery = 0;
    #expectEvery = 0;
    #sentAt = 0;
    #receivedAt = 0;
    #errorText = null;
    #away = 0;
    #opened = false;
    isOpen = true;

    /**
     * @param who headers of CONNECT that say whose session it is.
     * @param handlers `{connected(headers), message(frame), ended(reason)}`
     */
    constructor(url, who, heartBeat, timeoutMilliseconds, handlers) {
        this.#handlers = handlers;
        this.#heartBeat = heartBeat;
        this.#socket = new WebSocket(url, ["v12.stomp"]);
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onopen = () => this.#connect(url, who);
        this.#socket.onmessage = (event) => this.#received(event.data);
        this.#socket.onclose = ({ code, reason }) => {
            const lost = this.#opened ? "The connection was lost." : "The server cannot be reached.";
            this.end({ code, text: this.#errorText || reason || lost, away: this.#away || awayMilliseconds(reason) });
        };
        this.#endAfter(timeoutMilliseconds, { code: 1006, text: "The server did not answer in time." });
    }

    send(command, headers, body) {
        this.#transmit(encodeFrame(command, headers, body));
    }

    /** Sends a frame that asks for a receipt; resolves with its headers, rejects when the connection ends first. */
    sendWithReceipt(command, headers) {
        const receipt = `r${++this.#receiptsMade}`;
        return new Promise((resolve, reject) => {
            this.#receipts.set(receipt, { resolve, reject });
            this.send(command, { ...headers, receipt });
        });
    }

    /** DISCONNECT, its receipt, and the end, within two seconds; no handler is called any more. */
    async disconnect() {
        this.#handlers = { connected() {}, message() {}, ended() {} };
        const reason = { code: 1000, text: "The client disconnected." };
        this.#endAfter(2000, reason);
        if (this.#opened) await this.sendWithReceipt("DISCONNECT", {}).catch(() => {});
        this.end(reason);
    }

    /** The end at once, without a farewell; no handler is called any more. */
    abandon() {
        this.#handlers = { connected() {}, message() {}, ended() {} };
        this.end({ code: 1000, text: "The client left." });
    }

    end(reason) {
        if (!this.isOpen) return;
        this.isOpen = false;
        clearTimeout(this.#deadline);
        clearInterval(this.#ticker);
        this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
        this.#socket.close();
        for (const { reject } of this.#receipts.values()) reject(new StompError("connectionLost", reason.text));
        this.#receipts.clear();
        this.#handlers.ended(reason);
    }

    #endAfter(milliseconds, reason) {
        clearTimeout(this.#deadline);
        this.#deadline = setTimeout(() => this.end(reason), milliseconds);
    }

    #transmit(text) {
        if (this.#socket.readyState !== WebSocket.OPEN) return;
        this.#sentAt = performance.now();
        this.#socket.send(text);
    }

    #connect(url, who) {
        const headers = {
            "accept-version": "1.2", host: new URL(url).hostname, "heart-beat": this.#heartBeat.join(), ...who,
        };
        try {
            this.send("CONNECT", headers);
        } catch (error) {
            this.end({ code: 4001, text: error.message });
        }
    }

    #received(data) {
        this.#receivedAt = performance.now();
        try {
            for (const frame of this.#decoder.push(data)) {
                this.#handle(frame);
                if (!this.isOpen) return;
            }
        } catch (error) {
            if (!(error instanceof StompError)) throw error;
            this.end({ code: error.code === "frameTooLarge" ? 1009 : 1002, text: error.message });
            return;
        }
        // A hidden page's timers may run once a minute only; the server's own beats come through and carry ours.
        this.#beat();
    }

    #handle({ command, headers, body }) {
        switch (command) {
        case "CONNECTED":
            clearTimeout(this.#deadline);
            this.#opened = true;
            this.#startHeartBeat(headers["heart-beat"]);
            this.#handlers.connected(headers);
            break;
        case "MESSAGE":
            this.#handlers.message({ headers, body });
            break;
        case "RECEIPT":
            this.#receipts.get(headers["receipt-id"])?.resolve(headers);
            this.#receipts.delete(headers["receipt-id"]);
            break;
        case "ERROR":
            // The Close frame that follows carries the code.
            this.#errorText = headers.message || new TextDecoder().decode(body);
            this.#away = awayMilliseconds(headers["retry-after"]);
            this.#endAfter(2000, { code: 1006, text: this.#errorText, away: this.#away });
            break;
        default:
            throw new StompError("protocolViolation", "The server sent a frame of an unknown kind.");
        }
    }

    /** STOMP 1.2, "Heart-beating": each direction runs at the slower of what one side offers and the other wants. */
    #startHeartBeat(header = "0,0") {
        const [serverSends = 0, serverWants = 0] = header.split(",").map((part) => Number(part) || 0);
        const [sends, wants] = this.#heartBeat;
        this.#sendEvery = sends && serverWants ? Math.max(sends, serverWants) : 0;
        this.#expectEvery = wants && serverSends ? Math.max(wants, serverSends) : 0;
        const intervals = [this.#sendEvery, this.#expectEvery].filter((interval) => interval > 0);
        if (intervals.length > 0) this.#ticker = setInterval(() => this.#tick(), Math.min(...intervals) / 2);
    }

    #tick() {
        this.#beat();
        if (this.#expectEvery && performance.now() - this.#receivedAt > 2 * this.#expectEvery) {
            this.end({ code: 1006, text: "The server's heart-beats stopped." });
        }
    }

    #beat() {
        if (this.#sendEvery && performance.now() - this.#sentAt >= this.#sendEvery / 2) this.#transmit("\n");
    }
}

/** A MESSAGE: `id`, `headers`, `destination`, `redelivered`, `body` (text), `bytes`, `json`, `ack()`, `nack()`. */
export class StompMessage {
    #subscription;
    #json;

    constructor(subscription, { headers, body }) {
        this.#subscription = subscription;
        this.id = headers["message-id"];
        this.headers = headers;
        this.destination = headers.destination;
        this.redelivered = headers.redelivered === "true";
        this.acknowledged = false;
        this.bytes = body;
    }

    get body() {
        return new TextDecoder("utf-8", { ignoreBOM: true }).decode(this.bytes);
    }

    /** The body read as JSON, or `undefined` when it is none. */
    get json() {
        this.#json ??= readJSON(this.bytes);
        return this.#json;
    }

    /**
     * Acknowledges this message, in mode `client` those before it too. With `receipt` the promise resolves when the
     * server has made it durable, and rejects with `connectionLost` when that is not known; without, at once.
     * Either way a message that comes back after it is acknowledged again by itself.
     */
    ack(receipt = false) {
        return this.#subscription.acknowledge(this, receipt);
    }

    /** Refuses this message: the server sends it again later, or parks it, and it will be shown again. */
    nack() {
        this.#subscription.refuse(this);
    }
}

/** The counts of a user's messages as they come first on a subscription with `unread`: no message has such an id. */
function isCounts({ "message-id": id = "", unread }) {
    return unread === "true" && !/^\d+$/.test(id);
}

/** What `subscribe` returns: `id`, `destination`, `lastMessageId`, `unsubscribe()`. */
class Subscription {
    #client;
    #handler;
    #options;
    #connection = null;
    /** message-id → the message while it is unacknowledged, `null` after; the oldest leave first. */
    #seen = new Map();
    /** message → its `ack` id and its place in the present connection's order. */
    #deliveries = new WeakMap();
    #delivered = 0;

    constructor(client, id, destination, handler, options) {
        this.#client = client;
        this.id = id;
        this.destination = destination;
        this.lastMessageId = options.lastMessageId;
        this.#handler = handler;
        this.#options = options;
    }

    open(connection) {
        this.#connection = connection;
        const { headers: further, ack, unread } = this.#options;
        const headers = { ...further, id: this.id, destination: this.destination, ack };
        if (unread) headers.unread = "true";
        // A user's queue has its backlog; only a topic is replayed from where it was left.
        const replays = this.#options.lastMessageId !== undefined || this.destination.startsWith("/topic/");
        if (replays && this.lastMessageId !== undefined) headers["last-message-id"] = this.lastMessageId;
        connection.send("SUBSCRIBE", headers);
    }

    receive(frame) {
        if (isCounts(frame.headers)) {
            // Where they cannot be had now there is an `error` in their place.
            if (frame.headers.error === undefined) call(this.#options.onUnread, readJSON(frame.body));
            return;
        }
        const id = frame.headers["message-id"];
        this.lastMessageId = id;
        const known = this.#seen.get(id);
        if (known === null && this.#options.ack === "auto") return;
        const message = known ?? new StompMessage(this, frame);
        this.#deliveries.set(message, {
            connection: this.#connection, ackId: frame.headers.ack, place: ++this.#delivered,
        });
        if (known !== undefined) {
            this.#repeat(message, known === null);
            return;
        }
        this.#seen.set(id, this.#options.ack === "auto" ? null : message);
        if (this.#seen.size > this.#options.seenMax) this.#seen.delete(this.#seen.keys().next().value);
        call(this.#handler, message);
    }

    #repeat(message, wasAcknowledged) {
        const { onRepeat } = this.#options;
        message.redelivered = true;
        const confirmation = wasAcknowledged ? this.acknowledge(message, onRepeat !== undefined) : null;
        confirmation?.catch(() => {});
        call(onRepeat, message, confirmation);
    }

    async acknowledge(message, receipt) {
        const delivery = this.#deliveries.get(message);
        const live = this.#isLive(delivery);
        this.#markAnswered(message, delivery);
        // What is not a row of the log (an answer, say) is not acknowledged either.
        if (this.#options.ack === "auto" || (delivery && delivery.ackId === undefined)) return;
        if (live) {
            if (receipt) await delivery.connection.sendWithReceipt("ACK", { id: delivery.ackId });
            else delivery.connection.send("ACK", { id: delivery.ackId });
        } else if (receipt) {
            throw new StompError("connectionLost", "The connection was lost before the acknowledgement.");
        }
    }

    /** Another tab has acknowledged a message of the present connection. */
    acknowledgedElsewhere(id) {
        const message = this.#seen.get(id);
        if (message) this.#markAnswered(message, this.#deliveries.get(message));
    }

    refuse(message) {
        const delivery = this.#deliveries.get(message);
        if (message.acknowledged || this.#options.ack === "auto") return;
        if (delivery && delivery.ackId === undefined) return;
        this.#seen.delete(message.id);
        this.#deliveries.delete(message);
        if (this.#isLive(delivery)) delivery.connection.send("NACK", { id: delivery.ackId });
    }

    #isLive(delivery) {
        return delivery?.connection.isOpen && delivery.connection === this.#connection;
    }

    #markAnswered(message, delivery) {
        this.#markAcknowledged(message);
        if (this.#options.ack !== "client" || !this.#isLive(delivery)) return;
        for (const earlier of this.#seen.values()) {
            const other = earlier && this.#deliveries.get(earlier);
            if (other?.connection === delivery.connection && other.place < delivery.place) {
                this.#markAcknowledged(earlier);
            }
        }
    }

    #markAcknowledged(message) {
        message.acknowledged = true;
        if (this.#seen.has(message.id)) this.#seen.set(message.id, null);
    }

    /** Ends the subscription; its unacknowledged messages stay so and can no longer be acknowledged. */
    unsubscribe() {
        this.#client.remove(this);
        if (this.#connection?.isOpen) this.#connection.send("UNSUBSCRIBE", { id: this.id });
        this.#connection = null;
    }
}

/** Commands to the node, each answered on `/user/queue/reply` under its `correlation-id`. */
class Requests {
    #timeoutMilliseconds;
    #repeated;
    #made = 0;
    /** correlation-id → `{resolve, reject, timer, command, frame, isSent}` of what is not answered. */
    #pending = new Map();
    #connection = null;
    #isSubscribed = false;

    /** @param {Set<string>} repeated commands that are sent again when their connection ends without an answer. */
    constructor(timeoutMilliseconds, repeated) {
        this.#timeoutMilliseconds = timeoutMilliseconds;
        this.#repeated = repeated;
    }

    /** Sends a command now or, while there is no connection, as soon as there is one. */
    ask(command, body) {
        if (this.#pending.size >= requestsMax) {
            const text = `${requestsMax} requests are unanswered already.`;
            return Promise.reject(new StompError("tooManyRequests", text));
        }
        const id = `c${++this.#made}`;
        return new Promise((resolve, reject) => {
            const frame = ["SEND", { destination: `/app/${command}`, "correlation-id": id }, JSON.stringify(body)];
            const timer = setTimeout(() => {
                this.#take(id)?.reject(new StompError("timeout", `/app/${command} was not answered in time.`));
            }, this.#timeoutMilliseconds);
            this.#pending.set(id, { resolve, reject, timer, command, frame, isSent: false });
            this.#flush();
        });
    }

    /** A new connection: what waited goes out. */
    open(connection) {
        this.#connection = connection;
        this.#isSubscribed = false;
        this.#flush();
    }

    /** The connection is over: whether the node did what it was sent is not known. */
    ended(text) {
        this.#connection = null;
        for (const request of this.#pending.values()) request.isSent &&= !this.#repeated.has(request.command);
        this.#rejectAll("connectionLost", `The connection was lost before the answer: ${text}`, ({ isSent }) => isSent);
    }

    closed(text) {
        this.ended(text);
        this.#rejectAll("closed", text, () => true);
    }

    /** Whether the MESSAGE was the answer to one of these. */
    receive({ headers, body }) {
        if (headers.destination !== replyDestination) return false;
        const request = this.#take(headers["correlation-id"]);
        if (!request) return false;
        const answer = readJSON(body);
        if (headers.error !== undefined) {
            request.reject(new StompError(headers.error, answer?.error?.message ?? "The command was refused."));
        } else if (answer === null || typeof answer !== "object") {
            request.reject(new StompError("protocolViolation", "The server's answer is not a JSON object."));
        } else {
            request.resolve(answer);
        }
        return true;
    }

    #flush() {
        if (!this.#connection?.isOpen) return;
        for (const request of this.#pending.values()) {
            if (request.isSent) continue;
            if (!this.#isSubscribed) {
                this.#connection.send("SUBSCRIBE", { id: "reply", destination: replyDestination, ack: "auto" });
                this.#isSubscribed = true;
            }
            request.isSent = true;
            this.#connection.send(...request.frame);
        }
    }

    #take(id) {
        const request = this.#pending.get(id);
        this.#pending.delete(id);
        clearTimeout(request?.timer);
        return request;
    }

    #rejectAll(code, text, condition) {
        for (const [id, request] of this.#pending) {
            if (condition(request)) this.#take(id).reject(new StompError(code, text));
        }
    }
}

/** What a client has on its connections, one after the other: subscriptions, and requests. */
class Exchange {
    #seenMax;
    #requests;
    #subscriptions = new Map();
    #made = 0;
    #connection = null;

    constructor({ seenMax, requestTimeoutMilliseconds }, repeated = new Set()) {
        this.#seenMax = seenMax;
        this.#requests = new Requests(requestTimeoutMilliseconds, repeated);
    }

    subscribe(destination, handler, options) {
        const subscription = new Subscription(this, `s${++this.#made}`, destination, handler, {
            ack: "auto", seenMax: this.#seenMax, ...options,
        });
        this.#subscriptions.set(subscription.id, subscription);
        if (this.#connection?.isOpen) subscription.open(this.#connection);
        return subscription;
    }

    subscription(id) {
        return this.#subscriptions.get(id);
    }

    /** Called by `Subscription.unsubscribe`. */
    remove(subscription) {
        this.#subscriptions.delete(subscription.id);
    }

    ask(command, body) {
        return this.#requests.ask(command, body);
    }

    /** A connection is there: it gets all subscriptions, and the requests that wait. */
    open(connection) {
        this.#connection = connection;
        for (const subscription of this.#subscriptions.values()) subscription.open(connection);
        this.#requests.open(connection);
    }

    /** Takes a MESSAGE. */
    receive(frame) {
        if (this.#requests.receive(frame)) return;
        this.#subscriptions.get(frame.headers.subscription)?.receive(frame);
    }

    /** The connection is over; there may be another. */
    ended(text) {
        this.#connection = null;
        this.#requests.ended(text);
    }

    /** There will be no other, unless the client is told to connect. */
    closed(text) {
        this.#connection = null;
        this.#requests.closed(text);
    }
}

/** An id of a message as a string, whether it came as one or as a number. */
function checkedID(id) {
    if (!/^\d{1,19}$/.test(String(id))) throw new StompError("invalid", `"${id}" is no message's id.`);
    return String(id);
}

function checkedIDs(ids) {
    if (!Array.isArray(ids) || ids.length > idsMax) {
        throw new StompError("invalid", `Ids are a list of at most ${idsMax}.`);
    }
    return ids.map(checkedID);
}

/**
 * What a user has of their messages, on all devices alike. Each call is answered by the node; while there is no
 * connection it waits for one. It rejects with `StompError`: `closed` in that state, `connectionLost` where it is not
 * known whether the node did it, `timeout` after 30 s, or the node's refusal.
 *
 * Counts are `{unviewed, unseen, changes}`: up to 999 exactly, 1,000 for more; of two counts the one with more changes
 * is newer.
 */
class Inbox {
    /**
     * A page of the user's messages, newest first: `{messages, isCut, unviewed, unseen, changes}`. `isCut` tells that
     * not all that were asked for fitted into one answer.
     *
     * @param {object} [page]
     * @param {string} [page.before] the last id of the page before this one.
     * @param {string} [page.after] the first id that is known: what is newer, and joins it.
     * @param {number} [page.limit] 1 to 100; 50 when absent.
     * @param {string} [page.type] messages of this type only.
     * @param {boolean} [page.unviewed] only what was not viewed.
     */
    async history({ before, after, limit, type, unviewed } = {}) {
        if (before !== undefined && after !== undefined) {
            throw new StompError("invalid", "A page lies before a message or after one, not both.");
        }
        if (limit !== undefined && !(Number.isInteger(limit) && limit >= 1 && limit <= pageMax)) {
            throw new StompError("invalid", `limit is ${limit}; a page has 1 to ${pageMax} messages.`);
        }
        return this.request("history", {
            before: before === undefined ? undefined : checkedID(before),
            after: after === undefined ? undefined : checkedID(after),
            limit, type, unviewed,
        });
    }

    /** The counts. */
    async unread() {
        return this.request("unread", {});
    }

    /**
     * Marks messages as viewed; resolves with the counts after it.
     *
     * @param {string[] | {upTo: string}} which up to 1,000 ids, or everything up to an id.
     */
    async markViewed(which) {
        const body = Array.isArray(which) ? { ids: checkedIDs(which) } : { upTo: checkedID(which?.upTo) };
        return this.request("viewed", body);
    }

    /** Notes that an open list has shown everything up to an id; resolves with the counts after it. */
    async markSeen(upTo) {
        return this.request("seen", { upTo: checkedID(upTo) });
    }

    /** Takes up to 1,000 messages out of the user's history; resolves with the counts after it. */
    async deleteMessages(ids) {
        return this.request("delete", { ids: checkedIDs(ids) });
    }

    /**
     * Has a message go away until a time within a year, when it comes as a new one. Resolves with `{snoozedAs}`: the id
     * under which it comes, `null` when the user has no such message.
     *
     * @param {Date | number} until a time, or milliseconds since 1970.
     */
    async snooze(id, until) {
        const milliseconds = Math.round(Number(until));
        if (!Number.isSafeInteger(milliseconds)) throw new StompError("invalid", `"${until}" is no time.`);
        return this.request("snooze", { id: checkedID(id), until: milliseconds });
    }
}

const defaultOptions = {
    heartBeat: [10000, 10000], seenMax: 2000, retryFirstMilliseconds: 500, retryMaxMilliseconds: 30000,
    connectTimeoutMilliseconds: 10000, requestTimeoutMilliseconds: 30000, tabTimeoutMilliseconds: 3000,
};

/** The address of the WebSocket: `ws:`, `wss:`, or relative to the page. */
function socketURL(address = "/ws") {
    const url = new URL(address, globalThis.location?.href);
    url.protocol = url.protocol.replace("http", "ws");
    return url.href;
}

/** Connections to a server, one after the other: each that was lost is followed by another, while that makes sense. */
class Link {
    #options;
    #handlers;
    #url;
    #state = "closed";
    #connection = null;
    #connectedAt = 0;
    #attempt = 0;
    #failures = 0;
    #timer;
    #refreshTimer;
    #detail = {};
    #online = () => this.reconnectNow();

    /**
     * @param options those of `StompClient`, complete.
     * @param handlers `{opened(connection), received(frame), ended(text), closed(text), changed(state, detail)}`
     */
    constructor(options, handlers) {
        this.#options = options;
        this.#handlers = handlers;
        this.#url = socketURL(options.url);
    }

    get state() {
        return this.#state;
    }

    get detail() {
        return this.#detail;
    }

    connect() {
        if (this.#state !== "closed") return;
        this.#failures = 0;
        globalThis.addEventListener?.("online", this.#online);
        this.#setState("connecting", {});
        this.#open();
    }

    reconnectNow() {
        if (this.#state !== "reconnecting" || this.#detail.retryAt === null) return;
        clearTimeout(this.#timer);
        this.#setState("reconnecting", { ...this.#detail, retryAt: null });
        this.#open();
    }

    async disconnect() {
        const connection = this.#connection;
        this.#close({ code: 1000, text: "The client disconnected." });
        await connection?.disconnect();
    }

    /** Closes at once, for a page that has no time left. */
    abandon() {
        const connection = this.#connection;
        this.#close({ code: 1000, text: "The client left." });
        connection?.abandon();
    }

    async #open() {
        const attempt = ++this.#attempt;
        try {
            const token = await (this.#options.tokenProvider?.() ?? this.#options.token);
            if (attempt !== this.#attempt) return;
            const { heartBeat, connectTimeoutMilliseconds, login, passcode } = this.#options;
            const who = token ? { Authorization: `Bearer ${token}` } : login === undefined ? {} : { login, passcode };
            this.#connection = new Connection(this.#url, who, heartBeat, connectTimeoutMilliseconds, {
                connected: (headers) => this.#connected(headers),
                message: (frame) => this.#handlers.received(frame),
                ended: (reason) => this.#ended(reason),
            });
        } catch (error) {
            if (attempt === this.#attempt) this.#ended({ code: 1006, text: error.message });
        }
    }

    #connected(headers) {
        this.#connectedAt = performance.now();
        this.#handlers.opened(this.#connection);
        this.#refreshInTime(headers);
        this.#setState("connected", { headers });
    }

    /**
     * Has a new token sent when four fifths of the present one's time are over. The server says how much is left, as
     * this machine's clock may be wrong.
     */
    #refreshInTime(headers) {
        clearTimeout(this.#refreshTimer);
        const left = Number(headers["expires-in"]);
        if (!this.#options.tokenProvider || !(left > 0)) return;
        const end = performance.now() + left;
        this.#refreshIn(left * 0.8, this.#connection, end);
    }

    /** No sooner than in a second: a provider that gives the same token again is not asked without end. */
    #refreshIn(milliseconds, connection, end) {
        const pause = Math.min(Math.max(milliseconds, 1000), timerMax);
        this.#refreshTimer = setTimeout(() => this.#refresh(connection, end), pause);
    }

    async #refresh(connection, end) {
        const isCurrent = () => connection === this.#connection && connection.isOpen;
        try {
            const token = await this.#options.tokenProvider();
            if (!isCurrent()) return;
            const receipt = await connection.sendWithReceipt("SEND", {
                destination: "/app/auth.refresh", Authorization: `Bearer ${token}`,
            });
            if (isCurrent()) this.#refreshInTime(receipt);
        } catch (error) {
            // Without a token there is another try as long as there is time; after that the server ends the session.
            const left = end - performance.now();
            if (isCurrent() && left > 1000) this.#refreshIn(left / 2, connection, end);
        }
    }

    #ended(reason) {
        const { retryFirstMilliseconds, retryMaxMilliseconds, tokenProvider } = this.#options;
        // A connection that did not last counts as a failure: a server that ends every session at once gets its pauses.
        const lasted = this.#connectedAt ? performance.now() - this.#connectedAt : 0;
        if (lasted > retryFirstMilliseconds * 10) this.#failures = 0;
        this.#connectedAt = 0;
        this.#connection = null;
        clearTimeout(this.#refreshTimer);
        this.#handlers.ended(reason.text);
        if (finalCodes.has(reason.code) || (reason.code === tokenExpiredCode && !tokenProvider)) {
            this.#close(reason);
            return;
        }
        const whole = Math.min(retryMaxMilliseconds, retryFirstMilliseconds * 2 ** this.#failures++);
        // Whoever was sent away by a node that stops comes back with many others: each at a moment of its own.
        const away = Math.min(retryMaxMilliseconds, reason.away ?? 0) * (1 + Math.random());
        const pause = Math.max(away, whole * (0.5 + Math.random() / 2));
        this.#timer = setTimeout(() => this.reconnectNow(), pause);
        this.#setState("reconnecting", { reason, attempt: this.#failures, retryAt: Date.now() + pause });
    }

    #close(reason) {
        this.#attempt++;
        clearTimeout(this.#timer);
        clearTimeout(this.#refreshTimer);
        globalThis.removeEventListener?.("online", this.#online);
        this.#connection = null;
        this.#connectedAt = 0;
        this.#handlers.closed(reason.text);
        if (this.#state !== "closed") this.#setState("closed", { reason });
    }

    #setState(state, detail) {
        this.#state = state;
        this.#detail = detail;
        this.#handlers.changed(state, detail);
    }
}

/** Who is told of a client's states. */
class Watchers {
    #watchers = new Set();
    #latest = ["closed", {}];

    constructor(first) {
        if (first) this.#watchers.add(first);
    }

    tell(state, detail) {
        this.#latest = [state, detail];
        for (const watcher of this.#watchers) call(watcher, state, detail);
    }

    /** Returns a function that takes it off again. */
    add(watcher) {
        this.#watchers.add(watcher);
        call(watcher, ...this.#latest);
        return () => this.#watchers.delete(watcher);
    }
}

/**
 * A client that stays connected.
 *
 * `onState(state, detail)` is told of every change: `connecting`; `connected` with `{headers}` of CONNECTED;
 * `reconnecting` with `{reason: {code, text}, attempt, retryAt}` (milliseconds since 1970, `null` while it tries);
 * `closed` with `{reason}`, after `disconnect()` or when trying again makes no sense.
 */
export class StompClient extends Inbox {
    #exchange;
    #link;
    #watchers;

    /**
     * @param {object} options
     * @param {string} [options.url] `ws:`, `wss:`, or relative to the page; `/ws` by default.
     * @param {string} [options.token] goes into CONNECT as `Authorization: Bearer …`.
     * @param {() => (string | Promise<string>)} [options.tokenProvider] asked for a token before each connection, and
     *     before the one in use expires.
     * @param {string} [options.login] in place of a token, for servers whose users have passwords.
     * @param {string} [options.passcode] the password of `login`.
     * @param {[number, number]} [options.heartBeat] what we send and what we want, in milliseconds; 0 for none.
     * @param {number} [options.seenMax] ids remembered for each subscription, to hand over every message once.
     * @param {number} [options.retryFirstMilliseconds] the pause after the first failure; it doubles with each.
     * @param {number} [options.retryMaxMilliseconds] the longest pause. Jitter takes off up to a half.
     * @param {number} [options.connectTimeoutMilliseconds] time until CONNECTED.
     * @param {number} [options.requestTimeoutMilliseconds] time until an answer, that until a connection included.
     * @param {(state: string, detail: object) => void} [options.onState]
     */
    constructor(options = {}) {
        super();
        const complete = { ...defaultOptions, ...options };
        this.#watchers = new Watchers(complete.onState);
        this.#exchange = new Exchange(complete);
        this.#link = new Link(complete, {
            opened: (connection) => this.#exchange.open(connection),
            received: (frame) => this.#exchange.receive(frame),
            ended: (text) => this.#exchange.ended(text),
            closed: (text) => this.#exchange.closed(text),
            changed: (state, detail) => this.#watchers.tell(state, detail),
        });
    }

    get state() {
        return this.#link.state;
    }

    /** Has `watcher(state, detail)` told of the state now and of every change; returns a function that ends that. */
    watch(watcher) {
        return this.#watchers.add(watcher);
    }

    /** Starts connecting; does nothing unless `closed`. */
    connect() {
        this.#link.connect();
    }

    /** Ends the pause between two tries. */
    reconnectNow() {
        this.#link.reconnectNow();
    }

    /** Says DISCONNECT and closes. Subscriptions are kept for another `connect()`. */
    async disconnect() {
        await this.#link.disconnect();
    }

    /**
     * Subscribes now, and again after every reconnect.
     *
     * @param {string} destination
     * @param {(message: StompMessage) => void} handler told of each message once.
     * @param {object} [options]
     * @param {"auto" | "client" | "client-individual"} [options.ack]
     * @param {string} [options.lastMessageId] replay what came after it first.
     * @param {object} [options.headers] further headers of SUBSCRIBE.
     * @param {boolean} [options.unread] asks for the user's counts, which come before the first message.
     * @param {(counts: {unviewed: number, unseen: number, changes: number}) => void} [options.onUnread] told of them,
     *     again after every reconnect, and when another tab with this connection has asked; not where the node cannot
     *     tell them.
     * @param {(message: StompMessage, confirmation: ?Promise) => void} [options.onRepeat] told when a message came
     *     again: the one handed over before, still to be acknowledged, with `null`; or one that was acknowledged, and
     *     is once more, with the promise of its receipt.
     * @returns {Subscription}
     */
    subscribe(destination, handler, options = {}) {
        return this.#exchange.subscribe(destination, handler, options);
    }

    /**
     * Asks the node for something: a SEND to `/app/<command>`, with a JSON object. Resolves with the answer, another
     * one. The node answers on `/user/queue/reply`, to which this client subscribes by itself: leave that to it.
     *
     * @param {string} command such as `history`; for those on a user's messages there are methods.
     * @param {object} [body]
     */
    async request(command, body = {}) {
        if (this.state === "closed") throw new StompError("closed", "The client is closed: call connect() first.");
        return this.#exchange.ask(command, body);
    }
}

// One connection for all tabs. Each tab is a client of its own, with its own subscriptions, requests and memory of what
// it has shown; but its connection is a `TabConnection`, whose other end is the `TabHub` of the tab that leads. The hub
// has the one connection to the server, as a relay of STOMP frames. A lost leader is to the tabs what a lost server is
// to a client: they connect to the next one, subscribe again, and know what they have had.

/** Part of the channel's name: tabs with another version of this file, that speak otherwise, are left alone. */
const tabProtocol = 1;
/** Tabs, subscriptions of one tab, and those of the shared session: a node allows 64, one of which is for answers. */
const tabsMax = 256;
const tabSubscriptionsMax = 64;
const sharedSubscriptionsMax = 60;
/** What is kept of one subscription for tabs that come later, and acknowledgements that are known of all. */
const heldMax = 1000;
const heldBytesMax = 2 * 1024 * 1024;
const deliveriesMax = 10000;
/** What a page may get from another one. */
const tabTextMax = 8 * 1024;
const tabHeadersMax = 128;
const tabBytesMax = 4 * 1024 * 1024;
/** Refusals of a token. Another tab may have a better one. */
const tokenRefusedCodes = new Set([4001, tokenExpiredCode]);
/** Commands that may be done twice: asked again when it is not known whether they were done. */
const repeatedCommands = new Set(["history", "unread", "viewed", "seen", "delete"]);
/** Time until a tab that joins a subscription gets its messages without the counts, which did not come. */
const countsTimeoutMilliseconds = 5000;
const clientStates = new Set(["connecting", "connected", "reconnecting", "closed"]);

/** What a tab has instead of a connection to the server: frames go to the leading tab. Ends once. */
class TabConnection {
    #post;
    #receipts = new Map();
    #receiptsMade = 0;
    isOpen = true;

    /** @param post takes `{command, headers, body, receipt}` to the leading tab. */
    constructor(post) {
        this.#post = post;
    }

    send(command, headers, body, receipt) {
        // What cannot be written is an error here, not in the leading tab.
        encodeFrame(command, headers, body);
        if (this.isOpen) this.#post({ command, headers: { ...headers }, body, receipt });
    }

    sendWithReceipt(command, headers) {
        const receipt = `r${++this.#receiptsMade}`;
        return new Promise((resolve, reject) => {
            this.#receipts.set(receipt, { resolve, reject });
            this.send(command, headers, undefined, receipt);
        });
    }

    /** The receipt, or that it will not come. */
    receipt(id, headers) {
        const text = "The message is not in flight any more.";
        if (headers) this.#receipts.get(id)?.resolve(headers);
        else this.#receipts.get(id)?.reject(new StompError("connectionLost", text));
        this.#receipts.delete(id);
    }

    end(text) {
        this.isOpen = false;
        for (const { reject } of this.#receipts.values()) reject(new StompError("connectionLost", text));
        this.#receipts.clear();
    }
}

/** One subscription of the shared session: the tabs that have it, and what one that comes later has to get. */
class SharedSubscription {
    #isTopic;
    #isCumulative;
    /** Where the topic's replay began; `undefined` without one. */
    #from;
    #isComplete = true;
    /** `ack` id, for a topic `message-id` → `{headers, body}`: what is not acknowledged, for a topic what came last. */
    #held = new Map();
    #heldBytes = 0;
    /** tab → ids of its subscriptions. */
    holders = new Map();
    /** `{tab, id}` of those that get the counts which the server sends first, or that a tab asks for. */
    wantsCounts = [];

    constructor(id, key, headers) {
        this.id = id;
        this.key = key;
        this.#isTopic = headers.destination.startsWith("/topic/");
        this.#isCumulative = headers.ack === "client";
        this.#from = headers["last-message-id"];
    }

    /** Whether a tab that has seen a topic up to `last` can have the rest from here. */
    serves(last) {
        if (!this.#isTopic || last === undefined || this.#held.has(last)) return true;
        return this.#isComplete && SharedSubscription.#isUpTo(this.#from, last);
    }

    /** What comes before the live messages for a tab that has seen a topic up to `last`. */
    replay(last) {
        if (!this.#isTopic) return [...this.#held.values()];
        if (last === undefined) return [];
        const ids = [...this.#held.keys()];
        const wanted = ids.includes(last)
            ? ids.slice(ids.indexOf(last) + 1)
            : ids.filter((id) => !SharedSubscription.#isUpTo(id, last));
        return wanted.map((id) => this.#held.get(id));
    }

    hold({ headers, body }) {
        const key = this.#isTopic ? headers["message-id"] : headers.ack;
        if (key === undefined) return;
        this.#release(key);
        this.#held.set(key, { headers, body });
        this.#heldBytes += body.length;
        while (this.#held.size > heldMax || this.#heldBytes > heldBytesMax) {
            this.#isComplete = false;
            this.#release(this.#held.keys().next().value);
        }
    }

    /** What was acknowledged or refused is not replayed; in mode `client` what came before it neither. */
    answered(ackID) {
        if (this.#isTopic || !this.#held.has(ackID)) return;
        if (this.#isCumulative) {
            for (const earlier of [...this.#held.keys()]) {
                if (earlier === ackID) break;
                this.#release(earlier);
            }
        }
        this.#release(ackID);
    }

    /** Messages that were deleted. */
    forget(ids) {
        if (this.#isTopic) return;
        for (const [key, { headers }] of this.#held) {
            if (ids.has(headers["message-id"])) this.#release(key);
        }
    }

    #release(key) {
        this.#heldBytes -= this.#held.get(key)?.body.length ?? 0;
        this.#held.delete(key);
    }

    static #isUpTo(id, last) {
        return /^\d+$/.test(id) && /^\d+$/.test(last) && BigInt(id) <= BigInt(last);
    }
}

/** The leading tab's part: the one connection to the server, for all tabs. */
class TabHub {
    #link;
    #handlers;
    #isSuccessor;
    #isOver = false;
    #connection = null;
    #session = 0;
    #hasReplies = false;
    #made = 0;
    /** tab → `{subscriptions: its subscription's id → SharedSubscription, stopWatching}` */
    #tabs = new Map();
    /** STOMP id → SharedSubscription */
    #shared = new Map();
    /** `ack` id → `{shared, message}` of what was sent in this session; the oldest leave first. */
    #deliveries = new Map();
    /** number → who waits for the counts before its messages. */
    #joining = new Map();
    /** `correlation-id`s of the tabs' questions for the counts, as long as nothing has changed since. */
    #counting = new Set();

    /**
     * @param options those of the tab's client.
     * @param isSuccessor whether another tab had the connection before.
     * @param handlers `{say(message): to all tabs, watch(tab, gone): () => void, closed(reason)}`
     */
    constructor(options, isSuccessor, handlers) {
        this.#handlers = handlers;
        this.#isSuccessor = isSuccessor;
        this.#link = new Link(options, {
            opened: (connection) => this.#opened(connection),
            received: (frame) => this.#received(frame),
            ended: () => this.#reset(),
            closed: () => this.#reset(),
            changed: (state, detail) => this.#changed(state, detail),
        });
    }

    start() {
        this.#say({ kind: "lead" });
        this.#link.connect();
    }

    /** Leaves the other tabs to the next leader; resolves when the server knows. */
    end() {
        this.#over("The tab that held the connection left.");
        return this.#link.disconnect();
    }

    /** The same at once. */
    abandon() {
        this.#over("The tab that held the connection left.");
        this.#link.abandon();
    }

    /** A sign of life. */
    beat() {
        if (this.#tabs.size > 1) this.#say({ kind: "beat" });
    }

    /** Takes what a tab says, this one's included. */
    receive({ kind, from, session, attempt, command, headers, body, receipt }) {
        switch (kind) {
        case "hello":
            this.#admit(from);
            break;
        case "ping":
            this.#say({ kind: "beat" });
            break;
        case "reconnect":
            if (attempt === undefined || attempt === this.#link.detail.attempt) this.#link.reconnectNow();
            break;
        case "leave":
            this.#drop(from);
            break;
        case "frame":
            // What was meant for an earlier session has lost its meaning: the tab will know, and begin anew.
            if (!this.#connection?.isOpen || session !== this.#session || !this.#tabs.has(from)) return;
            this.#frame(from, command, headers, body, receipt);
            break;
        }
    }

    #say(message) {
        if (!this.#isOver) this.#handlers.say(message);
    }

    #over(text) {
        this.#say({ kind: "bye", text: text.slice(0, tabTextMax) });
        this.#isOver = true;
        for (const { stopWatching } of this.#tabs.values()) stopWatching();
        this.#tabs.clear();
    }

    // Tabs

    #admit(tab) {
        this.#drop(tab);
        if (this.#tabs.size >= tabsMax) {
            this.#say({ kind: "refused", to: tab, text: `More than ${tabsMax} tabs are open.` });
            return;
        }
        this.#tabs.set(tab, { subscriptions: new Map(), stopWatching: () => {} });
        this.#tabs.get(tab).stopWatching = this.#handlers.watch(tab, () => this.#drop(tab));
        this.#say({ kind: "welcome", to: tab, ...this.#present() });
    }

    #drop(tab) {
        const known = this.#tabs.get(tab);
        if (!known) return;
        known.stopWatching();
        for (const id of [...known.subscriptions.keys()]) this.#unsubscribe(tab, id);
        this.#tabs.delete(tab);
    }

    // The session

    #opened(connection) {
        this.#connection = connection;
        this.#session++;
    }

    #changed(state, detail) {
        if (this.#isOver) return;
        if (state !== "closed") {
            this.#say({ kind: "state", ...this.#present() });
            return;
        }
        // Where one tab's token was refused another one's may do: it leads next.
        if (!tokenRefusedCodes.has(detail.reason.code)) this.#say({ kind: "state", ...this.#present() });
        this.#over(detail.reason.text);
        this.#handlers.closed(detail.reason);
    }

    /** The state as the tabs are told: to them, connecting after another tab did is reconnecting. */
    #present() {
        const { state, detail } = this.#link;
        const session = this.#session;
        if (!this.#isSuccessor || state !== "connecting") {
            const { reason } = detail;
            if (!reason) return { session, state, detail };
            const { code, text } = reason;
            return { session, state, detail: { ...detail, reason: { code, text: text.slice(0, tabTextMax) } } };
        }
        return { session, state: "reconnecting", detail: leaderGone("The tab that held the connection is gone.") };
    }

    #reset() {
        this.#connection = null;
        this.#hasReplies = false;
        this.#shared.clear();
        this.#deliveries.clear();
        for (const { timer } of this.#joining.values()) clearTimeout(timer);
        this.#joining.clear();
        this.#counting.clear();
        for (const { subscriptions } of this.#tabs.values()) subscriptions.clear();
    }

    // Frames of the server

    #received({ headers, body }) {
        if (headers.destination === replyDestination) {
            this.#answered(headers, body);
            return;
        }
        const shared = this.#shared.get(headers.subscription);
        if (!shared) return;
        const message = { kind: "message", session: this.#session, shared: shared.id, headers: { ...headers }, body };
        if (isCounts(headers)) {
            for (const { tab, id } of shared.wantsCounts) this.#say({ ...message, to: tab, id });
            return;
        }
        this.#hold(shared, message);
        if (headers.ack !== undefined) {
            this.#deliveries.set(headers.ack, { shared, message: headers["message-id"] });
            if (this.#deliveries.size > deliveriesMax) this.#deliveries.delete(this.#deliveries.keys().next().value);
        }
        this.#say(message);
    }

    /**
     * Keeps a message for tabs that come later, but for the news of what the user does: that is soon out of date, and
     * whoever comes asks for the counts. What was deleted is for nobody any more.
     */
    #hold(shared, message) {
        const mayBeNews = new TextDecoder().decode(message.body).includes('"NOTIFY_');
        const { type, data } = (mayBeNews && readJSON(message.body)) || {};
        if (type === "NOTIFY_DELETED" || type === "NOTIFY_VIEWED") this.#counting.clear();
        if (type === "NOTIFY_DELETED") {
            const ids = new Set(Array.isArray(data?.ids) ? data.ids : []);
            for (const each of this.#shared.values()) each.forget(ids);
        } else if (type !== "NOTIFY_VIEWED") {
            shared.hold(message);
        }
    }

    /** Answers go to the tab that asked: it is the first part of the `correlation-id`. */
    #answered(headers, body) {
        const [, tab, id] = /^(.*)\/(.*)$/.exec(headers["correlation-id"] ?? "") ?? [];
        const join = tab === "hub" ? this.#joining.get(id) : undefined;
        if (join) {
            this.#joining.delete(id);
            this.#join(join, headers.error === undefined ? body : null);
        } else if (this.#tabs.has(tab)) {
            const answer = { headers: { ...headers, "correlation-id": id }, body };
            this.#say({ kind: "answer", to: tab, session: this.#session, ...answer });
        }
        const isCurrent = this.#counting.delete(headers["correlation-id"]);
        if (isCurrent && headers.error === undefined) this.#tellCounts(tab, body);
    }

    /** What one tab was answered, all want to know. */
    #tellCounts(asking, body) {
        for (const { id: shared, wantsCounts } of this.#shared.values()) {
            const message = { kind: "message", session: this.#session, shared, headers: { unread: "true" }, body };
            for (const { tab, id } of wantsCounts) if (tab !== asking) this.#say({ ...message, to: tab, id });
        }
    }

    // Frames of the tabs

    #frame(tab, command, headers, body, receipt) {
        switch (command) {
        case "SUBSCRIBE":
            // The hub subscribes to answers itself.
            if (headers.id && headers.destination && headers.destination !== replyDestination) {
                this.#subscribe(tab, headers);
            }
            break;
        case "UNSUBSCRIBE":
            this.#unsubscribe(tab, headers.id);
            break;
        case "ACK":
        case "NACK":
            this.#answer(tab, command, headers.id, receipt);
            break;
        case "SEND":
            if (!headers.destination?.startsWith("/app/") || typeof body !== "string") return;
            this.#ask(headers.destination, `${tab}/${headers["correlation-id"]}`, body);
            if (headers.destination === "/app/unread") this.#counting.add(`${tab}/${headers["correlation-id"]}`);
            break;
        }
    }

    #ask(destination, correlationID, body) {
        if (!this.#hasReplies) {
            this.#hasReplies = true;
            this.#connection.send("SUBSCRIBE", { id: "reply", destination: replyDestination, ack: "auto" });
        }
        this.#connection.send("SEND", { destination, "correlation-id": correlationID }, body);
    }

    #answer(tab, command, ackID, receipt) {
        const delivery = this.#deliveries.get(ackID);
        if (!delivery) {
            if (receipt) this.#say({ kind: "receipt", to: tab, session: this.#session, receipt });
            return;
        }
        const session = this.#session;
        if (receipt) {
            this.#connection.sendWithReceipt(command, { id: ackID }).then(
                (headers) => this.#say({ kind: "receipt", to: tab, session, receipt, headers: { ...headers } }),
                () => {}); // The tab knows by the end of the session.
        } else {
            this.#connection.send(command, { id: ackID });
        }
        delivery.shared.answered(ackID);
        if (command === "ACK") {
            this.#say({ kind: "acknowledged", session, shared: delivery.shared.id, message: delivery.message });
        }
    }

    #subscribe(tab, { id, unread, "last-message-id": last, ...headers }) {
        const { subscriptions } = this.#tabs.get(tab);
        if (subscriptions.has(id)) return;
        const key = JSON.stringify(Object.entries(headers).sort());
        const existing = [...this.#shared.values()].find((shared) => shared.key === key && shared.serves(last));
        const isFull = subscriptions.size >= tabSubscriptionsMax;
        if (isFull || (!existing && this.#shared.size >= sharedSubscriptionsMax)) {
            const text = isFull ? `A tab has at most ${tabSubscriptionsMax} subscriptions.`
                : `All tabs together have at most ${sharedSubscriptionsMax} different subscriptions.`;
            this.#say({ kind: "refused", to: tab, text });
            return;
        }
        const shared = existing ?? this.#open(headers, key, last, unread);
        subscriptions.set(id, shared);
        shared.holders.set(tab, (shared.holders.get(tab) ?? new Set()).add(id));
        const join = { tab, id, shared, last };
        if (existing && unread === "true") {
            this.#joinWithCounts(join);
        } else {
            if (unread === "true") shared.wantsCounts.push({ tab, id });
            this.#join(join, null);
        }
    }

    #open(headers, key, last, unread) {
        const complete = { ...headers, id: `t${++this.#made}` };
        if (last !== undefined) complete["last-message-id"] = last;
        if (unread !== undefined) complete.unread = unread;
        const shared = new SharedSubscription(complete.id, key, complete);
        this.#shared.set(shared.id, shared);
        this.#connection.send("SUBSCRIBE", complete);
        return shared;
    }

    /** A tab that comes later gets the counts first, too: those of now. */
    #joinWithCounts(join) {
        const number = String(++this.#made);
        const timer = setTimeout(() => {
            this.#joining.delete(number);
            this.#join(join, null);
        }, countsTimeoutMilliseconds);
        this.#joining.set(number, { ...join, timer });
        this.#ask("/app/unread", `hub/${number}`, "{}");
    }

    #join({ tab, id, shared, last, timer }, counts) {
        clearTimeout(timer);
        if (this.#tabs.get(tab)?.subscriptions.get(id) !== shared) return;
        if (counts !== null) shared.wantsCounts.push({ tab, id });
        this.#say({
            kind: "subscribed", to: tab, session: this.#session, id, shared: shared.id, counts,
            replay: shared.replay(last),
        });
    }

    #unsubscribe(tab, id) {
        const known = this.#tabs.get(tab);
        const shared = known?.subscriptions.get(id);
        if (!shared) return;
        known.subscriptions.delete(id);
        shared.wantsCounts = shared.wantsCounts.filter((each) => each.tab !== tab || each.id !== id);
        shared.holders.get(tab)?.delete(id);
        if (shared.holders.get(tab)?.size === 0) shared.holders.delete(tab);
        if (shared.holders.size > 0) return;
        this.#shared.delete(shared.id);
        for (const [ackID, delivery] of this.#deliveries) {
            if (delivery.shared === shared) this.#deliveries.delete(ackID);
        }
        if (this.#connection?.isOpen) this.#connection.send("UNSUBSCRIBE", { id: shared.id });
    }
}

function leaderGone(text) {
    return { reason: { code: 1006, text }, attempt: 1, retryAt: null };
}

/** What is said between tabs, and what each message has to have: `from` a tab to the leader, `n` from the leader. */
const tabMessages = {
    hello: ["from"],
    ping: ["from"],
    reconnect: ["from"],
    leave: ["from"],
    frame: ["from", "session", "command", "headers"],
    lead: ["n"],
    beat: ["n"],
    bye: ["n", "text"],
    refused: ["n", "to", "text"],
    welcome: ["n", "to", "session", "state", "detail"],
    state: ["n", "session", "state", "detail"],
    subscribed: ["n", "to", "session", "id", "shared", "replay"],
    message: ["n", "session", "shared", "headers", "body"],
    acknowledged: ["n", "session", "shared", "message"],
    answer: ["n", "to", "session", "headers", "body"],
    receipt: ["n", "to", "session", "receipt"],
};

const isObject = (value) => value !== null && typeof value === "object";
const isNumber = (value) => Number.isSafeInteger(value);
const isText = (value) => typeof value === "string" && value.length <= tabTextMax;
const isBytes = (value) => value instanceof Uint8Array && value.length <= tabBytesMax;
const isHeaders = (value) => isObject(value) && Object.keys(value).length <= tabHeadersMax
    && Object.values(value).every((text) => typeof text === "string");
const isDetailOf = (state, detail) => isObject(detail) && (detail.headers === undefined || isHeaders(detail.headers))
    && (!["reconnecting", "closed"].includes(state) || (isNumber(detail.reason?.code) && isText(detail.reason.text)));

/** The parts of messages between tabs: what each may be. */
const tabMessageParts = {
    from: isText, to: isText, command: isText, receipt: isText,
    id: isText, shared: isText, message: isText, text: isText,
    n: isNumber, session: isNumber, attempt: isNumber, state: (value) => clientStates.has(value), detail: isObject,
    headers: isHeaders,
    body: (value) => typeof value === "string" ? value.length <= tabBytesMax : isBytes(value),
    counts: (value) => value === null || isBytes(value),
    replay: (value) => Array.isArray(value) && value.length <= heldMax
        && value.every((frame) => isHeaders(frame?.headers) && isBytes(frame.body)),
};

/** Reads what came over the channel, where any script of the origin may speak: a message as it has to be, or `null`. */
function readTabMessage(data) {
    if (!isObject(data) || !Object.hasOwn(tabMessages, data.kind)) return null;
    // The leaders' numbers are made of the time, in microseconds; this machine's clock may be set meanwhile.
    if (!isNumber(data.epoch) || data.epoch > (Date.now() + 86400000) * 1000) return null;
    const isComplete = tabMessages[data.kind].every((part) => data[part] !== undefined);
    const isRight = Object.entries(tabMessageParts).every(([part, is]) => data[part] === undefined || is(data[part]));
    if (!isComplete || !isRight || (data.state !== undefined && !isDetailOf(data.state, data.detail))) return null;
    return data;
}

/**
 * The tabs of one origin that share a connection: a channel between them, a lock for the one that leads, and one for
 * each tab, by which the leader knows that it is there still. A lock is let go by the browser, however a tab ends.
 */
class TabGroup {
    #name;
    #handlers;
    #channel = null;
    #letGo = () => {};
    /** The present wait for the lead, or the lead itself: `{stop: AbortController, end()}`. */
    #turn = null;
    #isOver = false;
    id = crypto.randomUUID();

    static get isPossible() {
        return Boolean(globalThis.navigator?.locks && globalThis.BroadcastChannel && globalThis.crypto?.subtle);
    }

    /**
     * @param name the same for all that share; no secret can be read from it.
     * @param handlers `{leads(), deposed(), received(message)}`
     */
    constructor(name, handlers) {
        this.#name = name;
        this.#handlers = handlers;
    }

    /** The name for a server's address and a user or, where that is not told, a token. */
    static async nameFor(url, user, token) {
        const key = JSON.stringify([url, ...(user === undefined ? ["token", token] : ["user", user])]);
        const digest = await crypto.subtle.digest("SHA-256", new TextEncoder().encode(key));
        const hexadecimal = Array.from(new Uint8Array(digest), (byte) => byte.toString(16).padStart(2, "0"));
        return `belfry-${tabProtocol}-${hexadecimal.join("")}`;
    }

    /** Rejects where the browser does not give locks to this page. */
    async join() {
        await new Promise((resolve, reject) => {
            const held = new Promise((letGo) => { this.#letGo = letGo; });
            navigator.locks.request(this.#lockOf(this.id), () => {
                resolve();
                return held;
            }).catch(reject);
        });
        if (this.#isOver) return;
        this.#channel = new BroadcastChannel(this.#name);
        this.#channel.onmessage = ({ data }) => {
            const message = readTabMessage(data);
            if (message && !this.#isOver) this.#handlers.received(message);
        };
        this.#waitToLead();
    }

    post(message) {
        if (!this.#isOver) this.#channel?.postMessage(message);
    }

    /** Takes the lead from a tab that does not answer. */
    seize() {
        this.#endTurn();
        this.#waitToLead({ steal: true });
    }

    /** Gives the lead up, and queues for it again. */
    abdicate() {
        this.#endTurn();
        this.#waitToLead();
    }

    /** Calls `gone` when a tab has ended; returns what stops that. */
    watch(id, gone) {
        if (id === this.id) return () => {};
        const stop = new AbortController();
        const options = { mode: "shared", signal: stop.signal };
        navigator.locks.request(this.#lockOf(id), options, () => gone()).catch(() => {});
        return () => stop.abort();
    }

    leave() {
        this.#isOver = true;
        this.#endTurn();
        this.#letGo();
        this.#channel?.close();
    }

    #lockOf(id) {
        return `${this.#name}-tab-${id}`;
    }

    #waitToLead(options) {
        const turn = { stop: new AbortController(), end: () => {} };
        this.#turn = turn;
        navigator.locks.request(`${this.#name}-leader`, options ?? { signal: turn.stop.signal }, () => {
            if (this.#turn !== turn) return undefined;
            const held = new Promise((resolve) => { turn.end = resolve; });
            this.#handlers.leads();
            return held;
        }).catch(() => {
            // Another tab has seized it.
            if (this.#turn === turn) this.#handlers.deposed();
        });
    }

    #endTurn() {
        const turn = this.#turn;
        this.#turn = null;
        turn?.stop.abort();
        turn?.end();
    }
}

/**
 * A `StompClient` that has one connection together with all tabs of this browser that are the same user's: they are
 * one session of the server's. Each tab has every message once; one that any of them acknowledges is acknowledged.
 *
 * One of the tabs leads: it has the connection, made with its token. When it is closed, crashes, is frozen, or does not
 * answer, another one takes its place, for the others as after a lost connection. Where the browser lacks Web Locks or
 * BroadcastChannel (they need a secure context), a tab has a connection of its own.
 *
 * `onState` tells every tab the same. Histories, counts, marks and deletions that were under way when the connection
 * ended are asked for again; others reject with `connectionLost`.
 */
export class SharedStompClient extends Inbox {
    #options;
    #watchers;
    #exchange;
    #url;
    #state = "closed";
    #told = "";
    #group = null;
    #hub = null;
    /** Counts the times that this tab went in or out. */
    #entries = 0;
    /** Which leader this tab follows, and the number that its next message must have; `null` before its welcome. */
    #epoch = 0;
    #next = null;
    #session = 0;
    #connection = null;
    /** The hub's subscription → ids of this tab's. */
    #shared = new Map();
    #heardAt = 0;
    #greetedAt = 0;
    #strikes = 0;
    #ticker;
    #retryTimer;
    #isSuspended = false;
    #suspend = () => this.#leaveFor("The page is suspended.");
    #resume = () => this.#comeBack();
    #look = () => this.#lookWhenShown();

    /**
     * @param {object} options those of `StompClient`, and:
     * @param {string} [options.user] whose session it is. Tabs share a connection where `url` and `user` are the same;
     *     without it, where `url` and `token` are. Has to be given with a `tokenProvider`.
     * @param {number} [options.tabTimeoutMilliseconds] time in which the leading tab has to answer.
     */
    constructor(options = {}) {
        super();
        if (options.user === undefined && (options.token === undefined || options.tokenProvider)) {
            throw new StompError("invalid", "Say whose session is shared: the option user, or a token that stays.");
        }
        this.#options = { ...defaultOptions, ...options };
        this.#watchers = new Watchers(options.onState);
        this.#url = socketURL(options.url);
        this.#exchange = new Exchange(this.#options, repeatedCommands);
    }

    get state() {
        return this.#state;
    }

    /** As that of `StompClient`. */
    watch(watcher) {
        return this.#watchers.add(watcher);
    }

    /** Whether this tab has the connection. */
    get isLeading() {
        return this.#hub !== null;
    }

    /** Joins the other tabs, and with them the server; does nothing unless `closed`. */
    connect() {
        if (this.#state !== "closed") return;
        this.#listen("addEventListener");
        this.#setState("connecting", {});
        this.#enter();
    }

    /** Ends the pause between two tries, for all tabs. */
    reconnectNow() {
        this.#toLeader({ kind: "reconnect" });
    }

    /** Leaves the other tabs, which stay connected. The last one says DISCONNECT. */
    async disconnect() {
        const reason = { code: 1000, text: "The client disconnected." };
        const left = this.#hub?.end();
        this.#close(reason);
        await left;
    }

    /** As that of `StompClient`. Equal subscriptions of several tabs are one to the server. */
    subscribe(destination, handler, options = {}) {
        return this.#exchange.subscribe(destination, handler, options);
    }

    /** As that of `StompClient`, by way of the leading tab. */
    async request(command, body = {}) {
        if (this.#state === "closed") throw new StompError("closed", "The client is closed: call connect() first.");
        return this.#exchange.ask(command, body);
    }

    // Coming and going

    async #enter() {
        const entry = ++this.#entries;
        const isCurrent = () => entry === this.#entries;
        let group = null;
        try {
            if (TabGroup.isPossible) {
                const name = await TabGroup.nameFor(this.#url, this.#options.user, this.#options.token);
                if (!isCurrent()) return;
                group = this.#group = new TabGroup(name, {
                    leads: () => this.#lead(),
                    deposed: () => this.#deposed(),
                    received: (message) => this.#received(message),
                });
                await group.join();
            }
        } catch {
            // This page may not use locks, for example in a frame without an origin.
            group?.leave();
            group = null;
        }
        if (!isCurrent()) return;
        this.#group = group;
        if (!group) {
            this.#lead();
            return;
        }
        this.#heardAt = Date.now();
        this.#ticker = setInterval(() => this.#tick(), this.#options.tabTimeoutMilliseconds);
        if (!this.#hub) this.#greet();
    }

    #leave() {
        this.#entries++;
        clearInterval(this.#ticker);
        clearTimeout(this.#retryTimer);
        this.#hub?.abandon();
        this.#hub = null;
        if (this.#next !== null) this.#toLeader({ kind: "leave" });
        this.#group?.leave();
        this.#group = null;
        this.#next = null;
    }

    #close(reason) {
        if (this.#state === "closed") return;
        this.#leave();
        this.#listen("removeEventListener");
        this.#isSuspended = false;
        this.#lose(reason.text);
        this.#exchange.closed(reason.text);
        this.#setState("closed", { reason });
    }

    /** A page that is frozen, or kept in the back/forward cache, leads nobody and hears nothing. */
    #leaveFor(text) {
        if (this.#state === "closed" || this.#isSuspended) return;
        this.#isSuspended = true;
        this.#leave();
        this.#lose(text);
        this.#setState("reconnecting", leaderGone(text));
    }

    #comeBack() {
        if (!this.#isSuspended) return;
        this.#isSuspended = false;
        this.#enter();
    }

    #listen(method) {
        globalThis.document?.[method]("freeze", this.#suspend);
        globalThis.document?.[method]("resume", this.#resume);
        globalThis.document?.[method]("visibilitychange", this.#look);
        globalThis[method]?.("pagehide", this.#suspend);
        globalThis[method]?.("pageshow", this.#resume);
    }

    // Leading

    #lead() {
        const isSuccessor = this.#epoch > 0;
        // Later leaders have greater numbers, and no two have the same.
        this.#epoch = Math.max(this.#epoch + 1, Date.now() * 1000 + Math.floor(Math.random() * 1000));
        this.#lose("The tab that held the connection is gone.");
        const epoch = this.#epoch;
        let said = 0;
        this.#hub = new TabHub(this.#options, isSuccessor, {
            say: (message) => {
                const whole = { ...message, epoch, n: ++said };
                this.#group?.post(whole);
                if (whole.to === undefined || whole.to === this.#id) this.#take(whole);
            },
            watch: (tab, gone) => this.#group?.watch(tab, gone) ?? (() => {}),
            closed: (reason) => {
                this.#hub = null;
                this.#close(reason);
            },
        });
        this.#hub.start();
        this.#greet();
    }

    /** Another tab has taken the lead, as this one did not answer. */
    #deposed() {
        this.#hub?.abandon();
        this.#hub = null;
        this.#forget("Another tab has taken the connection over.");
        this.#group.abdicate();
        this.#greet();
    }

    get #id() {
        return this.#group?.id ?? "alone";
    }

    // Following

    #greet() {
        this.#greetedAt = Date.now();
        this.#toLeader({ kind: "hello" });
    }

    #toLeader(message) {
        const whole = { ...message, from: this.#id, epoch: this.#epoch };
        if (this.#hub) this.#hub.receive(whole);
        else this.#group?.post(whole);
    }

    /** Takes what came over the channel. */
    #received(message) {
        if (message.from === undefined) this.#receivedOfLeader(message);
        else if (this.#hub && message.from !== this.#id) this.#receivedOfTab(message);
    }

    #receivedOfTab(message) {
        // Whoever greets does not know yet who leads.
        if (message.kind !== "hello" && message.epoch !== this.#epoch) return;
        try {
            this.#hub.receive(message);
        } catch (error) {
            // A frame that cannot be written: no tab sends one.
            if (!(error instanceof StompError)) throw error;
        }
    }

    #receivedOfLeader(message) {
        const { kind, epoch, n, to } = message;
        if (epoch < this.#epoch) {
            // The lead may come sooner than the last word of who had it: that all tabs are refused.
            if (kind === "state" && message.state === "closed" && !this.#connection) this.#close(message.detail.reason);
            return;
        }
        if (this.#hub && epoch === this.#epoch) return;
        this.#heardAt = Date.now();
        this.#strikes = 0;
        if (epoch > this.#epoch) {
            this.#epoch = epoch;
            if (this.#hub) {
                this.#deposed();
                return;
            }
            this.#forget("Another tab has taken the connection over.");
            if (kind !== "welcome") this.#greet();
        }
        if (kind === "welcome" && to === this.#id) this.#next = n;
        if (this.#next === null) return;
        if (n !== this.#next) {
            // Something is missing. If that goes on, the next tick is soon enough.
            const isOften = Date.now() - this.#greetedAt < 100;
            this.#forget("A message between tabs was lost.");
            if (!isOften) this.#greet();
            return;
        }
        this.#next++;
        if (to === undefined || to === this.#id) this.#take(message);
    }

    /** Takes what the leader says, in its order. */
    #take({ kind, session, state, detail, shared, id, headers, body, message, receipt, replay, counts, text }) {
        if (kind === "welcome" || kind === "state") {
            this.#follow(session, state, detail);
        } else if (kind === "bye") {
            if (!this.#hub) this.#forget(text);
        } else if (kind === "refused") {
            this.#close({ code: 1002, text });
        } else if (this.#connection?.isOpen && session === this.#session) {
            switch (kind) {
            case "message":
                if (id === undefined) this.#deliverToAll(shared, headers, body);
                else this.#deliver(id, headers, body);
                break;
            case "acknowledged":
                for (const own of this.#shared.get(shared) ?? []) {
                    this.#exchange.subscription(own)?.acknowledgedElsewhere(message);
                }
                break;
            case "answer":
                this.#exchange.receive({ headers, body });
                break;
            case "receipt":
                this.#connection.receipt(receipt, headers);
                break;
            case "subscribed":
                this.#shared.set(shared, (this.#shared.get(shared) ?? new Set()).add(id));
                if (counts) this.#deliver(id, { unread: "true" }, counts);
                // They were there when it was counted.
                for (const frame of replay) {
                    this.#deliver(id, counts ? { ...frame.headers, counted: "true" } : frame.headers, frame.body);
                }
                break;
            }
        }
    }

    #deliverToAll(shared, headers, body) {
        const ids = this.#shared.get(shared) ?? new Set();
        for (const id of ids) {
            if (this.#exchange.subscription(id)) this.#deliver(id, headers, body);
            else ids.delete(id);
        }
    }

    #deliver(id, headers, body) {
        const own = Object.assign(Object.create(null), headers, { subscription: id });
        this.#exchange.subscription(id)?.receive({ headers: own, body });
    }

    #follow(session, state, detail) {
        clearTimeout(this.#retryTimer);
        if (state !== "connected") {
            this.#lose(detail.reason?.text ?? "");
            if (state === "closed") this.#close(detail.reason);
            else this.#setState(state, detail);
            // The leading tab may be hidden, and its timers slow.
            const { retryAt, attempt } = detail;
            if (!retryAt || this.#hub) return;
            const pause = Math.min(timerMax, Math.max(0, retryAt - Date.now()) + 250);
            this.#retryTimer = setTimeout(() => this.#toLeader({ kind: "reconnect", attempt }), pause);
            return;
        }
        if (this.#connection?.isOpen && session === this.#session) return;
        this.#lose("");
        this.#session = session;
        this.#connection = new TabConnection((frame) => this.#toLeader({ kind: "frame", session, ...frame }));
        this.#exchange.open(this.#connection);
        this.#setState("connected", detail);
    }

    /** The connection that this tab had by its leader is over. */
    #lose(text) {
        const connection = this.#connection;
        this.#connection = null;
        this.#shared.clear();
        connection?.end(text);
        if (connection) this.#exchange.ended(text);
    }

    /** The leader is gone, or was not understood; the next one, or itself, will say welcome. */
    #forget(text) {
        this.#next = null;
        clearTimeout(this.#retryTimer);
        if (!this.#connection) return;
        this.#lose(text);
        this.#setState("reconnecting", leaderGone(text));
    }

    #tick() {
        if (this.#hub) {
            this.#hub.beat();
        } else if (this.#next === null || this.#silence > 3 * this.#options.tabTimeoutMilliseconds) {
            this.#lookForLeader();
        }
    }

    /** Whoever looks at a tab does not want to wait for a leader that the browser has put to sleep. */
    #lookWhenShown() {
        const isShown = globalThis.document?.visibilityState === "visible";
        if (isShown && !this.#hub && this.#group && this.#silence > this.#options.tabTimeoutMilliseconds) {
            this.#lookForLeader();
        }
    }

    /** Twice: whatever has come while this tab itself did not run is read between two ticks. */
    #lookForLeader() {
        if (++this.#strikes > 2) {
            this.#strikes = 0;
            this.#group.seize();
        } else if (this.#next === null) {
            this.#greet();
        } else {
            this.#toLeader({ kind: "ping" });
        }
    }

    get #silence() {
        return Date.now() - this.#heardAt;
    }

    #setState(state, detail) {
        const told = JSON.stringify([state, detail]);
        if (told === this.#told) return;
        this.#told = told;
        this.#state = state;
        this.#watchers.tell(state, detail);
    }
}
