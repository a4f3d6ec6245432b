/** What every page has: its heading, its notices, what it follows, and its end. */
import { announce, h, show } from "/console/dom.js";
import { clock } from "/console/format.js";

/** Refusals of a connection: its banner says so already. */
const connectionCodes = new Set(["connectionLost", "closed", "timeout"]);
/** An answer that takes longer is overdue: what is shown is marked as old meanwhile. */
const overdueMilliseconds = 5000;

export class Page {
    #ended = new AbortController();
    #notice = h("div", { class: "notices" });
    #notices = new Map();
    #heading = h("h1", { tabindex: "-1", class: "title" });
    #beside = h("div", { class: "beside" });
    /** View → why its answer is late, and of when what is shown is. */
    #late = new Map();

    /** @param context `root`, `parts` of the path, `query`, `source`, `me`, `go(parts, query)`. */
    constructor(context) {
        Object.assign(this, context);
        this.body = h("div", { class: "body" });
        show(this.root);
        this.root.append(h("div", { class: "head" }, this.#heading, this.#beside), this.#notice, this.body);
    }

    /** Aborted when another page is opened. */
    get signal() {
        return this.#ended.signal;
    }

    get mayAct() {
        return this.me.mayAct;
    }

    end() {
        this.#ended.abort();
    }

    heading(title, ...beside) {
        show(this.#heading, title);
        show(this.#beside, ...beside);
        document.title = `${title} · Belfry console`;
    }

    focus() {
        this.#heading.focus({ preventScroll: true });
        scrollTo(0, 0);
    }

    /** Has a sentence on top of the page; `null` takes it away. */
    notice(name, sentence, kind = "error") {
        if (sentence === null) this.#notices.delete(name);
        else this.#notices.set(name, { sentence, kind });
        show(this.#notice, [...this.#notices].map(([key, note]) => h("p", {
            key, class: note.kind, role: note.kind === "error" ? "alert" : "status",
        }, note.sentence)));
    }

    /** The outcome of an act: seen and read out. */
    outcome(sentence) {
        this.notice("outcome", sentence, "done");
        announce(sentence);
    }

    loading(target = this.body) {
        show(target, h("p", { class: "loading muted", role: "status" }, "Loading…"));
    }

    /** A note for who may not act, in the place of the buttons. */
    viewOnly() {
        return this.mayAct ? null : h("p", { class: "hint view-only" },
            "You may look, not act: your token's claim belfry.operator is \"view\".");
    }

    /** Once, by HTTP. Resolves with `undefined` when the page is gone or the view is refused, which is then said. */
    async load(view, parameters, target = this.body) {
        this.loading(target);
        try {
            const answer = await this.source.get(view, parameters, this.signal);
            return this.signal.aborted ? undefined : answer;
        } catch (error) {
            this.failed(error, target);
            return undefined;
        }
    }

    failed(error, target = this.body) {
        if (this.signal.aborted || error.name === "AbortError") return;
        show(target, h("div", { class: "empty" }, h("p", { role: "alert" }, asLooking(error.message)),
            h("p", null, h("button", { type: "button", onclick: () => this.again() }, "Try again"))));
    }

    /**
     * Asks for a view again and again while the page is open, seen and connected. What was shown stays when an answer
     * does not come, with a notice of its age. Returns a function that asks at once.
     *
     * @param parameters of the view, or a function that makes them.
     * @param every seconds between an answer and the next question, or a function of the answer; 0 to stop.
     */
    follow(view, parameters, every, take) {
        let timer;
        let isAsking = false;
        let isWanted = false;
        let shownAt = null;
        const ask = async () => {
            clearTimeout(timer);
            isWanted = isAsking;
            if (isAsking || this.signal.aborted) return;
            isAsking = true;
            let pause = typeof every === "number" ? every : 5;
            const overdue = setTimeout(() => this.#overdue(view, shownAt), overdueMilliseconds);
            try {
                const asked = typeof parameters === "function" ? parameters() : parameters;
                const answer = await this.source.live(view, asked);
                if (this.signal.aborted) return;
                shownAt = Date.now();
                this.#inTime(view);
                take(answer);
                if (typeof every === "function") pause = every(answer);
            } catch (error) {
                if (this.signal.aborted) return;
                this.#missed(view, error, shownAt);
            } finally {
                clearTimeout(overdue);
                isAsking = false;
            }
            if (isWanted) ask();
            else if (pause > 0 && !document.hidden) timer = setTimeout(ask, pause * 1000);
        };
        const options = { signal: this.signal };
        this.source.addEventListener("connected", ask, options);
        document.addEventListener("visibilitychange", () => document.hidden || ask(), options);
        this.signal.addEventListener("abort", () => clearTimeout(timer));
        ask();
        return ask;
    }

    #missed(view, error, shownAt) {
        if (connectionCodes.has(error.code) && this.source.state !== "connected") {
            this.#inTime(view);
            return;
        }
        for (const node of this.root.querySelectorAll(".loading")) node.remove();
        this.#late.set(view, { sentence: asLooking(error.message), shownAt });
        this.#showLate();
    }

    #overdue(view, shownAt) {
        if (this.signal.aborted || this.source.state !== "connected" || this.#late.has(view)) return;
        const seconds = overdueMilliseconds / 1000;
        this.#late.set(view, { sentence: `The server has not answered for ${seconds} seconds.`, shownAt });
        this.#showLate();
    }

    #inTime(view) {
        if (this.#late.delete(view)) this.#showLate();
    }

    /** One sentence for all views of the page. */
    #showLate() {
        const late = [...this.#late.values()];
        this.body.classList.toggle("old", late.length > 0);
        this.source.dispatchEvent(new CustomEvent("late", { detail: late.length > 0 }));
        if (late.length === 0) {
            this.notice("late", null);
            return;
        }
        const oldest = Math.min(...late.map(({ shownAt }) => shownAt ?? Infinity));
        const age = oldest === Infinity ? "" : ` What is shown is of ${clock(oldest)}.`;
        this.notice("late", `${late.at(-1).sentence}${age} Trying again.`);
    }
}

/** A refusal as one who only looked reads it: nothing was to be done. */
function asLooking(sentence) {
    const asked = sentence.replace(": whether this was done is not known", "");
    return asked.charAt(0).toUpperCase() + asked.slice(1);
}

/** What a page says where there is nothing, and what to do. */
export function empty(sentence, ...hints) {
    return h("div", { class: "empty" }, h("p", null, sentence), hints.map((hint) => h("p", { class: "muted" }, hint)));
}

/** A card with a heading. */
export function section(title, ...children) {
    return h("section", { class: "card" }, h("h2", null, title), ...children);
}

/** Names with their values. */
export function facts(...pairs) {
    return h("dl", { class: "facts" }, pairs.filter(Boolean).map(([name, ...value]) =>
        h("div", null, h("dt", null, name), h("dd", null, ...value))));
}
