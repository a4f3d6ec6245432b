/** Making a replay job: what it is of, what it would come to, and only then the button that makes it. */
import { address, field, h, link, select, show, textInput } from "/console/dom.js";
import { counted, duration, noTime, readTime } from "/console/format.js";

const texts = ["receiver", "topic", "type", "status"];
const names = [...texts, "since", "until", "ids", "rate", "includeDelivered"];
const statuses = [["", "any"], ["pending", "pending"], ["delivered", "delivered"], ["expired", "expired"],
    ["cancelled", "cancelled"], ["parked", "parked"]];
const idsMax = 10000;
const rates = { least: 1, most: 10000, usual: 500 };

export function openNewJob(page) {
    page.heading("New replay job", link(["jobs"], {}, "All jobs"));
    if (!page.mayAct) {
        show(page.body, page.viewOnly());
        return;
    }
    const { query } = page;
    const box = h("input", {
        type: "checkbox", id: "includeDelivered", name: "includeDelivered", checked: query.includeDelivered === "true",
    });
    const estimate = h("section", { class: "card", key: "estimate", "aria-label": "What it would do", hidden: true });
    const wrong = h("p", { class: "error", role: "alert", hidden: true });
    const form = h("form", {
        class: "card search", novalidate: true, onsubmit: look, oninput: () => { estimate.hidden = true; },
    },
        h("div", { class: "fields" },
            field("Receiver", textInput("receiver", { value: query.receiver ?? "", maxlength: 255 })),
            field("Topic", textInput("topic", { value: query.topic ?? "", maxlength: 255 })),
            field("Type", textInput("type", { value: query.type ?? "" })),
            field("Status", select("status", statuses, query.status ?? "")),
            field("Written since",
                textInput("since", { value: query.since ?? "", placeholder: "7d, 2026-01-31 08:00" })),
            field("until", textInput("until", { value: query.until ?? "", placeholder: "1h" })),
            field("Ids", textInput("ids", { value: query.ids ?? "", maxlength: 210000, placeholder: "41, 42" })),
            field("Messages a second at most",
                textInput("rate", { value: query.rate ?? String(rates.usual), inputmode: "numeric" }))),
        h("label", { class: "check", for: "includeDelivered" }, box, "Also what was delivered"),
        wrong,
        h("div", { class: "row-of-buttons" },
            h("button", { type: "submit", class: "primary" }, "Show what it would do"),
            h("p", { class: "hint" },
                "All that is given must hold, and something must be given. Nothing is queued by looking.")));
    show(page.body, form, estimate);

    async function look(event) {
        event.preventDefault();
        const { body, mistake } = read(form);
        for (const name of names) form.elements[name].removeAttribute("aria-invalid");
        wrong.hidden = mistake === null;
        wrong.textContent = mistake?.sentence ?? "";
        estimate.hidden = mistake !== null;
        if (mistake) {
            form.elements[mistake.name].setAttribute("aria-invalid", "true");
            form.elements[mistake.name].focus();
            return;
        }
        // The address says what was asked, so that it can be sent to somebody, and Back comes to it.
        history.replaceState(null, "", asAddress(form));
        show(estimate, h("p", { class: "loading muted", role: "status" },
            "Looking at the log, for two seconds at most…"));
        try {
            const found = await page.source.send("POST", "/api/v1/replay-jobs", { ...body, dryRun: true }, page.signal);
            showEstimate(page, estimate, body, found);
        } catch (error) {
            if (!page.signal.aborted) show(estimate, h("p", { class: "error", role: "alert" }, error.message));
        }
    }
}

function asAddress(form) {
    const { includeDelivered } = form.elements;
    const given = Object.fromEntries(names.map((name) => [name, form.elements[name].value.trim()]));
    return address(["jobs", "new"], { ...given, includeDelivered: includeDelivered.checked ? "true" : "" });
}

/** The body of the request, or the first mistake. */
function read(form) {
    const value = (name) => form.elements[name].value.trim();
    const body = {};
    const fault = (name, sentence) => ({ body, mistake: { name, sentence } });
    for (const name of texts) if (value(name) !== "") body[name] = value(name);
    for (const name of ["since", "until"]) {
        const at = readTime(value(name));
        if (at === undefined) return fault(name, noTime(value(name)));
        if (at !== null) {
            body[name] = at;
            form.elements[name].value = new Date(at).toISOString();
        }
    }
    if (value("ids") !== "") {
        body.ids = value("ids").split(/[\s,;#]+/).filter((id) => id !== "");
        if (body.ids.some((id) => !/^\d{1,19}$/.test(id))) {
            return fault("ids", "Ids are numbers, with commas or blanks between them.");
        }
        if (body.ids.length > idsMax) return fault("ids", `A job takes ${idsMax} ids at most.`);
    }
    if (Object.keys(body).length === 0) return fault("receiver", "Say what it is of: a receiver, a type, a time, …");
    const rate = Number(value("rate"));
    if (!Number.isInteger(rate) || rate < rates.least || rate > rates.most) {
        return fault("rate", `The rate is ${rates.least} to ${rates.most} messages a second.`);
    }
    return { body: { ...body, rate, includeDelivered: form.elements.includeDelivered.checked }, mistake: null };
}

function showEstimate(page, target, body, { matched, isComplete, estimated, estimatedSeconds, sample }) {
    if (page.signal.aborted) return;
    const many = isComplete ? counted(matched, "message") : `some ${counted(estimated, "message")}`;
    const make = async ({ currentTarget: button }) => {
        button.disabled = true;
        try {
            const job = await page.source.send("POST", "/api/v1/replay-jobs", body, page.signal);
            page.go(["jobs", job.id]);
        } catch (error) {
            button.disabled = false;
            if (!page.signal.aborted) page.notice("act", error.message);
        }
    };
    const partly = isComplete ? ""
        : `Of the log not all was looked at in two seconds; ${counted(matched, "message")} were found. `;
    const time = duration(Math.max(1, estimatedSeconds) * 1000);
    show(target, h("h2", { tabindex: "-1" }, "What it would do"), matched === 0 && isComplete
        ? h("p", { role: "status" }, "Nothing meets that: no message would be delivered again.")
        : [
            h("p", { role: "status" }, `${partly}It would deliver ${many} again, in some ${time}.`),
            sample.length > 0 ? h("p", { class: "muted" }, "Among them: ", sample.map((id, index) =>
                [index > 0 ? ", " : null, link(["messages", id], {}, `#${id}`)]), ".") : null,
            h("div", { class: "row-of-buttons" },
                h("button", { type: "button", class: "primary", id: "make", onclick: make }, `Replay ${many}`)),
        ]);
    target.querySelector("h2").focus();
}
