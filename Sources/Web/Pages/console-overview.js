/** How it is now: what is wrong and what to do on top, the figures, the last hour, processes and servers. */
import { command, h, link, show } from "/console/dom.js";
import { bytes, count, counted, nothing, rate, seconds, since } from "/console/format.js";
import { facts, section } from "/console/page.js";
import { Plots } from "/console/plot.js";
import { processTable } from "/console/processes.js";

const everySeconds = 2;
const seriesEverySeconds = 10;
/** Pages that a problem may lead to. */
const views = {
    parked: ["parked", "To the parked messages"], processes: ["processes", "To the processes"],
    jobs: ["jobs", "To the replay jobs"], messages: ["messages", "To the messages"], users: ["users", "To the users"],
    types: ["types", "To the types"], doctor: ["doctor", "To the doctor"], audit: ["audit", "To the audit"],
};
/** Problems of one code that are shown in full. */
const alikeMax = 2;
const severities = ["critical", "warning", "note"];
const severityNames = { critical: "Critical", warning: "Warning", note: "Note", ok: "Good" };

export function open(page) {
    page.heading("Overview", h("p", { class: "muted" }, link(["doctor"], {}, "Ask the doctor")));
    const problems = h("section", { class: "problems", key: "problems", "aria-label": "What is wrong" });
    const figures = h("div", { class: "figures", key: "figures" });
    const rest = h("div", { class: "column", key: "rest" });
    const plots = new Plots();
    const hour = section("The last hour", h("div", { class: "plots" },
        plots.add("Messages", rate, [
            { name: "in", of: (point) => point.in }, { name: "delivered", of: (point) => point.delivered }]),
        plots.add("Undelivered", count, [
            { name: "pending", of: (point) => point.pending }, { name: "parked", of: (point) => point.parked }]),
        plots.add("From the commit, half of them until", seconds, latencies("p50"), { isLogarithmic: true }),
        plots.add("From the commit, 99 in 100 until", seconds, latencies("p99"), { isLogarithmic: true }),
        plots.add("Lag of the relay", seconds, [{ name: "lag", of: (point) => point.lag }]),
        plots.add("Sessions", count, [{ name: "sessions", of: (point) => point.sessions }])));
    const table = h("div");
    const details = h("details", { ontoggle: () => details.open && show(table, plots.table()) },
        h("summary", null, "The same as a table"), table);
    hour.append(details);
    page.loading();
    let isFirst = true;
    page.follow("overview", {}, everySeconds, (answer) => {
        if (isFirst) show(page.body, problems, figures, hour, rest);
        isFirst = false;
        showProblems(problems, answer);
        showFigures(figures, answer);
        showRest(rest, answer);
    });
    page.follow("series", { minutes: 60 }, seriesEverySeconds, (series) => {
        plots.show(series);
        if (details.open) show(table, plots.table());
    });
}

/** The ways of a message after its commit, each with its own time. */
function latencies(quantile) {
    return [["published", "published"], ["delivered", "arrived"], ["acknowledged", "acknowledged"]]
        .map(([name, part]) => ({ name, of: (point) => point[quantile]?.[part] }));
}

function showProblems(target, { problems }) {
    if (problems.length === 0) {
        show(target, h("p", { class: "well", key: "well" }, h("span", { "aria-hidden": "true" }, "✓ "),
            "Nothing is wrong, as far as is seen from here."));
        return;
    }
    const sorted = [...problems].sort((a, b) => severities.indexOf(a.severity) - severities.indexOf(b.severity));
    const isAmongFirst = (problem, index) =>
        sorted.slice(0, index).filter(({ code }) => code === problem.code).length < alikeMax;
    const first = sorted.filter(isAmongFirst);
    show(target, h("ul", { class: "problem-list", key: "list" }, first.map((problem) => {
        const alike = sorted.filter(({ code }) => code === problem.code);
        const isLast = first.findLast(({ code }) => code === problem.code) === problem;
        const [page, text] = views[problem.view] ?? [];
        return finding(problem, page && link([page], {}, text), isLast ? others(alike.slice(alikeMax)) : null);
    })));
}

