/** Searching the log, bounded and by index, and from there to one message. */
import { address, announce, field, h, link, select, show, textInput } from "/console/dom.js";
import { counted, noTime, readTime, time } from "/console/format.js";
import { openMessage } from "/console/message.js";
import { messageTable } from "/console/message-list.js";
import { empty } from "/console/page.js";

const statuses = ["pending", "delivered", "expired", "cancelled", "parked"];
/** How long a search that finds nothing goes on by itself. */
const patienceMilliseconds = 15_000;
const texts = ["id", "receiver", "topic", "type", "status", "since", "until", "key", "path", "value"];
const criteria = [...texts, "by"];
/** What a replay job can be made of. */
const jobCriteria = ["receiver", "topic", "type", "status", "since", "until"];

/** What bounds a search, in words. */
const bounds = {
    id: "its id", key: "its idempotency key", receiver: "the index of receivers", topic: "the index of topics",
    outbox: "the outbox", parked: "the list of what is parked", time: "the time of writing",
};

export function open(page) {
    const [, id] = page.parts;
    if (id !== undefined) openMessage(page, id);
    else openSearch(page);
}

function openSearch(page) {
    page.heading("Messages");
    const asked = Object.fromEntries(criteria.map((name) => [name, page.query[name] ?? ""]));
    const result = h("section", { class: "result-list", key: "result", "aria-label": "What was found" });
    const walk = h("input", { type: "checkbox", id: "by", name: "by", checked: asked.by === "log" });
    const wrong = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", { class: "card search", role: "search", novalidate: true, onsubmit: submit },
        h("div", { class: "fields" },
            field("Receiver", textInput("receiver", { value: asked.receiver, placeholder: "alice" })),
            field("Topic", textInput("topic", { value: asked.topic, placeholder: "news" })),
            field("Type", textInput("type", { value: asked.type, list: "type-names" })),
            field("Status", select("status", [["", "any"], ...statuses.map((one) => [one, one])], asked.status)),
            field("Written since", textInput("since", { value: asked.since, placeholder: "2h, 2026-01-31 08:00" })),
            field("until", textInput("until", { value: asked.until, placeholder: "30m" })),
            field("Id", textInput("id", { value: asked.id, inputmode: "numeric" })),
            field("Idempotency key", textInput("key", { value: asked.key })),
            field("Path in data", textInput("path", { value: asked.path, placeholder: "order.id" })),
            field("is", textInput("value", { value: asked.value, placeholder: "7, seven, true, or anything" }))),
        h("label", { class: "check", for: "by" }, walk, "Walk through the log: also what was cancelled or deleted"),
        h("datalist", { id: "type-names" }),
        wrong,
        h("div", { class: "row-of-buttons" }, h("button", { type: "submit", class: "primary" }, "Search"),
            h("a", { class: "button", href: "#/messages" }, "Clear"),
            h("p", { class: "hint" }, "All that is given must hold. The newest come first. ",
                "A receiver, a topic, an id or a key is found by index; other criteria look at a part of the log.")));
    show(page.body, form, result);
    fillTypes(page, form);

    function submit(event) {
        event.preventDefault();
        const wanted = Object.fromEntries(texts.map((name) => [name, form.elements[name].value.trim()]));
        wanted.by = walk.checked ? "log" : "";
        const mistake = check(wanted);
        wrong.hidden = mistake === null;
        wrong.textContent = mistake?.sentence ?? "";
        for (const name of texts) form.elements[name].removeAttribute("aria-invalid");
        if (mistake) {
            form.elements[mistake.name].setAttribute("aria-invalid", "true");
            form.elements[mistake.name].focus();
            return;
        }
        page.go(["messages"], wanted);
    }

    search(page, asked, result);
}

