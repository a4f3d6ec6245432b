/** One user's sessions over all nodes with what they have not acknowledged, or those of a topic; ending them. */
import { act } from "/console/act.js";
import { field, h, link, show, textInput } from "/console/dom.js";
import { count, countUpTo, counted, duration, nothing, since, time } from "/console/format.js";
import { empty, section } from "/console/page.js";
import { table } from "/console/table.js";

const everySeconds = 3;
/** A session that has messages, and whose user's oldest one waits longer than this, does not keep up. */
const slowMilliseconds = 30000;
const noHistory = "no histories are kept";

export function open(page) {
    const [kind, name] = page.parts;
    if (name === undefined) openForm(page, kind);
    else if (kind === "topics") openTopic(page, name);
    else openUser(page, name);
}

function openForm(page, kind) {
    const isTopic = kind === "topics";
    page.heading(isTopic ? "Topics" : "Users and sessions");
    const user = textInput("user-id", { placeholder: "alice", maxlength: 255, required: true });
    const topic = textInput("topic-name", { placeholder: "news", maxlength: 255, required: true });
    const form = (label, control, where, button) => h("form", {
        class: "card", novalidate: true, onsubmit: (event) => {
            event.preventDefault();
            const value = control.value.trim();
            if (value === "") control.focus();
            else page.go([where, value]);
        },
    }, field(label, control),
    h("div", { class: "row-of-buttons" }, h("button", { type: "submit", class: "primary" }, button)));
    show(page.body, h("div", { class: "columns" },
        form("User id", user, "users", "Look up the user"),
        form("Topic", topic, "topics", "Who is subscribed")));
}

function openTopic(page, topic) {
    page.heading(`Topic ${topic}`);
    const list = h("section", { class: "card", key: "list" }, h("h2", null, "Who is subscribed"));
    const rows = h("div", { key: "rows" });
    list.append(rows);
    page.loading(rows);
    show(page.body, h("p", null, link(["messages"], { topic }, "Messages of this topic")), list);
    page.follow("sessions", { topic }, everySeconds, ({ sessions }) => {
        show(rows, sessions.length > 0 ? sessionTable(sessions, null, true)
            : empty("Nobody is subscribed now.",
                "A broadcast is delivered to those who are subscribed when it comes."));
    });
}

function openUser(page, user) {
    let about = null;
    let sessions = null;
    let ask = () => {};
    const summary = h("section", { class: "figures four", key: "summary", "aria-label": "What the user has" });
    const list = h("section", { class: "card", key: "list" });
    const end = () => disconnect(page, user, sessions ?? [], () => ask());
    page.heading(user,
        page.mayAct ? h("button", { type: "button", id: "disconnect", onclick: end }, "Disconnect…") : null);
    page.loading(list);
    show(page.body, summary, h("p", { class: "links" },
        link(["messages"], { receiver: user }, "All messages"), " ",
        link(["messages"], { receiver: user, status: "pending" }, "Pending messages"), " ",
        page.mayAct ? link(["jobs", "new"], { receiver: user }, "Replay as a job") : null), list, page.viewOnly());

    const showSessions = () => {
        if (sessions === null) return;
        const verb = about?.pending === 1 ? "waits" : "wait";
        const waits = about && about.pending > 0 ? ` ${counted(about.pending, "message")} ${verb} for one.` : "";
        show(list, h("h2", null, sessions.length === 0 ? "Sessions" : counted(sessions.length, "session")),
            sessions.length === 0 ? empty(`${user} is not connected.${waits}`) : sessionTable(sessions, about, false));
    };
    page.follow("user", { user }, everySeconds, (answer) => {
        about = answer;
        showSummary(summary, answer);
        showSessions();
    });
    ask = page.follow("sessions", { user }, everySeconds, (answer) => {
        sessions = answer.sessions;
        showSessions();
    });
}

