/** Types of /stomp.js; that file says more of each member. */

export type AckMode = "auto" | "client" | "client-individual";

export class StompError extends Error {
    constructor(code: StompError["code"], message: string);
    readonly code:
        | "connectionLost" | "closed" | "timeout" | "tooManyRequests"
        | "invalid" | "forbidden" | "unavailable"
        | "protocolViolation" | "frameTooLarge" | "invalidHeader";
}

/** Why a connection ended: a close code of the server's, or 1006. */
export interface CloseReason {
    code: number;
    text: string;
}

export interface StateDetails {
    connecting: Record<string, never>;
    /** The headers of CONNECTED: among them `user-name`, and where the token has an end `expires-at`, `expires-in`. */
    connected: { headers: Record<string, string> };
    /** `retryAt` in milliseconds since 1970, `null` while it tries. */
    reconnecting: { reason: CloseReason; attempt: number; retryAt: number | null };
    closed: { reason: CloseReason };
}

export type State = keyof StateDetails;

export interface ClientOptions {
    /** `ws:`, `wss:`, or relative to the page; `/ws` by default. */
    url?: string;
    token?: string;
    /** Asked for a token before each connection, and before the one in use expires. */
    tokenProvider?: () => string | Promise<string>;
    /** In place of a token, for servers whose users have passwords. */
    login?: string;
    /** The password of `login`. */
    passcode?: string;
    /** What we send and what we want, in milliseconds; 0 for none. */
    heartBeat?: [number, number];
    seenMax?: number;
    retryFirstMilliseconds?: number;
    retryMaxMilliseconds?: number;
    connectTimeoutMilliseconds?: number;
    /** Until an answer, the time until a connection included; 30,000 when absent. */
    requestTimeoutMilliseconds?: number;
    onState?: <S extends State>(state: S, detail: StateDetails[S]) => void;
}

export interface SubscriptionOptions {
    ack?: AckMode;
    lastMessageId?: string;
    headers?: Record<string, string>;
    /** Asks for the user's counts, which come before the first message. */
    unread?: boolean;
    onUnread?: (counts: Counts) => void;
    onRepeat?: (message: StompMessage, confirmation: Promise<void> | null) => void;
}

export class StompMessage {
    readonly id: string;
    readonly headers: Record<string, string>;
    readonly destination: string;
    readonly redelivered: boolean;
    readonly acknowledged: boolean;
    readonly bytes: Uint8Array;
    readonly body: string;
    /** The body read as JSON, or `undefined` when it is none. */
    readonly json: unknown;
    ack(receipt?: boolean): Promise<void>;
    nack(): void;
}

export interface Subscription {
    readonly id: string;
    readonly destination: string;
    readonly lastMessageId: string | undefined;
    unsubscribe(): void;
}

/** What a user has not viewed, and what of it no open list has shown: up to 999 exactly, 1,000 for more. */
export interface Counts {
    unviewed: number;
    unseen: number;
    /** Of two counts the one with more changes is newer. */
    changes: number;
}

/** A message as it is in a history, and as the body of a MESSAGE, which lacks `seen`. */
export interface HistoryMessage {
    id: string;
    type: string;
    receiver: string;
    data: unknown;
    viewed: boolean;
    seen: boolean;
    /** Milliseconds since 1970. */
    created: number;
}

export interface PageOptions {
    before?: string;
    after?: string;
    /** 1 to 100; 50 when absent. */
    limit?: number;
    type?: string;
    unviewed?: boolean;
}

export interface Page extends Counts {
    messages: HistoryMessage[];
    /** Whether not all that were asked for fitted into one answer. */
    isCut: boolean;
}

/** What a user has of their messages. Each call rejects with a `StompError`. */
export interface Inbox {
    history(page?: PageOptions): Promise<Page>;
    unread(): Promise<Counts>;
    markViewed(which: string[] | { upTo: string }): Promise<Counts>;
    markSeen(upTo: string): Promise<Counts>;
    deleteMessages(ids: string[]): Promise<Counts>;
    snooze(id: string, until: Date | number): Promise<{ snoozedAs: string | null }>;
}

/** What both clients can do. */
export interface Client extends Inbox {
    readonly state: State;
    connect(): void;
    reconnectNow(): void;
    disconnect(): Promise<void>;
    /** Told of the state now and of every change; returns a function that ends that. */
    watch(watcher: <S extends State>(state: S, detail: StateDetails[S]) => void): () => void;
    subscribe(
        destination: string, handler: (message: StompMessage) => void, options?: SubscriptionOptions,
    ): Subscription;
    /** A SEND to `/app/<command>` and its answer. */
    request(command: string, body?: object): Promise<Record<string, unknown>>;
}

/** A client with a connection of its own. */
export interface StompClient extends Client {}
export class StompClient {
    constructor(options?: ClientOptions);
}

export interface SharedClientOptions extends ClientOptions {
    /** Whose session it is: tabs with the same `url` and `user`, without it the same `token`, share a connection. */
    user?: string;
    /** Time in which the leading tab has to answer; 3,000 when absent. */
    tabTimeoutMilliseconds?: number;
}

/** A client that has one connection together with all tabs of this browser that are the same user's. */
export interface SharedStompClient extends Client {}
export class SharedStompClient {
    /** Needs `user`, or a `token` and no `tokenProvider`. */
    constructor(options: SharedClientOptions);
    /** Whether this tab has the connection. */
    readonly isLeading: boolean;
}

export interface Frame {
    command: string;
    headers: Record<string, string>;
    body: Uint8Array;
}

export function encodeFrame(command: string, headers?: Record<string, unknown>, body?: string): string;

export class FrameDecoder {
    constructor(bytesMax?: number);
    push(data: string | ArrayBuffer | Uint8Array): Generator<Frame>;
}
