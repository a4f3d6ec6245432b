/** A user of a tab who does this and that with their messages, and the badge that the tab shows meanwhile. */
globalThis.startUser = () => {
    const { client } = tab;
    /** The ids that this tab has heard of and not deleted; the newest last. */
    const known = [];
    const knownMax = 60;
    Object.assign(tab, { badge: null, notices: [], lost: 0 });

    // The badge: asked for after whatever may have changed it, one question at a time.
    let isAsking = false;
    let isStale = true;
    const ask = async () => {
        isStale = true;
        if (isAsking) return;
        isAsking = true;
        while (isStale) {
            isStale = false;
            try {
                const { unviewed, unseen } = await client.unread();
                tab.badge = [unviewed, unseen];
            } catch (error) {
                tab.problem ??= String(error);
            }
        }
        isAsking = false;
    };
    tab.isIdle = () => !isAsking && !isStale;

    tab.onmessage = (message) => {
        message.ack();
        const { type, data } = message.json;
        if (type.startsWith("NOTIFY_")) {
            tab.notices.push({ type, data, at: Date.now() });
        } else {
            known.push(message.id);
            if (known.length > knownMax) known.shift();
        }
        ask();
    };
    for (const message of tab.messages.values()) tab.onmessage(message);
    ask();

    /** So many actions, by a fixed sequence of numbers. What is lost with a connection is lost. */
    tab.act = async (seed, count) => {
        let state = seed;
        const below = (limit) => (state = (state * 48271) % 2147483647) % limit;
        const any = () => known[below(known.length)];
        const some = () => [any(), any(), any()];
        const actions = [
            [8, () => client.markViewed(some())],
            [4, () => client.markViewed([any()])],
            [2, () => client.deleteMessages([any()])],
            [2, () => client.snooze(any(), Date.now() + 300 + below(900))],
            [2, () => client.markSeen(any())],
            [1, () => client.markViewed({ upTo: any() })],
            [2, () => client.history({ limit: 1 + below(20), unviewed: below(2) === 1 })],
            [1, () => client.isLeading && tab.socket.close()],
        ];
        const weights = actions.flatMap(([weight, action]) => Array(weight).fill(action));
        if (known.length === 0) {
            const { messages } = await client.history({ limit: knownMax });
            known.push(...messages.map(({ id }) => id).reverse());
        }
        for (let number = 0; number < count; number++) {
            try {
                await weights[below(weights.length)]();
            } catch (error) {
                if (!["connectionLost", "unavailable"].includes(error.code)) throw error;
                tab.lost++;
            }
        }
        return count;
    };
};