function showSummary(target, about) {
    const one = (name, value, ...beside) => h("div", { class: "figure", key: name },
        h("p", { class: "figure-name" }, name), h("p", { class: "figure-value" }, value),
        h("p", { class: "figure-beside muted" }, ...beside));
    show(target,
        one("Pending", countUpTo(about.pending, about.countedMax),
            about.oldestPending === null ? "none waits" : ["the oldest ", since(about.oldestPending)]),
        one("Held back", countUpTo(about.heldBack, about.countedMax), "for a time, or after a NACK"),
        one("Parked", count(about.parked), about.parked === 0 ? "none" : about.parked === null ? noHistory
            : link(["messages"], { receiver: about.user, status: "parked" }, "which")),
        one("Not viewed", count(about.unviewed),
            about.unviewed === null ? noHistory : `${count(about.unseen)} not seen`));
}

/** Whether a session keeps up, as far as is known. */
function pace({ unacknowledged, closing }, about) {
    if (closing) return ["ending", "degraded"];
    if (unacknowledged === null) return ["its node does not answer", "down"];
    if (unacknowledged === 0) return ["keeps up", "ready"];
    const oldest = about?.oldestPending ? Date.now() - about.oldestPending : 0;
    if (oldest > slowMilliseconds) return [`slow: the oldest waits ${duration(oldest)}`, "degraded"];
    return ["has messages", "ready"];
}

function sessionTable(sessions, about, hasUser) {
    return table("Sessions", [
        hasUser && { name: "User", class: "wide", cell: ({ user }) => link(["users", user], {}, user) },
        { name: "Since", class: "when", cell: ({ since: at }) => time(at) },
        { name: "Node", class: "wide", cell: ({ node }) =>
            [node.host, " ", h("span", { class: "muted" }, node.listen)] },
        { name: "From", class: "wide", cell: ({ address, transport }) => `${address ?? nothing} by ${transport}` },
        { name: "Client", class: "wide client", cell: ({ client }) =>
            client ? h("span", { class: "clamped", title: client }, client) : nothing },
        { name: "Topics", class: "wide", cell: ({ topics }) => topics.length === 0 ? nothing
            : topics.map((topic, index) => [index > 0 ? ", " : null, link(["topics", topic], {}, topic)]) },
        { name: "Unacknowledged", class: "number", cell: ({ unacknowledged }) => count(unacknowledged) },
        { name: "Pace", cell: (session) => {
            const [text, health] = pace(session, about);
            return h("span", { class: "badge", "data-health": health }, text);
        } },
    ].filter(Boolean), sessions, ({ id }) => id);
}

async function disconnect(page, user, sessions, refresh) {
    const refuse = h("input", { type: "checkbox", id: "refuse" });
    const sentence = await act({
        title: `Disconnect ${user}`, isGrave: true,
        fields: h("label", { class: "check", for: "refuse" }, refuse,
            "Refuse their tokens from now on: nobody may connect with them again until they expire"),
        look: () => Promise.resolve(sessions.length === 0 && !refuse.checked
            ? { sentence: `${user} has no session that could be ended.` }
            : {
                sentence: `${counted(sessions.length, "session")} of ${user} `
                    + `${sessions.length === 1 ? "ends" : "end"} within two seconds. `
                    + (refuse.checked ? "Their tokens are refused." : "Their clients may connect again at once.")
                    + " No message is lost.",
                sample: h("ul", { class: "sample" }, sessions.slice(0, 10).map(({ node, client, address }) =>
                    h("li", null, `${address ?? "?"} on ${node.host}, ${client ?? "a client without a name"}`))),
                label: `Disconnect ${counted(sessions.length, "session")}`,
            }),
        async run() {
            const path = `/api/v1/users/${encodeURIComponent(user)}/sessions${refuse.checked ? "?refuse=true" : ""}`;
            const { ended, tokensRefused } = await page.source.send("DELETE", path);
            return `${counted(ended, "session")} of ${user} ended, ${counted(tokensRefused, "token")} refused.`;
        },
    });
    if (sentence === null || page.signal.aborted) return;
    page.outcome(sentence);
    refresh();
}
