/** One message: where it is and what it waits for, its data, headers and timeline, and the acts on it. */
import { act } from "/console/act.js";
import { command, h, link, show } from "/console/dom.js";
import { bytes, duration, status, time } from "/console/format.js";
import { jsonBlock, readExactly } from "/console/json.js";
import { addressee } from "/console/message-list.js";
import { facts, section } from "/console/page.js";

/** Seconds between two looks at a message to which something may still happen; each brings its data, too. */
const everySeconds = ({ dataBytes }) => dataBytes > 65536 ? 15 : 2;

export async function openMessage(page, id) {
    page.heading(`Message ${id}`);
    if (!/^\d{1,19}$/.test(id)) {
        show(page.body, h("div", { class: "empty" }, h("p", null, `"${id}" is no id: a message's id is a number.`)));
        return;
    }
    const parts = await read(page, id);
    if (parts === undefined) return;
    const { message, trace, data } = parts;
    const head = h("div", { class: "card trace", key: "head" });
    const timeline = h("div", { key: "timeline" });
    const about = h("div", { key: "about" });
    const headers = Object.entries(message.headers ?? {});
    show(page.body, head, h("div", { class: "columns" },
        h("div", { class: "column" }, section("Timeline", timeline), about),
        h("div", { class: "column" },
            section(`Data, ${bytes(message.dataBytes)}`, jsonBlock(data)),
            section("Headers", headers.length === 0 ? h("p", { class: "muted" }, "It has none.")
                : facts(...headers.map(([name, value]) => [name, String(value)]))))));
    let refresh = () => {};
    const take = (answer) => {
        showTrace(page, head, answer, () => refresh());
        showTimeline(timeline, answer.trace.events);
        showFacts(about, answer.message);
    };
    take({ message, trace });
    // Also of one that is over: a replay may begin it anew.
    refresh = page.follow("message", { id }, (answer) => answer.trace.isOver ? 0 : everySeconds(answer.message), take);
}

async function read(page, id) {
    page.loading();
    try {
        const text = await page.source.text("message", { id }, page.signal);
        if (page.signal.aborted) return undefined;
        return { ...JSON.parse(text), data: readExactly(text).message.data };
    } catch (error) {
        if (error.status === 404) showAbsent(page, id);
        else page.failed(error);
        return undefined;
    }
}

function showAbsent(page, id) {
    if (page.signal.aborted) return;
    show(page.body, h("div", { class: "empty" }, h("p", { role: "alert" }, `There is no message ${id}.`),
        h("p", { class: "muted" },
            "Its transaction may be open still, or was rolled back; retention may have deleted it."),
        h("p", { class: "muted" }, link(["messages"], {}, "Search messages"), " · ",
            link(["users", id], {}, `The user ${id}`))),
    h("p", { class: "muted" }, "Whether the id was given out, and which transaction is open, is told by"),
    command(`belfry trace ${id}`));
}

function showTrace(page, head, { message, trace }, refresh) {
    show(head,
        h("div", { class: "trace-head" }, status(message.status), h("p", { class: "sentence" }, trace.sentence)),
        page.viewOnly() ?? h("div", { class: "row-of-buttons" },
            h("button", { type: "button", id: "replay", onclick: () => replay(page, message, refresh) }, "Replay…"),
            ["pending", "parked"].includes(message.status) ? h("button", {
                type: "button", id: "cancel", onclick: () => cancel(page, message, refresh),
            }, "Cancel…") : null),
        command(`belfry trace ${message.id} --follow`));
}

/** Each with its time, and the time since the one before, as `belfry trace` prints it. */
function showTimeline(target, events) {
    const list = h("ol", { class: "timeline" }, events.map(({ at, what }, index) => h("li", null,
        h("span", { class: "at" }, time(at, { fine: true, relative: false })),
        h("span", { class: "after muted", title: "since the line before" },
            index > 0 ? `+${fine(at - events[index - 1].at)}` : ""),
        h("span", { class: "what" }, what))));
    show(target, events.length === 0 ? h("p", { class: "muted" }, "Nothing is on the books.") : list);
}

function fine(milliseconds) {
    return milliseconds < 1000 ? `${Math.round(milliseconds)}\u00a0ms` : duration(milliseconds);
}

function showFacts(target, message) {
    show(target, section("About it", facts(
        ["To", addressee(message)],
        ["Type", link(["types", message.type], {}, message.type)],
        ["Status", message.status],
        message.statusReason && ["Reason", message.statusReason],
        ["Written", time(message.createdAt)],
        message.deliveredAt !== null && ["Delivered", time(message.deliveredAt)],
        message.viewedAt !== null && ["Viewed", time(message.viewedAt)],
        message.notBefore !== null && ["Not before", time(message.notBefore)],
        message.expiresAt !== null && ["Expires", time(message.expiresAt)],
        message.idempotencyKey && ["Idempotency key", message.idempotencyKey])));
}

// Acts

/** What a replay would do, by the word of the answer, and what it has done. */
const actions = {
    "queue again": ["It would be queued again and delivered.", "It was queued again."],
    "publish again": ["It is pending, and would be published again at once.", "It is published again."],
};

export function replay(page, { id, status: now, receiver, topic }, refresh) {
    const box = h("input", { type: "checkbox", id: "include-delivered" });
    const to = topic ? `to whoever is subscribed to ${topic} then` : `to ${receiver}`;
    const path = `/api/v1/operator/messages/${id}/replay`;
    return act({
        title: `Replay message ${id}`,
        fields: now === "delivered" ? h("label", { class: "check", for: "include-delivered" }, box,
            "Deliver it although it was delivered") : null,
        async look() {
            const answer = await page.source.send("POST", path, { dryRun: true, includeDelivered: box.checked });
            const would = actions[answer.action]?.[0];
            return would ? { sentence: `${would} It goes ${to}.`, label: "Replay 1 message" }
                : { sentence: `Nothing would be done: ${answer.action.replace(/^skip:\s*/, "")}.` };
        },
        async run() {
            const { action } = await page.source.send("POST", path, { dryRun: false, includeDelivered: box.checked });
            return `Message ${id}: ${actions[action]?.[1] ?? `${action}.`}`;
        },
    }).then((sentence) => sentence !== null && done(page, sentence, refresh));
}

export function cancel(page, { id, receiver, topic, type }, refresh) {
    return act({
        title: `Cancel message ${id}`, isGrave: true,
        look: () => Promise.resolve({
            sentence: `${type} to ${topic ? `topic ${topic}` : receiver}: nobody would get it any more. `
                + "A replay brings it back.",
            label: "Cancel 1 message",
        }),
        async run() {
            const { cancelled } = await page.source.send("POST", `/api/v1/operator/messages/${id}/cancel`, {});
            return cancelled ? `Message ${id} is cancelled.`
                : `Message ${id} was not cancelled: it is delivered or over already, or another transaction holds it.`;
        },
    }).then((sentence) => sentence !== null && done(page, sentence, refresh));
}

function done(page, sentence, refresh) {
    if (page.signal.aborted) return;
    page.outcome(sentence);
    refresh();
}
