/** Messages as a table, for all pages that have some. */
import { link } from "/console/dom.js";
import { bytes, nothing, status, time } from "/console/format.js";
import { table } from "/console/table.js";

export function addressee({ receiver, topic }) {
    if (topic !== null && topic !== undefined) return ["topic ", link(["topics", topic], {}, topic)];
    return receiver === null || receiver === undefined ? nothing : link(["users", receiver], {}, receiver);
}

/** @param more further columns. */
export function messageTable(caption, messages, more = []) {
    return table(caption, [
        { name: "Id", class: "id", cell: ({ id }) => link(["messages", id], {}, id) },
        { name: "To", class: "wide", cell: addressee },
        { name: "Type", class: "wide", cell: ({ type }) => link(["types", type], {}, type) },
        { name: "Status", cell: (message) => status(message.status) },
        { name: "Written", class: more.length === 0 ? "when whole" : "when", cell: ({ createdAt }) => time(createdAt) },
        { name: "Delivered", class: "when", cell: ({ deliveredAt }) => time(deliveredAt, { relative: false }) },
        { name: "Data", class: "number", cell: ({ dataBytes }) => bytes(dataBytes) },
        ...more,
    ], messages, ({ id }) => id);
}
