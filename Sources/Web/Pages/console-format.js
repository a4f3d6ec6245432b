/** Numbers with their units and times, as sentences and tables show them. */
import { h } from "/console/dom.js";

const zoneKey = "belfry.console.utc";
const integers = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });
/** Between a number and its unit. */
const space = "\u00a0";
/** What stands where nothing is known. */
export const nothing = "–";

let isUTC = readZone();

function readZone() {
    try {
        return localStorage.getItem(zoneKey) === "true";
    } catch {
        return false;
    }
}

export function showsUTC() {
    return isUTC;
}

/** Only this choice outlives the tab. */
export function setUTC(value) {
    isUTC = value;
    refreshTimes();
    try {
        localStorage.setItem(zoneKey, String(value));
    } catch {
        // It holds for this page, then.
    }
}

export function count(value) {
    return value === null || value === undefined ? nothing : integers.format(value);
}

/** A number that is counted up to a bound only. */
export function countUpTo(value, most) {
    return most !== undefined && value >= most ? `${count(most)}+` : count(value);
}

/** `1 message`, `12 messages`. */
export function counted(value, one, many = `${one}s`) {
    return `${count(value)}${space}${value === 1 ? one : many}`;
}

/** Two or three digits that count. */
function short(value) {
    return value >= 100 || Number.isInteger(value) ? integers.format(value) : value.toPrecision(value >= 10 ? 3 : 2);
}

export function rate(value) {
    return value === null || value === undefined ? nothing : `${value === 0 ? "0" : short(value)}${space}/s`;
}

/** A time that something takes, of seconds. */
export function seconds(value) {
    if (value === null || value === undefined) return nothing;
    if (value === 0) return `0${space}s`;
    if (value < 1) return `${short(Math.max(0.1, value * 1000))}${space}ms`;
    return value < 60 ? `${short(value)}${space}s` : duration(value * 1000);
}

/** `3 s`, `4 min`, `2 h 5 min`, `3 d`, of milliseconds; rounded down. */
export function duration(milliseconds) {
    const whole = Math.max(0, Math.round(milliseconds / 1000));
    if (whole < 60) return `${whole}${space}s`;
    const minutes = Math.floor(whole / 60);
    if (minutes < 60) return `${minutes}${space}min`;
    const hours = Math.floor(minutes / 60);
    if (hours < 48) return `${hours}${space}h${minutes % 60 > 0 ? ` ${minutes % 60}${space}min` : ""}`;
    return `${Math.floor(hours / 24)}${space}d`;
}

export function bytes(value) {
    if (value === null || value === undefined) return nothing;
    const units = ["B", "KiB", "MiB", "GiB", "TiB"];
    let power = 0;
    let size = value;
    for (; size >= 1024 && power < units.length - 1; power++) size /= 1024;
    return `${power === 0 ? size : short(size)}${space}${units[power]}`;
}

const two = (value) => String(value).padStart(2, "0");

function parts(date, utc) {
    return utc
        ? [date.getUTCFullYear(), date.getUTCMonth() + 1, date.getUTCDate(), date.getUTCHours(), date.getUTCMinutes(),
            date.getUTCSeconds(), date.getUTCMilliseconds()]
        : [date.getFullYear(), date.getMonth() + 1, date.getDate(), date.getHours(), date.getMinutes(),
            date.getSeconds(), date.getMilliseconds()];
}

/** `02:12:06`, with the date when it is another day. */
export function clock(milliseconds, { fine = false, whole = false } = {}) {
    const [year, month, day, hour, minute, second, rest] = parts(new Date(milliseconds), isUTC);
    const [nowYear, nowMonth, nowDay] = parts(new Date(), isUTC);
    const time = `${two(hour)}:${two(minute)}:${two(second)}${fine ? `.${String(rest).padStart(3, "0")}` : ""}`;
    const isToday = year === nowYear && month === nowMonth && day === nowDay;
    const zone = isUTC ? `${space}UTC` : "";
    return isToday && !whole ? `${time}${zone}` : `${year}-${two(month)}-${two(day)} ${time}${zone}`;
}

function ago(milliseconds) {
    const passed = Date.now() - milliseconds;
    if (Math.abs(passed) < 1000) return "now";
    return passed > 0 ? `${duration(passed)} ago` : `in ${duration(-passed)}`;
}

/** In UTC, and as the browser's place has it. */
function title(milliseconds) {
    const date = new Date(milliseconds);
    return `${date.toISOString().replace("T", " ").replace("Z", " UTC")}\n${date.toLocaleString("en", {
        dateStyle: "medium", timeStyle: "long" })}`;
}

function isTime(milliseconds) {
    return Number.isFinite(milliseconds) && Math.abs(milliseconds) < 8.64e15;
}

/** A time as the clock has it and, with `relative`, how long ago that is; kept true while it is shown. */
export function time(milliseconds, { relative = true, fine = false, only = false, whole = false } = {}) {
    if (!isTime(milliseconds)) return nothing;
    const node = h("time", {
        datetime: new Date(milliseconds).toISOString(), title: title(milliseconds),
        "data-at": milliseconds, "data-fine": fine, "data-whole": whole, "data-form": only ? "ago" : "clock",
    });
    write(node);
    return relative && !only ? [node, " ", h("span", { class: "muted ago" }, since(milliseconds))] : node;
}

/** How long ago, alone. */
export function since(milliseconds) {
    return time(milliseconds, { only: true });
}

function write(node) {
    const at = Number(node.dataset.at);
    const text = node.dataset.form === "ago" ? ago(at) : clock(at, {
        fine: node.hasAttribute("data-fine"), whole: node.hasAttribute("data-whole"),
    });
    if (node.textContent !== text) node.textContent = text;
}

export function refreshTimes() {
    for (const node of document.querySelectorAll("time[data-at]")) write(node);
}

setInterval(refreshTimes, 1000);

/**
 * The time that an operator has typed, in milliseconds: `2h` ago, `2026-01-31T08:00Z`, `2026-01-31 08:00` (local, or
 * UTC where the page shows that), or milliseconds. `undefined` when it is none, `null` when it is empty.
 */
export function readTime(text) {
    const trimmed = text.trim();
    if (trimmed === "") return null;
    const back = /^(\d{1,6})\s*(s|m|min|h|d)$/.exec(trimmed);
    if (back) {
        const unit = { s: 1, m: 60, min: 60, h: 3600, d: 86400 }[back[2]];
        return Date.now() - Number(back[1]) * unit * 1000;
    }
    if (/^\d{11,14}$/.test(trimmed)) return Number(trimmed);
    if (!/^\d{4}-\d{2}-\d{2}([T ]\d{2}:\d{2}(:\d{2}(\.\d+)?)?)?(\s*(Z|UTC|[+-]\d{2}:?\d{2}))?$/.test(trimmed)) {
        return undefined;
    }
    const bare = !/(Z|UTC|[+-]\d{2}:?\d{2})$/.test(trimmed);
    const iso = trimmed.replace(/\s*UTC$/, "Z").replace(" ", "T");
    const full = iso.includes("T") ? iso : `${iso.replace(/Z$/, "")}T00:00`;
    const read = Date.parse(bare && isUTC ? `${full}Z` : full);
    return Number.isNaN(read) ? undefined : read;
}

export function noTime(text) {
    return `"${text}" is no time: write 2h, 2026-01-31 08:00 or 2026-01-31T08:00Z.`;
}

/** A status as a badge; colour is not all that tells it. */
export function status(value) {
    return h("span", { class: "badge status", "data-status": value }, value);
}
