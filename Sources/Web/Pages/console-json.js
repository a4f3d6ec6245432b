/** JSON as it is shown: indented, in colours, with the digits that numbers were sent with; only ever as text nodes. */
import { h } from "/console/dom.js";

const highlightedCharactersMax = 20000;

/** Reads JSON so that `written` writes numbers as they came, where the browser can. */
export function readExactly(text) {
    return JSON.parse(text, (key, value, context) =>
        typeof value === "number" && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value);
}

export function written(value) {
    return JSON.stringify(value, null, 2) ?? "";
}

/** A block that the keyboard can scroll. */
export function jsonBlock(value, label = "Data") {
    const block = h("pre", { class: "data", tabindex: "0", role: "group", "aria-label": label });
    const text = written(value);
    if (text.length > highlightedCharactersMax) {
        block.textContent = text;
        return block;
    }
    const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|[^\s"{}[\],:]+/g;
    let end = 0;
    for (const match of text.matchAll(tokens)) {
        const kind = match[1] === undefined ? "json-other" : match[2] ? "json-key" : "json-string";
        const token = match[1] ?? match[0];
        block.append(text.slice(end, match.index), h("span", { class: kind }, token));
        end = match.index + token.length;
    }
    block.append(text.slice(end));
    return block;
}
