/** Types of /stomp.js; that file says more of each member. */

export type AckMode = "auto" | "client" | "client-individual";

export class StompError extends Error {
    readonly code: "connectionLost" | "closed" | "protocolViolation" | "frameTooLarge" | "invalidHeader";
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
    /** What we send and what we want, in milliseconds; 0 for none. */
    heartBeat?: [number, number];
    seenMax?: number;
    retryFirstMilliseconds?: number;
    retryMaxMilliseconds?: number;
    connectTimeoutMilliseconds?: number;
    onState?: <S extends State>(state: S, detail: StateDetails[S]) => void;
}

export interface SubscriptionOptions {
    ack?: AckMode;
    lastMessageId?: string;
    headers?: Record<string, string>;
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

export class StompClient {
    constructor(options?: ClientOptions);
    readonly state: State;
    connect(): void;
    reconnectNow(): void;
    disconnect(): Promise<void>;
    subscribe(
        destination: string, handler: (message: StompMessage) => void, options?: SubscriptionOptions,
    ): Subscription;
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
