/** What processes there are and how they are; of one, what it runs with. */
import { field, h, link, show, textInput } from "/console/dom.js";
import { count, nothing, since, time } from "/console/format.js";
import { empty, facts, section } from "/console/page.js";
import { table } from "/console/table.js";

const everySeconds = 5;
const words = { ready: "ready", degraded: "degraded", down: "down" };

export function open(page) {
    const [, id] = page.parts;
    page.heading(id === undefined ? "Processes" : "Process");
    page.loading();
    const list = h("div", { key: "list" });
    const about = h("div", { class: "column", key: "about" });
    const filter = textInput("filter", { oninput: () => showSettings() });
    const settings = h("div", { key: "settings" });
    let one = null;
    let isFirst = true;

    function showSettings() {
        show(settings, settingsTable(one?.settings ?? [], filter.value.trim().toLowerCase()));
    }

    page.follow("processes", {}, everySeconds, ({ processes }) => {
        if (id === undefined) {
            if (isFirst) show(page.body, h("section", { class: "card" }, list));
            show(list, processTable(processes));
        } else {
            one = processes.find((process) => process.id === id) ?? null;
            if (one === null) {
                show(page.body, empty("There is no such process any more.", link(["processes"], {}, "All processes")));
            } else {
                if (isFirst || !about.isConnected) {
                    show(page.body, about, section("What it runs with",
                        field("Settings whose name or value has", filter), settings));
                }
                page.heading(`${one.kind} on ${one.host}`);
                showProcess(about, one);
                showSettings();
            }
        }
        isFirst = false;
    });
}

function state({ isAlive, isLeader, kind, health }) {
    const word = isAlive ? words[health?.status] ?? "up" : "silent";
    const lead = !isAlive ? "" : isLeader ? " leads" : kind === "relay" ? " standby" : "";
    return [h("span", { class: "badge", "data-health": isAlive ? health?.status ?? "ready" : "down" }, word),
        lead === "" ? null : h("span", { class: "badge" }, lead.trim())];
}

export function processTable(processes) {
    if (processes.length === 0) return empty("No process of Belfry is heard from.", "Start one with belfry serve.");
    return table("Processes", [
        { name: "Process", class: "wide", cell: ({ id, kind, host, pid }) =>
            [link(["processes", id], {}, `${kind} on ${host}`), h("span", { class: "muted ago" }, `, ${pid}`)] },
        { name: "State", cell: state },
        { name: "Version", cell: ({ version }) => version ?? nothing },
        { name: "Listens", class: "id", cell: ({ listen }) => listen ?? nothing },
        { name: "Sessions", class: "number", cell: ({ sessions }) => count(sessions) },
        { name: "Started", class: "when", cell: ({ startedAt }) => time(startedAt) },
        { name: "Heard from", class: "when", cell: ({ seenAt }) => seenAt === null ? nothing : since(seenAt) },
    ], processes, ({ id }) => id);
}

function showProcess(target, process) {
    const checks = Object.entries(process.health?.checks ?? {});
    const title = process.isAlive ? "How it is" : "How it was when it was last heard from";
    show(target, h("p", null, link(["processes"], {}, "All processes")), section(title, facts(
        ["State", state(process)], ["Kind", process.kind], ["Host", `${process.host}, process ${process.pid}`],
        ["Version", process.version ?? nothing], ["Listens", process.listen ?? nothing],
        process.sessions !== null && ["Sessions", count(process.sessions)],
        ["Started", time(process.startedAt)], ["Heard from", time(process.seenAt)],
        process.clockAheadSeconds !== null && ["Clock", clock(process.clockAheadSeconds)],
        process.openFiles !== null && ["File descriptors",
            `${count(process.openFiles)}${process.filesMax === null ? "" : ` of ${count(process.filesMax)}`}`],
        process.certificateEndsAt !== null && ["TLS certificate until", time(process.certificateEndsAt)],
        ...checks.map(([name, check]) => [name, check.state, check.reason ? `: ${check.reason}` : ""]))));
}

/** A process's clock beside PostgreSQL's. */
function clock(ahead) {
    if (Math.abs(ahead) < 0.05) return "as PostgreSQL's";
    return `${Math.abs(ahead).toFixed(1)} s ${ahead > 0 ? "ahead of" : "behind"} PostgreSQL's`;
}

function settingsTable(settings, filter) {
    const shown = settings.filter(({ name, value }) => `${name} ${value}`.toLowerCase().includes(filter));
    if (shown.length === 0) {
        return empty(settings.length === 0 ? "It has not said what it runs with." : "No setting has that.");
    }
    return table("Settings, without secrets", [
        { name: "Setting", class: "mono wide", cell: ({ name }) => name },
        { name: "Value", class: "mono wide", cell: ({ value }) => String(value ?? "") || nothing },
        { name: "From", cell: ({ origin }) => origin ?? nothing },
    ], shown, ({ name }) => name);
}
