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

    /** @param handlers `{connected(headers), message(frame), ended(reason)}` */
    constructor(url, token, heartBeat, timeoutMilliseconds, handlers) {
        this.#handlers = handlers;
        this.#heartBeat = heartBeat;
        this.#socket = new WebSocket(url, ["v12.stomp"]);
        this.#socket.binaryType = "arraybuffer";
        this.#socket.onopen = () => this.#connect(url, token);
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

    #connect(url, token) {
        const headers = { "accept-version": "1.2", host: new URL(url).hostname, "heart-beat": this.#heartBeat.join() };
        if (token) headers.Authorization = `Bearer ${token}`;
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
            const counts = readJSON(frame.body);
            if (counts) call(this.#options.onUnread, counts);
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
        if (this.#options.ack === "auto") return;
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
            const { heartBeat, connectTimeoutMilliseconds } = this.#options;
            this.#connection = new Connection(this.#url, token, heartBeat, connectTimeoutMilliseconds, {
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

    /**
     * @param {object} options
     * @param {string} [options.url] `ws:`, `wss:`, or relative to the page; `/ws` by default.
     * @param {string} [options.token] goes into CONNECT as `Authorization: Bearer …`.
     * @param {() => (string | Promise<string>)} [options.tokenProvider] asked for a token before each connection, and
     *     before the one in use expires.
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
        this.#exchange = new Exchange(complete);
        this.#link = new Link(complete, {
            opened: (connection) => this.#exchange.open(connection),
            received: (frame) => this.#exchange.receive(frame),
            ended: (text) => this.#exchange.ended(text),
            closed: (text) => this.#exchange.closed(text),
            changed: (state, detail) => call(complete.onState, state, detail),
        });
    }

    get state() {
        return this.#link.state;
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
     *     again after every reconnect.
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