/** Those of many processes that have the same to tell. */
function others(problems) {
    if (problems.length === 0) return null;
    return h("details", null, h("summary", null, `${count(problems.length)} more like this`),
        h("ul", null, problems.map(({ sentence }) => h("li", { key: sentence }, sentence))));
}

/** A problem, or what the doctor says: how grave it is, in words, too. */
export function finding({ severity, code, sentence, command: line }, ...more) {
    return h("li", { class: "problem", "data-severity": severity, key: `${code} ${sentence}` },
        h("p", null, h("b", { class: "severity" }, severityNames[severity] ?? severity), " ", sentence, " ",
            h("span", { class: "code muted" }, code)),
        line ? command(line) : null, ...more);
}

function figure(name, value, ...beside) {
    return h("div", { class: name.includes(" ") ? "figure broad" : "figure", key: name },
        h("p", { class: "figure-name" }, name), h("p", { class: "figure-value" }, value),
        h("p", { class: "figure-beside muted" }, ...beside));
}

function showFigures(target, now) {
    const { latency } = now;
    const until = (name, part) => figure(name, seconds(latency?.[part]?.p50),
        "half of them; 99 in 100: ", h("b", null, seconds(latency?.[part]?.p99)));
    show(target,
        figure("In", rate(now.in), "written"),
        figure("Delivered", rate(now.delivered), "acknowledged"),
        figure("Pending", count(now.pending), now.pending === null ? "not known now"
            : now.oldestPending === null ? "none waits"
            : ["the oldest ", since(now.oldestPending)], now.heldBack > 0 ? `, ${count(now.heldBack)} held back` : ""),
        figure("Parked", count(now.parked), now.parked > 0 ? link(["parked"], {}, "look at them")
            : now.parked === null ? "not known now" : "none"),
        figure("Lag", seconds(now.lagSeconds), now.lagRows === null ? "not known now"
            : [counted(now.lagRows, "message"), " to publish"]),
        figure("Sessions", count(now.sessions), "over all nodes"),
        until("Commit to published", "published"),
        until("Commit to delivered", "arrived"),
        until("Commit to acknowledged", "acknowledged"));
}

function showRest(target, now) {
    const { leader, postgres, redis } = now;
    const redisStates = {
        up: "connected", degraded: "away from some", away: "away", none: "none configured: the bus is in memory",
    };
    // PostgreSQL does not answer: the rest is in it.
    if (postgres === null) {
        show(target,
            h("p", { class: "muted" }, "What else there is to tell is in PostgreSQL, which does not tell now."));
        return;
    }
    show(target,
        section("Processes", processTable(leading(now)),
            h("p", { class: "muted" }, leader === null ? "No relay leads."
                : `${leader.name} leads in term ${leader.term}${leader.isAlive ? "" : ", and is not heard from"}.`)),
        h("div", { class: "columns" },
            section("PostgreSQL", postgres ? facts(
                ["Version", postgres.version ?? nothing],
                ["Connections", `${count(postgres.connections)} of ${count(postgres.connectionsMax)}`],
                ["Database", bytes(postgres.databaseBytes)]) : h("p", null, "Nothing is known of it.")),
            section("Redis", redis ? facts(
                ["State", redisStates[redis.state] ?? redis.state],
                ["Processes connected", `${count(redis.nodesConnected)} of ${count(redis.nodes)}`])
                : h("p", null, "Nothing is known of it."))),
        h("p", { class: "muted footnote" }, `Installation ${now.installation}`));
}

/** The processes; one that was killed a moment ago has said that it leads. */
function leading({ processes, leader }) {
    return processes.map((process) => ({ ...process, isLeader: process.isLeader && leader?.isAlive === true }));
}
