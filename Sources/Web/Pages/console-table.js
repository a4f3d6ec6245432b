/** Tables that become cards where there is little room, and the way to their further pages. */
import { address, h } from "/console/dom.js";

/**
 * @param caption what is in it, read out, not seen.
 * @param columns of each `name`, `cell(row)` and perhaps `class` (`number` is set to the right, `wide` may break).
 * @param keyOf a row's key.
 */
export function table(caption, columns, rows, keyOf) {
    // The roles are said, as a table that is laid out as cards has lost them.
    return h("table", { class: "table", role: "table" },
        h("caption", { class: "visually-hidden" }, caption),
        h("thead", { role: "rowgroup" }, h("tr", { role: "row" }, columns.map((column) =>
            h("th", { role: "columnheader", scope: "col", class: column.class }, column.name)))),
        h("tbody", { role: "rowgroup" }, rows.map((row) =>
            h("tr", { key: keyOf(row), role: "row" }, columns.map((column) =>
                h("td", { role: "cell", class: column.class, "data-label": column.name },
                    h("div", { class: "cell" }, column.cell(row))))))));
}

/** Links to the newest page and to what is older than this one. */
export function pager(parts, query, before, older = "Older") {
    const isNewest = !query.before;
    if (isNewest && (before === null || before === undefined)) return null;
    return h("nav", { class: "pager", "aria-label": "Pages of the list" },
        isNewest ? null : h("a", { href: address(parts, { ...query, before: "" }) }, "Newest"),
        before === null || before === undefined ? h("span", { class: "muted" }, "There is nothing older.")
            : h("a", { href: address(parts, { ...query, before }) }, older));
}