/** Fixes times, so that a link to the search means the same tomorrow. */
function check(wanted) {
    if (!/^\d{0,19}$/.test(wanted.id)) return { name: "id", sentence: "An id is a number." };
    for (const name of ["since", "until"]) {
        const read = readTime(wanted[name]);
        if (read === undefined) return { name, sentence: noTime(wanted[name]) };
        wanted[name] = read === null ? "" : new Date(read).toISOString();
    }
    if (wanted.receiver !== "" && wanted.topic !== "") {
        return { name: "topic", sentence: "A message has a receiver or a topic, not both." };
    }
    if (wanted.path === "" && wanted.value !== "") {
        return { name: "path", sentence: "Where in data should that stand?" };
    }
    return null;
}

async function fillTypes(page, form) {
    try {
        const { types } = await page.source.get("types", {}, page.signal);
        form.querySelector("datalist").append(...types.map(({ name }) => h("option", { value: name })));
    } catch {
        // The field takes any text.
    }
}

async function search(page, asked, result) {
    const { limit } = page.query;
    // What was taken back is not in the index of receivers.
    const by = asked.status === "cancelled" && asked.receiver !== "" ? "log" : asked.by;
    let answer = await page.load("messages", { ...asked, by, before: page.query.before, limit }, result);
    if (answer === undefined) return;
    // Nothing yet: it looks on for a while, by itself.
    const end = performance.now() + patienceMilliseconds;
    let { rows } = answer.looked;
    while (answer.messages.length === 0 && answer.before !== null && performance.now() < end) {
        show(result, h("p", { class: "muted", role: "status" }, "Looking further back: ", counted(rows, "message"),
            ", back to ", time(answer.looked.backTo, { relative: false }), "."));
        try {
            answer = await page.source.get("messages", { ...asked, by, before: answer.before, limit }, page.signal);
        } catch (error) {
            page.failed(error, result);
            return;
        }
        if (page.signal.aborted) return;
        rows += answer.looked.rows;
    }
    const { messages, before } = answer;
    const looked = { ...answer.looked, rows };
    const further = before === null ? null
        : h("a", { class: "button", href: address(["messages"], { ...asked, limit, before }) }, "Look further back");
    const others = ["id", "key", "path"];
    const isJob = jobCriteria.some((name) => asked[name] !== "") && others.every((name) => asked[name] === "");
    const job = page.mayAct && isJob ? link(["jobs", "new"],
        Object.fromEntries(jobCriteria.map((name) => [name, asked[name]])), "Replay these as a job") : null;
    const found = messages.length === 0 ? "Nothing was found" : `${counted(messages.length, "message")}`;
    const isFirst = !page.query.before;
    show(result,
        h("div", { class: "list-head" },
            h("h2", null, `${found}${isFirst ? "" : `, older than ${page.query.before}`}`),
            h("p", { class: "muted looked" }, ...how(looked), ...takenAway(asked, looked)), job),
        messages.length > 0 ? messageTable("Messages that were found, the newest first", messages) : further
            ? empty("Nothing in this part of the log.", "Older messages have not been looked at yet.")
            : empty("No message meets all of that.",
                "Messages that retention has deleted are not found. Is the receiver's id written exactly so?"),
        h("nav", { class: "pager", "aria-label": "Pages of the list" },
            isFirst ? null
                : h("a", { class: "button", href: address(["messages"], { ...asked, limit }) }, "Newest"), further));
    announce(`${found}.`);
}

/** How the search went: what it was bounded by, and how far it came. */
function how(looked) {
    if (!looked) return [];
    const { rows, backTo, isComplete, by } = looked;
    if (isComplete && ["id", "key"].includes(by)) return [`Found by ${bounds[by]}.`];
    const way = bounds[by] ? `Looked by ${bounds[by]}` : "Walked through the log itself";
    const part = isComplete ? [", all that may meet it."] : [", back to ", time(backTo, { relative: false }),
        ". Older ones were not looked at yet."];
    return [`${way}: ${counted(rows, "message")}`, ...part];
}

function takenAway(asked, { by } = {}) {
    if (by !== "receiver") return [];
    return [" What was cancelled or deleted is not in that index: ",
        link(["messages"], { ...asked, by: "log" }, "look for it, too"), "."];
}
