/** Parked messages, by reason and type: replay or cancel one, a group or all, with what it would do shown first. */
import { act, inBatches } from "/console/act.js";
import { h, link, show } from "/console/dom.js";
import { count, counted, time } from "/console/format.js";
import { cancel, replay } from "/console/message.js";
import { messageTable } from "/console/message-list.js";
import { empty } from "/console/page.js";
import { pager, table } from "/console/table.js";

const everySeconds = 5;
const verbs = {
    replay: { name: "Replay", done: "replayed", effect: "go back to the outbox and are delivered" },
    cancel: { name: "Cancel", done: "cancelled", effect: "are delivered to nobody" },
};

export function open(page) {
    if (page.parts[1] === "group") openGroup(page, page.query);
    else openGroups(page);
}

function openGroups(page) {
    page.heading("Parked messages");
    page.loading();
    let ask = () => {};
    ask = page.follow("parked", {}, everySeconds, ({ groups, isComplete, total }) => {
        if (groups.length === 0) {
            show(page.body, empty("Nothing is parked.",
                "A message is parked when it was given back too often, or can't be sent: "
                + "it waits here for an operator."));
            return;
        }
        show(page.body,
            h("div", { class: "list-head" },
                h("h2", null, isComplete ? "" : "More than ", counted(total, "message"), " in ",
                    counted(groups.length, "group")),
                buttons(page, { all: true }, "all", ask)),
            page.viewOnly(),
            h("p", { class: "hint" },
                "Find the reason, mend it, then replay. What is cancelled can be replayed later, too."),
            table("Groups of parked messages", [
                { name: "Reason", class: "wide", cell: ({ reason, type }) =>
                    link(["parked", "group"], { reason, type }, reason) },
                { name: "Type", class: "wide", cell: ({ type }) => link(["types", type], {}, type) },
                { name: "Messages", class: "number", cell: (group) => count(group.count) },
                { name: "Oldest", class: "when", cell: ({ oldest }) => time(oldest) },
                { name: "Newest", class: "when", cell: ({ newest }) => time(newest) },
                page.mayAct && { name: "Acts", class: "acts", cell: ({ reason, type }) =>
                    buttons(page, { reason, type }, `group ${type}: ${reason}`, ask) },
            ].filter(Boolean), groups, ({ reason, type }) => `${type} ${reason}`));
    });
}

function openGroup(page, { reason = "", type = "", before }) {
    page.heading("Parked group");
    const head = h("div", { class: "card", key: "head" }, h("p", { class: "sentence" }, reason),
        h("p", { class: "muted" },
            "Type ", link(["types", type], {}, type), " · ", link(["parked"], {}, "All groups")));
    const list = h("div", { key: "list" });
    let ask = () => {};
    head.append(page.viewOnly() ?? buttons(page, { reason, type }, "this group", () => ask()));
    page.loading(list);
    show(page.body, head, list);
    ask = page.follow("parkedMessages", { reason, type, before }, (answer) => before ? 0 : everySeconds, (answer) => {
        show(list, answer.messages.length === 0 ? empty("Nothing of this group is parked any more.")
            : messageTable("Parked messages, the newest first", answer.messages, [
                { name: "Parked", class: "when", cell: ({ parked }) => time(parked?.at) },
                { name: "Attempts", class: "number", cell: ({ parked }) => count(parked?.attempts) },
                page.mayAct && { name: "Acts", class: "acts", cell: (message) => h("div", { class: "row-of-buttons" },
                    h("button", { type: "button", class: "small", "aria-label": `Replay ${message.id}`,
                        onclick: () => replay(page, message, ask) }, "Replay…"),
                    h("button", { type: "button", class: "small", "aria-label": `Cancel ${message.id}`,
                        onclick: () => cancel(page, message, ask) }, "Cancel…")) },
            ].filter(Boolean)), pager(["parked", "group"], { reason, type, before }, answer.before));
    });
}

function buttons(page, which, name, refresh) {
    if (!page.mayAct) return null;
    return h("div", { class: "row-of-buttons" }, Object.entries(verbs).map(([verb, { name: label }]) => h("button", {
        type: "button", class: "small", "aria-label": `${label} ${name}`,
        onclick: () => actOn(page, verb, which, name, refresh),
    }, which.all ? `${label} all…` : `${label}…`)));
}

async function actOn(page, verb, which, name, refresh) {
    const { name: label, done: past, effect } = verbs[verb];
    const path = `/api/v1/operator/parked/${verb}`;
    let total = 0;
    const sentence = await act({
        title: `${label} ${name}`, isGrave: verb === "cancel",
        async look() {
            const { matched, isComplete, sample } = await page.source.send("POST", path, { ...which, dryRun: true });
            total = matched;
            if (matched === 0) return { sentence: "Nothing of it is parked any more." };
            const many = `${isComplete ? "" : "at least "}${counted(matched, "message")}`;
            return {
                sentence: `${many[0].toUpperCase()}${many.slice(1)} ${effect}.`,
                sample: h("p", { class: "muted" }, "Among them: ", sample.map((id, index) =>
                    [index > 0 ? ", " : null, `#${id}`]), "."),
                label: `${label} ${many}`,
            };
        },
        async run(way) {
            const { done, skipped, left } = await inBatches(total, () => page.source.send("POST", path, which), way);
            const others = skipped === 0 ? "" : ` ${counted(skipped, "message")} were left alone: `
                + "another transaction holds them, or they are parked no more.";
            const rest = left === 0 ? "" : way.isStopped() ? ` Stopped: ${counted(left, "message")} are left.`
                : ` ${counted(left, "message")} ${left === 1 ? "is" : "are"} left, as another transaction holds `
                    + `${left === 1 ? "it" : "them"}: try again.`;
            return `${counted(done, "message")} ${done === 1 ? "was" : "were"} ${past}.${others}${rest}`;
        },
    });
    if (sentence === null || page.signal.aborted) return;
    page.outcome(sentence);
    refresh();
}
