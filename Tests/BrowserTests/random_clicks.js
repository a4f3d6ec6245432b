/** A user of a tab who clicks here and there in the bell, by a fixed sequence of numbers; and the connection breaks. */
const Socket = globalThis.WebSocket;
globalThis.sockets = [];
globalThis.WebSocket = class extends Socket {
    constructor(...values) {
        super(...values);
        sockets.push(this);
    }
};
globalThis.click = async (seed, count) => {
    const root = bell.shadowRoot;
    let state = seed;
    const below = (limit) => (state = (state * 48271) % 2147483647) % limit;
    const any = (selector) => {
        const found = [...root.querySelectorAll(selector)].filter((node) => node.checkVisibility());
        return found[below(found.length)];
    };
    const actions = [
        [6, () => any(".item .open")?.click()],
        [6, () => any(".item [aria-label='Mark as read']")?.click()],
        [4, () => any(".item [aria-label=Delete]")?.click()],
        [2, () => {
            any(".item [aria-label=Snooze]")?.click();
            any(".choice")?.click();
        }],
        [1, () => any(".mark-all:enabled")?.click()],
        [3, () => any(".tab")?.click()],
        [3, () => bell.toggle()],
        [1, () => sockets.at(-1)?.close()],
    ];
    const weights = actions.flatMap(([weight, action]) => Array(weight).fill(action));
    for (let number = 0; number < count; number++) {
        weights[below(weights.length)]();
        await new Promise((resolve) => setTimeout(resolve, below(40)));
    }
    return count;
};
