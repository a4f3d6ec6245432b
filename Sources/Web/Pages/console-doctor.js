/** What `belfry doctor` says, asked from here. */
import { h, show } from "/console/dom.js";
import { counted, time } from "/console/format.js";
import { finding } from "/console/overview.js";
import { empty } from "/console/page.js";

export async function open(page) {
    const ask = () => look(page);
    page.heading("Doctor", h("button", { type: "button", id: "ask", onclick: ask }, "Look again"));
    await ask();
}

async function look(page) {
    show(page.body, h("p", { class: "loading muted", role: "status" },
        "Looking at PostgreSQL, Redis and the processes. It takes 15 seconds at most…"));
    let answer;
    try {
        answer = await page.source.get("doctor", {}, page.signal);
    } catch (error) {
        page.failed(error);
        return;
    }
    if (page.signal.aborted) return;
    const bad = answer.findings.filter(({ severity }) => ["critical", "warning"].includes(severity)).length;
    const rank = ["critical", "warning", "note", "ok"];
    const sorted = [...answer.findings].sort((a, b) => rank.indexOf(a.severity) - rank.indexOf(b.severity));
    show(page.body,
        h("p", { role: "status" }, bad === 0 ? "Nothing has to be done." : `${counted(bad, "finding")} to look at.`,
            h("span", { class: "muted" }, " Looked at ", time(answer.at), ". It is kept for 30 seconds.")),
        sorted.length === 0 ? empty("It has nothing to say.")
            : h("ul", { class: "problem-list" }, sorted.map((one) => finding(one))),
        h("p", { class: "hint" }, "Commands with SQL are for whoever may run them: read them before you run them."));
}
