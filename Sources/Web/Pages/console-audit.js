/** Who did what, when, with which criteria. */
import { h, link, show } from "/console/dom.js";
import { nothing, time } from "/console/format.js";
import { empty } from "/console/page.js";
import { pager, table } from "/console/table.js";

export async function open(page) {
    const { before, limit } = page.query;
    page.heading("Audit");
    const answer = await page.load("audit", { before, limit });
    if (answer === undefined) return;
    show(page.body,
        h("p", { class: "hint" }, "What operators did, kept in the transaction that did it (belfry.audit)."),
        answer.acts.length === 0 ? empty("No operator has done anything yet.")
            : table("Acts of operators, the newest first", [
                { name: "When", class: "when whole", cell: ({ at }) => time(at) },
                { name: "Who", class: "wide", cell: ({ actor, who }) => actor ?? who },
                { name: "Role", class: "wide", cell: ({ who }) => who ?? nothing },
                { name: "Act", class: "mono", cell: ({ act }) => act },
                { name: "With", class: "wide", cell: ({ details }) => told(details) },
            ], answer.acts, ({ id }) => id), pager(["audit"], { before, limit }, answer.before));
}

/** Each member of the details, those that name something with a link to it. */
function told(details) {
    const members = Object.entries(details ?? {}).filter(([, value]) => value !== null);
    if (members.length === 0) return nothing;
    return h("ul", { class: "details" }, members.map(([name, value]) => h("li", null,
        h("span", { class: "muted" }, `${name} `), linked(name, value))));
}

function linked(name, value) {
    if (name === "ids" && Array.isArray(value)) {
        return value.map((id, index) => [index > 0 ? ", " : null, link(["messages", id], {}, String(id))]);
    }
    const text = typeof value === "object" ? JSON.stringify(value) : String(value);
    switch (name) {
    case "job": return link(["jobs", text], {}, `#${text}`);
    case "id": return link(["messages", text], {}, text);
    case "user":
    case "receiver": return link(["users", text], {}, text);
    case "topic": return link(["topics", text], {}, text);
    case "type": return link(["types", text], {}, text);
    default: return h("span", { class: "mono" }, text);
    }
}
