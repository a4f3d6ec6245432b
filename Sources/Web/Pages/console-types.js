/** Types: how often each is sent, refused and undelivered, and its schema with an editor that checks a sample. */
import { act } from "/console/act.js";
import { field, h, link, show, textInput } from "/console/dom.js";
import { count, time } from "/console/format.js";
import { readExactly, written } from "/console/json.js";
import { empty, facts, section } from "/console/page.js";
import { table } from "/console/table.js";

/** After the last key. */
const checkMilliseconds = 400;
const checkPath = "/api/v1/operator/check-sample";
const namePattern = /^[A-Za-z][A-Za-z0-9_.-]{0,63}$/;

export function open(page) {
    const [, name] = page.parts;
    if (name === undefined) openList(page);
    else openType(page, name);
}

async function openList(page) {
    const name = textInput("new-type", { maxlength: 64, placeholder: "ORDER_SHIPPED" });
    page.heading("Types");
    const answer = await page.load("types");
    if (answer === undefined) return;
    const create = (event) => {
        event.preventDefault();
        const wanted = name.value.trim();
        const isFit = namePattern.test(wanted);
        page.notice("name", isFit ? null
            : "A type's name begins with a letter and has letters, digits, _ . or -, 64 at most.");
        if (isFit) page.go(["types", wanted]);
        else name.focus();
    };
    show(page.body,
        table("Types of messages", [
            { name: "Type", class: "wide", cell: (type) => [link(["types", type.name], {}, type.name),
                type.builtIn ? h("span", { class: "badge" }, "built in") : null] },
            { name: "Description", class: "wide", cell: ({ description }) => description ?? "" },
            { name: "Sent in an hour", class: "number", cell: sent },
            { name: "Undelivered", class: "number", cell: ({ name: type, undelivered }) => undelivered > 0
                ? link(["messages"], { type, status: "pending" }, count(undelivered)) : count(undelivered) },
            { name: "Parked", class: "number", cell: parkedOf },
            { name: "Refused", class: "number", cell: ({ refused }) => count(refused) },
            { name: "Changed", class: "when", cell: ({ updatedAt }) => time(updatedAt) },
        ], answer.types, (type) => type.name),
        unknownTypes(answer.unknown ?? []),
        h("p", { class: "hint" }, "Refused are messages of the last day that came over HTTP or STOMP. ",
            "When an application's own INSERT is refused, it gets the error, and its log has it."),
        page.viewOnly() ?? h("form", { class: "card", novalidate: true, onsubmit: create }, field("A new type", name),
            h("div", { class: "row-of-buttons" }, h("button", { type: "submit" }, "Write its schema"))));
}

/** Names that somebody sent messages of, and that are no types. */
function unknownTypes(unknown) {
    if (unknown.length === 0) return null;
    return section("Refused, as there is no such type", table("Unknown types", [
        { name: "Type", class: "wide", cell: ({ name }) => link(["types", name], {}, name) },
        { name: "Refused", class: "number", cell: ({ refused }) => count(refused) },
    ], unknown, ({ name }) => name));
}

function sent({ sentLastHour, sentIsEstimate }) {
    if (!sentIsEstimate) return count(sentLastHour);
    return sentLastHour === 0 ? "few or none" : `some ${count(sentLastHour)}`;
}

function parkedOf({ parked }) {
    return parked > 0 ? link(["parked"], {}, count(parked)) : count(parked);
}

async function openType(page, name) {
    page.heading(name, link(["types"], {}, "All types"));
    let text;
    try {
        page.loading();
        text = await page.source.text("types", {}, page.signal);
    } catch (error) {
        page.failed(error);
        return;
    }
    if (page.signal.aborted) return;
    const type = JSON.parse(text).types.find((one) => one.name === name);
    if (type === undefined && !page.mayAct) {
        show(page.body, empty(`There is no type ${name}.`));
        return;
    }
    const exact = type === undefined ? true : readExactly(text).types.find((one) => one.name === name).schema;
    show(page.body, type === undefined
        ? h("p", { class: "hint" }, `There is no type ${name} yet: write its schema, and save it.`)
        : section("How it goes", figures(type)), editor(page, name, type, written(exact)), refusals(type));
}

function figures(type) {
    return facts(
        type.description && ["Description", type.description],
        ["Sent in the last hour", sent(type)],
        ["Undelivered", link(["messages"], { type: type.name, status: "pending" }, count(type.undelivered))],
        ["Parked", parkedOf(type)], ["Refused", count(type.refused)], ["Changed", time(type.updatedAt)]);
}

function refusals(type) {
    const last = type?.lastRefusals ?? [];
    if (type === undefined) return null;
    return section("The last refusals", last.length === 0 ? h("p", { class: "muted" }, "None in the last day.")
        : table("The last refusals", [
            { name: "When", class: "when", cell: ({ at }) => time(at) },
            { name: "By", class: "wide", cell: ({ who, via }) =>
                `${who ?? "?"} over ${via === "http" ? "HTTP" : "STOMP"}` },
            { name: "Because", class: "wide", cell: ({ reason }) => reason },
            { name: "Times", class: "number", cell: ({ count: times }) => count(times ?? 1) },
        ], last, ({ at, who, reason }) => `${at} ${who} ${reason}`));
}

