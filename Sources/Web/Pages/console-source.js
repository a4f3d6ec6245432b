/** Where pages have their data from: views by STOMP while they are live, else by HTTP; acts by HTTP. */
import { StompClient } from "/stomp.js";

/** A refusal, with a sentence for the operator; `code` as in docs/api.md, or one of `StompError`. */
export class Problem extends Error {
    constructor(sentence, code, status) {
        super(sentence);
        Object.assign(this, { code, status });
    }
}

/** What the node says to one operator. Tells of `connected`, and of `refused` for a token or a password. */
export class Source extends EventTarget {
    #authorization;
    #client;

    /**
     * @param who `{token}`, or `{login, passcode}`.
     * @param onState as of `StompClient`.
     */
    constructor(who, onState) {
        super();
        this.#authorization = "token" in who ? `Bearer ${who.token}` : basic(who);
        this.#client = new StompClient({
            url: "/ws", ...who,
            onState: (state, detail) => {
                onState(state, detail);
                this.dispatchEvent(new Event(state));
            },
        });
    }

    get state() {
        return this.#client.state;
    }

    connect() {
        this.#client.connect();
    }

    retry() {
        if (this.#client.state === "closed") this.#client.connect();
        else this.#client.reconnectNow();
    }

    close() {
        this.#client.disconnect().catch(() => {});
    }

    /** A view over the socket. */
    live(view, parameters = {}) {
        return this.#client.request("operator", { view, ...given(parameters) });
    }

    /** A view over HTTP. */
    async get(view, parameters = {}, signal = undefined) {
        return JSON.parse(await this.text(view, parameters, signal));
    }

    async text(view, parameters = {}, signal = undefined) {
        const query = new URLSearchParams(given(parameters)).toString();
        return this.#fetch(`/api/v1/operator/${view}${query === "" ? "" : `?${query}`}`, { signal });
    }

    /** An act. Resolves with the JSON of the answer. */
    async send(method, path, body = undefined, signal = undefined) {
        const headers = body === undefined ? {} : { "Content-Type": "application/json" };
        const text = await this.#fetch(path, {
            method, signal, headers, body: body === undefined ? undefined : JSON.stringify(body),
        });
        return text === "" ? {} : JSON.parse(text);
    }

    async #fetch(path, { headers = {}, ...options }) {
        let response;
        let text;
        try {
            response = await fetch(path, {
                // The browser is not to ask for a password in a window of its own.
                ...options, cache: "no-store", credentials: "omit",
                headers: { ...headers, Authorization: this.#authorization },
            });
            text = await response.text();
        } catch (error) {
            if (error.name === "AbortError") throw error;
            throw new Problem("The server cannot be reached.", "unreachable", 0);
        }
        if (response.ok) return text;
        const problem = read(text, response);
        if (response.status === 401) this.dispatchEvent(new CustomEvent("refused", { detail: problem.message }));
        throw problem;
    }
}

/** RFC 7617, with UTF-8. */
function basic({ login, passcode }) {
    return `Basic ${btoa(String.fromCharCode(...new TextEncoder().encode(`${login}:${passcode}`)))}`;
}

/** Without what is empty, all as strings. */
function given(parameters) {
    return Object.fromEntries(Object.entries(parameters)
        .filter(([, value]) => value !== null && value !== undefined && value !== "")
        .map(([name, value]) => [name, String(value)]));
}

function read(text, { status }) {
    try {
        const { detail, code } = JSON.parse(text);
        if (typeof detail === "string") return new Problem(detail, code, status);
    } catch {
        // A proxy's answer, say.
    }
    return new Problem(`The server answered ${status}.`, "unknown", status);
}
