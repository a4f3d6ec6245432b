/** Replays as jobs: making one with a dry run first, watching it, pausing, going on, cancelling. */
import { act } from "/console/act.js";
import { h, link, show } from "/console/dom.js";
import { openNewJob } from "/console/job-form.js";
import { count, counted, duration, nothing, rate, time } from "/console/format.js";
import { empty, facts, section } from "/console/page.js";
import { pager, table } from "/console/table.js";

const everySeconds = 2;
const isOver = ({ state }) => ["done", "cancelled"].includes(state);
const percent = (progress) => `${Math.floor((progress ?? 0) * 100)}\u00a0%`;

export function open(page) {
    const [, id] = page.parts;
    if (id === "new") openNewJob(page);
    else if (id === undefined) openList(page);
    else openJob(page, id);
}

function openList(page) {
    const { before, limit } = page.query;
    page.heading("Replay jobs", page.mayAct ? h("a", { class: "button", href: "#/jobs/new" }, "New job") : null);
    page.loading();
    page.follow("jobs", { before, limit }, everySeconds, (answer) => {
        show(page.body, page.viewOnly(), answer.jobs.length === 0
            ? empty("No job has been made.", "A job delivers many messages again, in batches and at a rate.")
            : table("Replay jobs, the newest first", [
                { name: "Job", class: "id", cell: ({ id }) => link(["jobs", id], {}, `#${id}`) },
                { name: "State", cell: state },
                { name: "Of", class: "wide", cell: ({ criteria }) => said(criteria) },
                { name: "Looked at", class: "number", cell: ({ progress }) => percent(progress) },
                { name: "Queued", class: "number", cell: ({ queued }) => count(queued) },
                { name: "By", class: "wide", cell: ({ createdBy }) => createdBy ?? nothing },
                { name: "Made", class: "when", cell: ({ createdAt }) => time(createdAt) },
            ], answer.jobs, ({ id }) => id), pager(["jobs"], { before, limit }, answer.before));
    });
}

function state({ state: word }) {
    return h("span", { class: "badge status", "data-status": word }, word);
}

/** Criteria in a line. */
export function said(criteria) {
    const parts = Object.entries(criteria ?? {}).filter(([, value]) => value !== null && value !== false)
        .map(([name, value]) => Array.isArray(value) ? `${counted(value.length, "id")}`
            : value === true ? name : `${name} ${value}`);
    return parts.length === 0 ? nothing : parts.join(", ");
}

function openJob(page, id) {
    page.heading(`Replay job ${id}`, link(["jobs"], {}, "All jobs"));
    page.loading();
    const pace = new Pace();
    let ask = () => {};
    const take = (job) => {
        pace.saw(job);
        show(page.body,
            h("section", { class: "card job", "aria-label": "How far it is" },
                h("div", { class: "trace-head" }, state(job), h("p", { class: "sentence" }, sentence(job, pace))),
                h("progress", {
                    max: 1000, value: Math.round((job.progress ?? 0) * 1000), "aria-label": "Of the log looked at",
                }),
                h("p", { class: "muted tabular" }, `${percent(job.progress)} of the log looked at`),
                job.reason ? h("p", { class: "error" }, job.reason) : null,
                acts(page, job, take) ?? page.viewOnly()),
            h("div", { class: "columns" },
                section("Messages", facts(
                    ["Matched so far", count(job.matched)], ["Queued", count(job.queued)],
                    ["Skipped", count(job.skipped)], ["Held by others", count(job.held)],
                    ["Rate now", pace.rate === null ? nothing : rate(pace.rate)], ["Rate at most", rate(job.rate)])),
                section("About it", facts(
                    ["Of", said(job.criteria)], ["Made by", job.createdBy ?? nothing], ["Made", time(job.createdAt)],
                    job.startedAt && ["Started", time(job.startedAt)],
                    job.finishedAt && ["Finished", time(job.finishedAt)]))));
    };
    ask = page.follow("job", { id }, (job) => job.state === "running" ? 1 : isOver(job) ? 0 : everySeconds, take);
}

/** How fast a job goes, by the last ten seconds that were seen of it. */
class Pace {
    #seen = [];

    saw(job) {
        if (job.state !== "running") this.#seen = [];
        this.#seen.push({ at: Date.now(), queued: job.queued, progress: job.progress ?? 0 });
        while (this.#seen.length > 2 && this.#seen.at(-1).at - this.#seen[0].at > 10000) this.#seen.shift();
    }

    get #passed() {
        return this.#seen.length < 2 ? 0 : (this.#seen.at(-1).at - this.#seen[0].at) / 1000;
    }

    /** Messages a second, `null` while it is not known. */
    get rate() {
        return this.#passed < 1 ? null : (this.#seen.at(-1).queued - this.#seen[0].queued) / this.#passed;
    }

    /** Milliseconds until its end, `null` while it is not known. */
    get left() {
        if (this.#passed < 1) return null;
        const speed = (this.#seen.at(-1).progress - this.#seen[0].progress) / this.#passed;
        return speed <= 0 ? null : (1 - this.#seen.at(-1).progress) / speed * 1000;
    }
}

function sentence(job, pace) {
    const queued = counted(job.queued, "message");
    switch (job.state) {
    case "running": {
        const end = pace.left === null ? "" : `, some ${duration(pace.left)} left`;
        return pace.rate === 0 ? `${queued} queued. It waits: for the leading relay, or for the outbox to be published.`
            : `${queued} queued${pace.rate === null ? "" : `, ${rate(pace.rate)}`}${end}.`;
    }
    case "paused": return `Paused with ${queued} queued. It goes on where it stopped.`;
    case "done": return `Done: ${queued} were queued again.`;
    case "cancelled": return `Cancelled. The ${queued} that were queued are delivered all the same.`;
    case "failed": return `Failed after ${queued}. It goes on where it stopped, once the reason is gone.`;
    default: return queued;
    }
}

function acts(page, job, take) {
    if (!page.mayAct || isOver(job)) return null;
    const change = async (verb, told) => {
        try {
            const changed = await page.source.send("POST", `/api/v1/replay-jobs/${job.id}/${verb}`);
            if (page.signal.aborted) return;
            page.notice("act", null);
            page.outcome(told);
            take(changed);
        } catch (error) {
            if (!page.signal.aborted) page.notice("act", error.message);
        }
    };
    return h("div", { class: "row-of-buttons" },
        job.state === "running" ? h("button", { type: "button", key: "pause", id: "pause",
            onclick: () => change("pause", `Job ${job.id} is paused.`) }, "Pause")
            : h("button", { type: "button", key: "resume", id: "resume",
                onclick: () => change("resume", `Job ${job.id} goes on.`) }, "Go on"),
        h("button", { type: "button", key: "cancel", id: "cancel", onclick: () => act({
            title: `Cancel job ${job.id}`, isGrave: true,
            look: () => Promise.resolve({
                sentence: "It ends, and can't go on. What is queued is delivered all the same: "
                    + `${counted(job.queued, "message")}.`,
                label: "Cancel the job",
            }),
            async run() {
                const changed = await page.source.send("POST", `/api/v1/replay-jobs/${job.id}/cancel`);
                if (!page.signal.aborted) take(changed);
                return `Job ${job.id} is cancelled.`;
            },
        }).then((told) => told !== null && !page.signal.aborted && page.outcome(told)) }, "Cancel…"));
}