/** The schema, a sample that is checked by it as one types, and saving with a look at the difference first. */
function editor(page, name, type, before) {
    const isOpen = page.mayAct && !type?.builtIn;
    const plain = { spellcheck: "false", autocomplete: "off", autocapitalize: "none" };
    const schema = h("textarea", { id: "schema", rows: 16, readonly: !isOpen, ...plain });
    const sample = h("textarea", { id: "sample", rows: 8, ...plain });
    const description = textInput("description", { value: type?.description ?? "", readonly: !isOpen });
    const verdict = h("div", { class: "verdict", role: "status" });
    schema.value = before;
    let timer;
    let turn = 0;
    const check = async () => {
        clearTimeout(timer);
        const mine = ++turn;
        const [wrong, body] = bodyOf(schema.value, sample.value);
        if (wrong) {
            show(verdict, h("p", { class: "result failed" }, wrong));
            return;
        }
        try {
            const answer = await page.source.send("POST", checkPath, body, page.signal);
            if (mine === turn && !page.signal.aborted) show(verdict, verdictOn(answer, sample.value.trim() !== ""));
        } catch (error) {
            if (mine === turn && !page.signal.aborted) show(verdict, h("p", { class: "result failed" }, error.message));
        }
    };
    const later = () => {
        clearTimeout(timer);
        timer = setTimeout(check, checkMilliseconds);
    };
    schema.oninput = sample.oninput = later;
    const save = async (event) => {
        event.preventDefault();
        const saved = await saveSchema(page, name, type, before, schema.value, description.value.trim());
        if (saved === null || page.signal.aborted) return;
        page.outcome(saved);
        before = schema.value;
    };
    return h("form", { class: "card", novalidate: true, onsubmit: save }, h("h2", null, "Schema"),
        type?.builtIn ? h("p", { class: "hint" }, "Belfry's own type: its schema does not change.") : page.viewOnly(),
        h("div", { class: "columns" },
            h("div", { class: "column" }, field("JSON Schema for data", schema,
                "A change holds for messages that are written from then on."), field("Description", description)),
            h("div", { class: "column" },
                field("A sample of data", sample, "It is checked as you type, and sent to nobody."), verdict)),
        isOpen ? h("div", { class: "row-of-buttons" },
            h("button", { type: "submit", class: "primary", id: "save" }, "Save…")) : null);
}

function bodyOf(schemaText, sampleText) {
    const body = {};
    for (const [member, text, label] of [["schema", schemaText, "The schema"], ["data", sampleText, "The sample"]]) {
        if (member === "data" && text.trim() === "") continue;
        try {
            body[member] = readExactly(text);
        } catch (error) {
            return [`${label} is not JSON: ${error.message}`, null];
        }
    }
    return [null, body];
}

function verdictOn({ schemaProblem, dataProblem }, hasSample) {
    if (schemaProblem) return h("p", { class: "result failed" }, `The schema: ${schemaProblem}`);
    if (dataProblem) return h("p", { class: "result failed" }, `The sample is refused: ${dataProblem}`);
    return h("p", { class: "result" },
        hasSample ? "The schema is good, and the sample meets it." : "The schema is good.");
}

function saveSchema(page, name, type, before, after, description) {
    const body = { description: description === "" ? undefined : description };
    return act({
        title: `Save ${name}`,
        async look() {
            const [wrong, read] = bodyOf(after, "");
            if (wrong) return { sentence: wrong };
            body.schema = read.schema;
            const { schemaProblem } = await page.source.send("POST", checkPath, { schema: read.schema });
            if (schemaProblem) return { sentence: `It can't be saved. ${schemaProblem}` };
            const isSame = before === after && description === (type?.description ?? "");
            if (isSame && type !== undefined) return { sentence: "Nothing has changed." };
            return {
                sentence: type === undefined ? `${name} is registered: messages of it may be written.`
                    : "Messages that are written from now on are checked by it. Those that exist stay.",
                sample: difference(before, after), label: `Save ${name}`,
            };
        },
        async run() {
            await page.source.send("PUT", `/api/v1/operator/types/${encodeURIComponent(name)}`, body);
            return `${name} is saved.`;
        },
    });
}

/** What lines go and come between the first and the last that differ. */
function difference(before, after) {
    const [old, now] = [before.split("\n"), after.split("\n")];
    let start = 0;
    while (start < old.length && start < now.length && old[start] === now[start]) start += 1;
    let end = 0;
    while (end < old.length - start && end < now.length - start && old.at(-1 - end) === now.at(-1 - end)) end += 1;
    const gone = old.slice(start, old.length - end);
    const come = now.slice(start, now.length - end);
    if (gone.length + come.length === 0) return null;
    return h("pre", { class: "data difference", tabindex: "0", role: "group", "aria-label": "What changes" },
        gone.map((line) => h("del", null, `- ${line}\n`)), come.map((line) => h("ins", null, `+ ${line}\n`)));
}
