/** Types of /bell.js; that file says more of each member. */

import type { Client, StompMessage } from "./stomp.js";

/** A message as renderers and events are given it. */
export interface BellMessage {
    id: string;
    type: string;
    receiver: string;
    data: any;
    viewed: boolean;
    seen: boolean;
    /** Milliseconds since 1970. */
    created: number;
    /** Whether it came back to this page after a snooze. */
    isSnoozed: boolean;
}

/** With an address that is no http or https one, an action is left out; without any, it is the page's to act on. */
export interface BellAction {
    label: string;
    url?: string;
    [own: string]: unknown;
}

/** What is shown of a message. What is not of its kind is left out. */
export interface BellContent {
    title?: string;
    text?: string;
    /** http or https, relative to the page too. */
    url?: string;
    /** As `url`, or an image as `data:`. */
    icon?: string;
    severity?: "info" | "success" | "warning" | "error";
    /** Two at most. */
    actions?: BellAction[];
}

/** A text, what is shown, or a node of the page's; with `null` or `undefined` the bell renders it itself. */
export type BellRenderer = (data: any, message: BellMessage) => string | Node | BellContent | null | undefined;

export type BellState = "connecting" | "connected" | "reconnecting" | "refused" | "closed";

/** Details of the events, all of which bubble out of shadow roots. */
export interface BellEvents {
    /** Before the list opens; cancelled, it stays shut. */
    "belfry-opened": CustomEvent<Record<string, never>>;
    "belfry-closed": CustomEvent<Record<string, never>>;
    /** A message was clicked, in the list or as a toast; cancelled, its address is not followed. */
    "belfry-clicked": CustomEvent<{ message: BellMessage; url: string | null }>;
    /** An action was clicked; cancelled, its address is not followed. */
    "belfry-action": CustomEvent<{ message: BellMessage; action: BellAction }>;
    /** A message has come; cancelled, there is no toast of it. */
    "belfry-message": CustomEvent<{ message: BellMessage }>;
    "belfry-count": CustomEvent<{ unseen: number; unviewed: number }>;
    "belfry-state": CustomEvent<{ state: BellState; reason: string }>;
}

export class BelfryBell extends HTMLElement {
    /** Attributes of the same names. */
    url: string;
    token: string;
    user: string;
    /** Asked for a token before each connection. */
    tokenProvider: (() => string | Promise<string>) | null;
    /** The page's own client, which it connects and disconnects itself. */
    client: Client | null;
    /** By type. */
    render: Record<string, BellRenderer>;
    /** Texts of the page's own, by the names that docs/bell.md lists. */
    texts: Record<string, string | Partial<Record<Intl.LDMLPluralRule, string>>>;
    /** Up to 1,000, which stands for more than 999. */
    readonly counts: { unseen: number; unviewed: number };
    readonly state: BellState;
    readonly isOpen: boolean;
    open(): void;
    close(returnsFocus?: boolean): void;
    toggle(): void;
    markAllViewed(): void;
    /** With the attribute `manual`: takes a message of the page's subscription. False when it is not to be shown. */
    receive(message: StompMessage): boolean;
}

declare global {
    interface HTMLElementTagNameMap {
        "belfry-bell": BelfryBell;
    }
    interface HTMLElementEventMap extends BellEvents {}
}
