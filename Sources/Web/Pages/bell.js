/**
 * A notification bell for any page, as a custom element in one module; beside it lies only /stomp.js.
 *
 *     <script type="module" src="/bell.js"></script>
 *     <belfry-bell token="alice"></belfry-bell>
 *
 * The badge counts what no open list has shown (unseen), the list marks what was not opened (unviewed), and all devices
 * of a user agree on both. What a message holds is only ever shown as text. docs/bell.md says more.
 *
 * From top to bottom: texts, what a message shows, the list and the counts without a page, their feed, the view.
 */
import { SharedStompClient, StompClient } from "./stomp.js";

/** Where a user's messages come from, and the types by which devices tell each other what changed. */
const queue = "/user/queue/msg";
const changeTypes = new Set(["NOTIFY_VIEWED", "NOTIFY_DELETED"]);

/** Messages in the list, after which the oldest leave it. */
const itemsMax = 500;
/** Messages of one page of the history, of one that reads again what was read, and pages that do so. */
const pageSize = 30;
const pageMax = 100;
const refreshPagesMax = 6;
/** Changes that the server has not answered; ids of what was deleted that are remembered. */
const changesMax = 100;
const goneMax = 1000;
/** Changes of other devices that are remembered for pages which are on their way. */
const newsMax = 100;
/** Toasts at a time; what comes on top of them is one toast with a number. Milliseconds that they stay. */
const toastsMax = 3;
const toastMilliseconds = 6000;
const errorToastMilliseconds = 12000;
/** How long it stays to be read that something could not be done. */
const errorMilliseconds = 8000;
/** Arrivals that come together are marked as seen by one call, read out by one sentence, drawn in one picture. */
const seenMilliseconds = 300;
const announcementMilliseconds = 500;
const drawingMilliseconds = 50;
/** Counts and a message that come within this time of each other may overlap: then the server is asked again. */
const overlapMilliseconds = 1000;
const recountMilliseconds = 1500;
/** How much later, and up to twice that, a tab asks which expects another one to. */
const otherTabMilliseconds = 3000;
/** Characters that are shown; addresses over their length are refused. */
const titleMax = 200;
const textMax = 2000;
const addressMax = 2048;
const imageMax = 65536;
/** The server counts up to 999 exactly; 1,000 stands for more. */
const countMax = 1000;

const severities = ["info", "success", "warning", "error"];
const refusedCodes = new Set([4001, 4002, 4003]);

// Texts

const languages = {
    en: {
        title: "Notifications",
        bell: "Notifications",
        bellNew: "Notifications, {count} new",
        all: "All",
        unread: "Unread",
        markAll: "Mark all as read",
        markViewed: "Mark as read",
        snooze: "Snooze",
        remove: "Delete",
        close: "Close",
        dismiss: "Dismiss",
        isUnread: "Unread",
        isSnoozed: "Snoozed",
        info: "Information",
        success: "Success",
        warning: "Warning",
        error: "Error",
        inAnHour: "In an hour",
        tomorrow: "Tomorrow morning",
        nextWeek: "Next week",
        empty: "Nothing here yet",
        emptyHint: "New notifications appear here at once.",
        emptyUnread: "All caught up",
        emptyUnreadHint: "There is nothing that you have not read.",
        loading: "Loading…",
        failed: "The notifications could not be loaded.",
        retry: "Try again",
        end: "That is all.",
        cut: "The newest {count} are shown.",
        notKept: "Earlier notifications are not kept here.",
        offline: "You are offline.",
        reconnecting: "The connection was lost.",
        reconnectingIn: "The connection was lost. Trying again in {seconds} s.",
        reconnectNow: "Try now",
        refused: "You are not signed in here any more.",
        closed: "Not connected.",
        notDone: "That could not be done: {reason}",
        arrivedOne: "New notification: {title}",
        arrived: { one: "{count} new notification", other: "{count} new notifications" },
        toasts: "New notifications",
    },
    de: {
        title: "Mitteilungen",
        bell: "Mitteilungen",
        bellNew: "Mitteilungen, {count} neu",
        all: "Alle",
        unread: "Ungelesen",
        markAll: "Alle als gelesen markieren",
        markViewed: "Als gelesen markieren",
        snooze: "Später erinnern",
        remove: "Löschen",
        close: "Schließen",
        dismiss: "Ausblenden",
        isUnread: "Ungelesen",
        isSnoozed: "Erinnerung",
        info: "Hinweis",
        success: "Erfolg",
        warning: "Warnung",
        error: "Fehler",
        inAnHour: "In einer Stunde",
        tomorrow: "Morgen früh",
        nextWeek: "Nächste Woche",
        empty: "Noch nichts da",
        emptyHint: "Neue Mitteilungen erscheinen sofort hier.",
        emptyUnread: "Alles gelesen",
        emptyUnreadHint: "Es gibt nichts Ungelesenes.",
        loading: "Wird geladen …",
        failed: "Die Mitteilungen konnten nicht geladen werden.",
        retry: "Noch einmal versuchen",
        end: "Das ist alles.",
        cut: "Die neuesten {count} werden gezeigt.",
        notKept: "Frühere Mitteilungen werden hier nicht aufbewahrt.",
        offline: "Sie sind offline.",
        reconnecting: "Die Verbindung ist unterbrochen.",
        reconnectingIn: "Die Verbindung ist unterbrochen. Neuer Versuch in {seconds} s.",
        reconnectNow: "Jetzt versuchen",
        refused: "Sie sind hier nicht mehr angemeldet.",
        closed: "Nicht verbunden.",
        notDone: "Das war nicht möglich: {reason}",
        arrivedOne: "Neue Mitteilung: {title}",
        arrived: { one: "{count} neue Mitteilung", other: "{count} neue Mitteilungen" },
        toasts: "Neue Mitteilungen",
    },
    zh: {
        title: "通知",
        bell: "通知",
        bellNew: "通知，{count} 条新通知",
        all: "全部",
        unread: "未读",
        markAll: "全部标为已读",
        markViewed: "标为已读",
        snooze: "稍后提醒",
        remove: "删除",
        close: "关闭",
        dismiss: "忽略",
        isUnread: "未读",
        isSnoozed: "稍后提醒",
        info: "信息",
        success: "成功",
        warning: "警告",
        error: "错误",
        inAnHour: "一小时后",
        tomorrow: "明天早上",
        nextWeek: "下周",
        empty: "暂无通知",
        emptyHint: "新通知会立即显示在这里。",
        emptyUnread: "已全部读完",
        emptyUnreadHint: "没有未读的通知。",
        loading: "正在加载…",
        failed: "无法加载通知。",
        retry: "重试",
        end: "没有更多了。",
        cut: "仅显示最新的 {count} 条。",
        notKept: "此处不保留更早的通知。",
        offline: "您已离线。",
        reconnecting: "连接已断开。",
        reconnectingIn: "连接已断开，{seconds} 秒后重试。",
        reconnectNow: "立即重试",
        refused: "您在此处的登录已失效。",
        closed: "未连接。",
        notDone: "无法完成：{reason}",
        arrivedOne: "新通知：{title}",
        arrived: { other: "{count} 条新通知" },
        toasts: "新通知",
    },
};

/** A count as it is shown. */
function countText(count) {
    return count >= countMax ? "999+" : String(count);
}

/** The words and times of one language; what a page gives itself comes first, English where a word is missing. */
class Texts {
    #table;
    #plurals;
    #relative;
    #date;
    #dateTime;
    #clock;

    /**
     * @param {string} locale as in `lang`.
     * @param {object} own texts of the page's, by the names in `languages`.
     */
    constructor(locale, own) {
        const hasOwn = Object.keys(own).length > 0;
        const spoken = languages[locale.split("-")[0].toLowerCase()];
        const known = spoken || hasOwn ? Texts.#checked(locale) : "en";
        this.#table = { ...languages.en, ...spoken, ...own };
        this.#plurals = new Intl.PluralRules(known);
        this.#relative = new Intl.RelativeTimeFormat(known, { numeric: "auto" });
        this.#date = new Intl.DateTimeFormat(known, { day: "numeric", month: "short", year: "numeric" });
        this.#dateTime = new Intl.DateTimeFormat(known, { dateStyle: "full", timeStyle: "short" });
        this.#clock = new Intl.DateTimeFormat(known, { weekday: "short", hour: "numeric", minute: "2-digit" });
    }

    static #checked(locale) {
        try {
            return Intl.getCanonicalLocales(locale)[0] ?? "en";
        } catch {
            return "en";
        }
    }

    /** A text with its `{names}` filled; `count` chooses among its plural forms. */
    get(name, values = {}) {
        let text = this.#table[name] ?? "";
        if (typeof text === "object") text = text[this.#plurals.select(values.count)] ?? text.other ?? "";
        return String(text).replace(/\{(\w+)\}/g, (whole, key) => {
            if (!Object.hasOwn(values, key)) return whole;
            return key === "count" ? countText(values.count) : String(values[key]);
        });
    }

    /** How long ago a time was, a date when that is over a week. Both in milliseconds since 1970. */
    ago(time, now) {
        const seconds = Math.min(0, (time - now) / 1000);
        if (seconds > -45) return this.#relative.format(0, "second");
        if (seconds > -3600) return this.#relative.format(Math.min(-1, Math.round(seconds / 60)), "minute");
        if (seconds > -86400) return this.#relative.format(Math.round(seconds / 3600), "hour");
        if (seconds > -7 * 86400) return this.#relative.format(Math.round(seconds / 86400), "day");
        return this.#date.format(time);
    }

    /** A time in full. */
    whole(time) {
        return this.#dateTime.format(time);
    }

    /** Day of the week and time of day. */
    clock(time) {
        return this.#clock.format(time);
    }
}

// What a message shows

function cut(text, max) {
    if (text.length <= max) return text;
    // Not within a surrogate pair.
    const end = /[\ud800-\udbff]/.test(text[max - 1]) ? max - 1 : max;
    return `${text.slice(0, end)}…`;
}

/** What can be seen of a text: neither a blank nor without a width. */
const visible = /[^\s\p{Cc}\p{Cf}\p{Default_Ignorable_Code_Point}]/u;

/** Text that a value stands for by itself, else `undefined`. */
function plainText(value, max) {
    if (typeof value === "number" || typeof value === "boolean") return String(value);
    return typeof value === "string" && visible.test(value) ? cut(value.trim(), max) : undefined;
}

/** An address that a link may have: http or https, relative to the page too; else `undefined`. */
function webAddress(value) {
    if (typeof value !== "string" || value.trim() === "" || value.length > addressMax) return undefined;
    try {
        const { protocol, href } = new URL(value, document.baseURI);
        return protocol === "http:" || protocol === "https:" ? href : undefined;
    } catch {
        return undefined;
    }
}

/** An address that an image may have: as a link's, or the image itself. */
function imageAddress(value) {
    const isImage = typeof value === "string" && value.length <= imageMax
        && /^data:image\/(?:png|jpeg|gif|webp|avif|svg\+xml)[;,]/i.test(value);
    return isImage ? value : webAddress(value);
}

/** `ORDER_SHIPPED` as "Order shipped". */
function typeInWords(type) {
    const words = type.replace(/([a-z])([A-Z])/g, "$1 $2").replace(/[_.-]+/g, " ").trim().toLowerCase();
    return cut(words.charAt(0).toUpperCase() + words.slice(1), titleMax);
}

/** Data on a line or two: members of an object one after another, what is nested as JSON. */
function compact(data) {
    if (data === null || data === undefined) return undefined;
    if (typeof data !== "object") return plainText(data, textMax);
    const inline = (value) => typeof value === "string" ? cut(value, 200) : cut(JSON.stringify(value) ?? "", 200);
    if (Array.isArray(data)) return data.length === 0 ? undefined : cut(data.slice(0, 20).map(inline).join(", "), 400);
    const members = Object.entries(data).slice(0, 20).map(([name, value]) => `${cut(name, 60)}: ${inline(value)}`);
    return members.length === 0 ? undefined : cut(members.join(" · "), 400);
}

/** How the built-in types are rendered: what a page's renderer may return, too. */
const builtIn = {
    NOTICE: (data) => data,
    STRING_MSG: (data) => typeof data === "string" ? data : null,
};

/**
 * What is shown of one message: `title`, `text`, `url`, `icon`, `severity`, `actions`, or a page's own `node`; each
 * checked, and absent where it is not what it must be.
 */
class Content {
    title;
    text;
    url;
    icon;
    severity;
    actions = [];
    node;

    /**
     * @param message the message.
     * @param {object} renderers the page's, by type: functions of `(data, message)`.
     */
    static of(message, renderers) {
        for (const table of [renderers, builtIn]) {
            if (!Object.hasOwn(table, message.type) || typeof table[message.type] !== "function") continue;
            try {
                const content = new Content(table[message.type](message.data, message));
                if (content.title !== undefined || content.node) return content;
            } catch (error) {
                reportError(error);
            }
        }
        return Content.plain(message);
    }

    /** What a message shows by itself. */
    static plain({ type, data }) {
        return new Content({ title: typeInWords(type), text: compact(data) });
    }

    constructor(rendered) {
        if (rendered instanceof Node) {
            this.node = rendered;
            return;
        }
        if (typeof rendered !== "object" || rendered === null || Array.isArray(rendered)) {
            this.title = plainText(rendered, textMax);
            return;
        }
        this.title = plainText(rendered.title, titleMax);
        this.text = plainText(rendered.text, textMax);
        // One of them always stands as what is opened.
        if (this.title === undefined) [this.title, this.text] = [this.text, undefined];
        this.url = webAddress(rendered.url);
        this.icon = imageAddress(rendered.icon);
        this.severity = severities.includes(rendered.severity) ? rendered.severity : undefined;
        if (Array.isArray(rendered.actions)) this.actions = rendered.actions.slice(0, 2).flatMap(Content.#action);
    }

    /** An action with an address that may not be linked is left out; one without any is the page's to act on. */
    static #action(action) {
        const label = plainText(action?.label, 60);
        const url = webAddress(action?.url);
        return label === undefined || (url === undefined && action.url !== undefined) ? [] : [{ label, url, action }];
    }
}

// The list and the counts, without a page

/** Which of two ids is newer, as for `sort`: they have up to 19 digits, more than a number holds. */
function compareIDs(a, b) {
    return a.length - b.length || (a < b ? -1 : a > b ? 1 : 0);
}

function isID(value) {
    return typeof value === "string" && /^[1-9]\d{0,18}$/.test(value);
}

/** A message as it is in the list. */
class Item {
    /** Where it stands: at its id, or above `anchor` when it came back after that one. */
    anchor;
    lift = 0;
    /** Its number among all that came. */
    place = 0;

    constructor({ id, type, receiver, data, viewed, seen, created }, snoozedFrom) {
        this.id = id;
        this.type = typeof type === "string" ? type : "";
        this.receiver = receiver;
        this.data = data;
        this.viewed = viewed === true;
        this.seen = seen === true;
        this.created = Number.isFinite(created) ? created : Date.now();
        this.isSnoozed = snoozedFrom;
        this.anchor = id;
    }

    /** What events and renderers are given. */
    get message() {
        const { id, type, receiver, data, viewed, seen, created, isSnoozed } = this;
        return { id, type, receiver, data, viewed, seen, created, isSnoozed };
    }

    /** Takes over that it was viewed or seen; neither is ever taken back by the server. */
    note({ viewed, seen }) {
        this.viewed ||= viewed === true;
        this.seen ||= seen === true;
    }

    static newestFirst(a, b) {
        return compareIDs(b.anchor, a.anchor) || b.lift - a.lift;
    }
}

/** How far one tab's history has been read: down to `floor`, or to its end. `status`: `idle`, `loading`, `failed`. */
class Listing {
    floor = null;
    isComplete = false;
    /** Whether all of it is to be read again; until that is through, what is there stays on show. */
    isStale = false;
    status = "idle";
    /** Counts its refreshes; what an earlier one brings is dropped. */
    run = 0;

    /** Whether an item stands in what was read; before anything was, all do. */
    holds(item) {
        return this.floor === null || this.isComplete || compareIDs(item.anchor, this.floor) >= 0;
    }
}

/** The messages that are known, newest first, bounded; read page by page for each tab. */
class NotificationList {
    #items = new Map();
    #sorted = [];
    #max;
    /** Ids of what was removed, so that nothing which was under way brings it back; the oldest leave first. */
    #gone = new Set();
    /** `{which, marks, place}` of what other devices have viewed or seen; the oldest leave first. */
    #news = [];
    /** How many messages and changes have come. */
    place = 0;
    listings = { all: new Listing(), unread: new Listing() };
    /** The highest id of all that came. */
    newestID = null;

    constructor(max = itemsMax) {
        this.#max = max;
    }

    get #isFull() {
        return this.#items.size >= this.#max;
    }

    /** Whether more of a tab can be shown: below its floor there is room, or what can make some. */
    hasRoom(tab) {
        const { floor } = this.listings[tab];
        return !this.#isFull || floor === null || compareIDs(this.#sorted.at(-1).anchor, floor) < 0;
    }

    get(id) {
        return this.#items.get(id);
    }

    /** What a tab shows: of what comes before anything was read a page at most, as it may be the end of much more. */
    shown(tab) {
        const listing = this.listings[tab];
        const items = this.#sorted.filter((item) => (tab === "all" || !item.viewed) && listing.holds(item));
        return listing.floor === null && listing.status === "loading" ? items.slice(0, pageSize) : items;
    }

    /** Takes a message in at its place, one that was snoozed on top. False when it is known, or was removed. */
    add(item) {
        if (this.#items.has(item.id) || this.#gone.has(item.id)) return false;
        item.place = ++this.place;
        if (item.isSnoozed && this.newestID !== null && compareIDs(item.id, this.newestID) < 0) {
            item.anchor = this.newestID;
            item.lift = item.place;
        }
        this.restore(item);
        if (this.newestID === null || compareIDs(item.id, this.newestID) > 0) this.newestID = item.id;
        return true;
    }

    /** Puts an item where it was. */
    restore(item) {
        this.#gone.delete(item.id);
        let [low, high] = [0, this.#sorted.length];
        while (low < high) {
            const middle = (low + high) >> 1;
            if (Item.newestFirst(this.#sorted[middle], item) < 0) low = middle + 1;
            else high = middle;
        }
        this.#sorted.splice(low, 0, item);
        this.#items.set(item.id, item);
        this.#trim();
    }

    /** Takes a message out for good, unless it is restored. */
    remove(id) {
        this.#gone.add(id);
        if (this.#gone.size > goneMax) this.#gone.delete(this.#gone.values().next().value);
        return this.#drop(id);
    }

    #drop(id) {
        const item = this.#items.get(id);
        if (item === undefined) return undefined;
        this.#items.delete(id);
        this.#sorted.splice(this.#sorted.indexOf(item), 1);
        return item;
    }

    /** Those of `ids`, or up to an id, for which `condition` holds. */
    matching({ ids, upTo }, condition) {
        if (ids) return ids.map((id) => this.#items.get(id)).filter((item) => item && condition(item));
        return this.#sorted.filter((item) => compareIDs(item.id, upTo) <= 0 && condition(item));
    }

    /** Another device has viewed or seen those of `ids`, or up to an id: `marks` are what they are now. */
    note(which, marks) {
        for (const item of this.matching(which, () => true)) item.note(marks);
        this.#news.push({ which, marks, place: ++this.place });
        if (this.#news.length > newsMax) this.#news.shift();
    }

    /**
     * Takes a page of the history: what it has not between its ends is gone, but for what came meanwhile. What was
     * viewed or seen meanwhile stays so. `setFloor` says how far that has brought the tab.
     *
     * @param {string} tab whose listing was read.
     * @param {?string} before where the page begins; null for the newest.
     * @param {boolean} isLast whether it reaches the end of the history.
     * @param {number} place the list's `place` when it was asked for.
     * @returns {Item[]} those that were not known.
     */
    takePage(tab, before, messages, isLast, place) {
        const last = messages.at(-1)?.id ?? null;
        const present = new Set(messages.map(({ id }) => id));
        for (const item of [...this.#sorted]) {
            if (item.place > place || present.has(item.id)) continue;
            if (before !== null && compareIDs(item.id, before) >= 0) continue;
            if (!isLast && (last === null || compareIDs(item.id, last) < 0)) continue;
            if (tab === "all") this.#drop(item.id);
            else item.viewed = true;
        }
        const added = [];
        for (const message of messages) {
            const known = this.#items.get(message.id) ?? new Item(message, false);
            known.note(message);
            if (this.add(known)) added.push(known);
        }
        for (const { which, marks } of this.#news.filter((news) => news.place > place)) {
            for (const item of this.matching(which, ({ id }) => present.has(id))) item.note(marks);
        }
        return added;
    }

    /** Notes how far a tab has been read; no further down than to what there was room for. */
    setFloor(tab, floor, isComplete) {
        const lowest = this.#isFull ? this.#sorted.at(-1).anchor : null;
        const isCut = lowest !== null && compareIDs(lowest, floor) > 0;
        Object.assign(this.listings[tab], { floor: isCut ? lowest : floor, isComplete: isComplete && !isCut });
    }

    #trim() {
        while (this.#items.size > this.#max) {
            this.#items.delete(this.#sorted.pop().id);
            const floor = this.#sorted.at(-1).anchor;
            for (const listing of Object.values(this.listings)) {
                if (listing.floor !== null && compareIDs(listing.floor, floor) < 0) listing.floor = floor;
                listing.isComplete = false;
            }
        }
    }
}

/**
 * How many messages are unviewed and unseen: the server's counts, with what came since, and with changes that it has
 * not answered.
 */
class Counts {
    #base = null;
    #changes = -1;
    #pending = new Set();
    /** Numbers questions for the counts, and counts that were taken, in one order. */
    #clock = 0;
    #takenAt = 0;

    get unviewed() {
        return this.#with("unviewed");
    }

    get unseen() {
        return Math.min(this.#with("unseen"), this.unviewed);
    }

    /** More than the server counts exactly stays that, whatever single messages are taken from it. */
    #with(name) {
        let count = this.#base?.[name] ?? 0;
        for (const change of this.#pending) {
            if (change.clears?.includes(name)) return 0;
            if (count < countMax) count -= change[name] ?? 0;
        }
        return Math.max(0, Math.min(count, countMax));
    }

    /** A new connection: whatever the server says next counts. */
    restart() {
        this.#changes = -1;
    }

    /** The server is asked now: what goes with its answer into `take`. */
    ask() {
        return ++this.#clock;
    }

    /**
     * Takes counts of the server's, unless newer ones are known. What was asked for after those is newer, whatever they
     * said; else it goes by the changes, and what is told along with one was counted before that was committed.
     *
     * @param counts the server's.
     * @param {number} asked what `ask` returned; 0 when it was told unasked.
     * @returns {boolean} false when they are no counts.
     */
    take(counts, asked = 0) {
        const { unviewed, unseen, changes = 0 } = counts ?? {};
        if (![unviewed, unseen, changes].every(Number.isSafeInteger)) return false;
        const isAsked = asked > 0;
        if (asked <= this.#takenAt && (changes < this.#changes || (changes === this.#changes && !isAsked))) return true;
        this.#takenAt = ++this.#clock;
        this.#base = { unviewed, unseen };
        this.#changes = changes;
        for (const change of this.#pending) if (change.isDone) this.#pending.delete(change);
        return true;
    }

    /** A message came. */
    arrived() {
        if (this.#base === null) return;
        this.#base.unviewed = Math.min(this.#base.unviewed + 1, countMax);
        this.#base.unseen = Math.min(this.#base.unseen + 1, countMax);
    }

    /**
     * A change that the server is asked for: `{unviewed, unseen}` are what it takes away, `clears` the counts that it
     * sets to 0, `ids` the messages that it is about.
     */
    begin(change) {
        this.#pending.add(change);
    }

    end(change) {
        this.#pending.delete(change);
    }

    /** The server has done it and has not said what counts now: the next counts do. */
    done(change) {
        change.isDone = true;
    }

    /** The server has told everybody of a change: the counts hold it from now on, whatever will be answered. */
    told(ids) {
        for (const change of this.#pending) {
            if (!change.ids?.every((id) => ids.includes(id))) continue;
            change.isTold = true;
            this.#pending.delete(change);
        }
    }

    /** Where the server keeps no history, what is in the list is all that counts. */
    count(items) {
        const unviewed = items.filter((item) => !item.viewed);
        this.#base = { unviewed: unviewed.length, unseen: unviewed.filter((item) => !item.seen).length };
    }
}

// What feeds them

/**
 * Reads a user's history into the list, page by page for each tab.
 *
 * `events`: `changed()`; `asking()`, whose number comes back as `asked`; `read(page, added, {isHead, isMixed, asked})`
 * with what was not known, the newest first, and whether something came meanwhile; `failed()` when the head could not
 * be read.
 */
class HistoryReader {
    #client;
    #list;
    #events;
    #timer = null;
    #isStopped = false;
    /** False when the server keeps no history: what comes is all there is. */
    isKept = true;

    constructor(client, list, events) {
        this.#client = client;
        this.#list = list;
        this.#events = events;
    }

    stop() {
        this.#isStopped = true;
        clearTimeout(this.#timer);
    }

    /** All that was read is read again: there is a new connection, and this one may know more. */
    start() {
        this.isKept = true;
        this.#readAgain();
    }

    /** The same when this page may know less than there is. */
    startSoon() {
        this.#timer ??= setTimeout(() => {
            this.#timer = null;
            if (this.#client.state === "connected") this.#readAgain();
        }, recountMilliseconds);
    }

    #readAgain() {
        this.#refresh("all");
        if (this.#list.listings.unread.run > 0) this.#refresh("unread");
    }

    /** Reads the next page of a tab, or again the one that failed; nothing while one is on its way or there is none. */
    async loadMore(tab, again) {
        const listing = this.#list.listings[tab];
        const isFree = listing.status === "idle" || (again && listing.status === "failed");
        const isThrough = listing.isComplete && !listing.isStale;
        if (!this.isKept || !isFree || isThrough || this.#client.state !== "connected") return;
        if (listing.floor === null || listing.isStale) {
            this.#refresh(tab);
        } else if (this.#list.hasRoom(tab)) {
            const page = await this.#read(tab, listing.run, listing.floor, pageSize);
            if (page !== null) this.#readTo(tab, page);
        }
    }

    /** Reads a tab's history from its head, as far as it was read before; what it lacks is gone. */
    async #refresh(tab) {
        const listing = this.#list.listings[tab];
        const run = ++listing.run;
        const target = listing.floor;
        const limit = Math.max(pageSize, Math.min(this.#list.shown(tab).length, pageMax));
        let page = { floor: null, isComplete: false };
        listing.isStale = true;
        for (let pages = 0; pages < refreshPagesMax && !page.isComplete; pages++) {
            page = await this.#read(tab, run, page.floor, limit);
            if (page === null) return;
            if (target === null || compareIDs(page.floor, target) <= 0) break;
        }
        listing.isStale = false;
        this.#readTo(tab, page);
    }

    #readTo(tab, { floor, isComplete }) {
        this.#list.setFloor(tab, floor, isComplete);
        this.#list.listings[tab].status = "idle";
        this.#events.changed();
    }

    /** Reads one page into the list; where it ends, or `null` when it failed or nobody waits for it any more. */
    async #read(tab, run, before, limit) {
        const listing = this.#list.listings[tab];
        const { place } = this.#list;
        const asked = this.#events.asking();
        listing.status = "loading";
        this.#events.changed();
        try {
            const page = await this.#client.history({
                limit, ...(before && { before }), ...(tab === "unread" && { unviewed: true }),
            });
            if (this.#isStopped || run !== listing.run) return null;
            const messages = page.messages.filter(({ id }) => isID(id));
            const isLast = !page.isCut && messages.length < limit;
            const isMixed = this.#list.place > place;
            const added = this.#list.takePage(tab, before, messages, isLast, place);
            this.#events.read(page, added, { isHead: tab === "all" && before === null, isMixed, asked });
            return { floor: messages.at(-1)?.id ?? before ?? "0", isComplete: isLast };
        } catch (error) {
            if (!this.#isStopped && run === listing.run) this.#notRead(listing, error);
            return null;
        }
    }

    #notRead(listing, error) {
        listing.status = "idle";
        // The next connection reads it.
        if (error.code === "connectionLost" || error.code === "closed") return;
        // Nothing else can be wrong with what was asked.
        if (error.code === "invalid") this.isKept = false;
        else listing.status = "failed";
        this.#events.failed();
        this.#events.changed();
    }
}

/** Has what an open list shows marked as seen. */
class SeenMarker {
    #list;
    #counts;
    #mark;
    #timer = null;
    #isOpen = false;
    /** Something came that no mark holds yet. */
    #isDue = false;
    /** The newest id that was marked. */
    #upTo = null;

    /** @param mark `(upTo, items)`: has the server mark all up to an id; those items of it were not seen. */
    constructor(list, counts, mark) {
        this.#list = list;
        this.#counts = counts;
        this.#mark = mark;
    }

    stop() {
        clearTimeout(this.#timer);
    }

    /** The list is open before the user, or no more. */
    setOpen(isOpen) {
        this.#isOpen = isOpen;
        this.#isDue ||= isOpen && this.#counts.unseen > 0;
        this.look();
    }

    /** A message came. */
    arrived() {
        this.#isDue = true;
        this.lookSoon();
    }

    /** A mark was not made: it is again with what comes next. */
    failed() {
        this.#isDue = true;
    }

    lookSoon() {
        if (!this.#isOpen || !this.#isWanted) return;
        this.#timer ??= setTimeout(() => {
            this.#timer = null;
            this.look();
        }, seenMilliseconds);
    }

    look() {
        const upTo = this.#list.newestID;
        if (!this.#isOpen || upTo === null || !this.#isWanted) return;
        this.#isDue = false;
        this.#upTo = upTo;
        const items = this.#list.matching({ upTo }, (item) => !item.seen);
        for (const item of items) item.seen = true;
        this.#mark(upTo, items);
    }

    /** Whether there is something to be marked that was not marked already. */
    get #isWanted() {
        const { newestID } = this.#list;
        const isNewer = newestID !== null && (this.#upTo === null || compareIDs(newestID, this.#upTo) > 0);
        return this.#isDue || (isNewer && this.#counts.unseen > 0);
    }
}

/**
 * Has the counts asked for again where they and a message crossed on their way: one may hold the other or not. Of tabs
 * that share a connection the one that has it asks, and the others are told; those ask when they are not.
 */
class Recounter {
    #ask;
    #isLeading;
    #timer = null;
    #arrivedAt = -Infinity;
    #countedAt = -Infinity;

    constructor(ask, isLeading) {
        this.#ask = ask;
        this.#isLeading = isLeading;
    }

    stop() {
        clearTimeout(this.#timer);
        this.#timer = null;
    }

    arrived() {
        this.#arrivedAt = performance.now();
        if (this.#arrivedAt - this.#countedAt < overlapMilliseconds) this.askSoon();
    }

    counted() {
        this.#countedAt = performance.now();
        if (this.#countedAt - this.#arrivedAt < overlapMilliseconds) this.askSoon();
    }

    askSoon() {
        this.#timer ??= setTimeout(() => {
            this.#timer = null;
            this.#ask();
        }, recountMilliseconds + (this.#isLeading() ? 0 : (1 + Math.random()) * otherTabMilliseconds));
    }
}

/**
 * A client's messages, history and changes on their way into list and counts. Changes are shown at once, and taken back
 * when the server refuses them.
 *
 * `events`: `changed()`; `arrived(item)`, not for what had come before this page was there; `state(state)`;
 * `refused(error)`.
 */
class Feed {
    #client;
    #events;
    #options;
    #subscription = null;
    #unwatch = null;
    #isStopped = false;
    /** Whether the history's head has been read on this connection; until then it is not known what of those is new. */
    #isJoined = false;
    #early = [];
    /** The newest id when the connection before was there. */
    #knownUpTo = null;
    /** The newest id of the history when its head was read on this connection. */
    #head = null;
    /** Whether this connection began with counts: then the server marks the messages that they hold. */
    #hasCounts = false;
    /** Changes that are not answered. */
    #running = 0;
    #reader;
    #seen;
    #recounter;
    list = new NotificationList();
    counts = new Counts();
    state = { name: "closed", text: "", retryAt: null };

    /**
     * @param client a `StompClient`, or what is like one.
     * @param {object} events see above.
     * @param {{owns: boolean, subscribes: boolean}} options whether the client is ours to connect and to leave, and
     *     whether messages are subscribed to here or handed over by the page.
     */
    constructor(client, events, options) {
        this.#client = client;
        this.#events = events;
        this.#options = options;
        this.#reader = new HistoryReader(client, this.list, {
            changed: () => events.changed(),
            asking: () => this.counts.ask(),
            read: (page, added, how) => this.#pageRead(page, added, how),
            failed: () => this.#joined(null, []),
        });
        this.#seen = new SeenMarker(this.list, this.counts, (upTo, items) => this.#markSeen(upTo, items));
        this.#recounter = new Recounter(() => this.#recount(), () => this.#client.isLeading !== false);
    }

    start() {
        if (this.#options.subscribes) {
            this.#subscription = this.#client.subscribe(queue, (message) => this.#received(message), {
                ack: "client-individual", unread: true,
                onUnread: (counts) => this.#subscribed(counts),
                onRepeat: (message, confirmation) => { if (confirmation === null) message.ack(); },
            });
        }
        if (this.#options.owns) this.#client.connect();
        this.#unwatch = this.#client.watch((state, detail) => this.#stateChanged(state, detail ?? {}));
    }

    stop() {
        this.#isStopped = true;
        for (const part of [this.#reader, this.#seen, this.#recounter]) part.stop();
        this.#unwatch?.();
        this.#subscription?.unsubscribe();
        if (this.#options.owns) this.#client.disconnect();
    }

    /**
     * The subscription is made: what changes from now on is told. What changed before that, and after the history was
     * read, is in the history; where the page subscribes, one look a little later has to do. Counts that come later are
     * those that another tab has asked for.
     */
    #subscribed(counts) {
        if (this.#hasCounts) this.#recounter.stop();
        else this.#reader.startSoon();
        this.#hasCounts = true;
        this.#counted(counts, this.counts.ask());
    }

    // The connection

    /** Connects again now, after a pause or a refusal. */
    retry() {
        if (this.#client.state === "closed") this.#client.connect();
        else this.#client.reconnectNow();
    }

    #stateChanged(state, { reason, retryAt = null }) {
        if (this.#isStopped) return;
        const name = state === "closed" && refusedCodes.has(reason?.code) ? "refused" : state;
        const isOther = name !== this.state.name;
        this.state = { name, text: reason?.text ?? "", retryAt };
        if (state === "connected") {
            this.counts.restart();
            if (this.#isJoined) this.#knownUpTo = this.list.newestID ?? "0";
            this.#isJoined = this.#hasCounts = false;
            this.#head = null;
            this.#early = [];
            this.#reader.start();
            if (!this.#options.subscribes) this.#reader.startSoon();
        }
        if (isOther) this.#events.state(this.state);
        this.#events.changed();
    }

    // The history

    /** False when the server has said that it keeps no history. */
    get keepsHistory() {
        return this.#reader.isKept;
    }

    loadMore(tab, again = false) {
        this.#reader.loadMore(tab, again);
    }

    #pageRead(page, added, { isHead, isMixed, asked }) {
        this.#counted(page, asked);
        if (isMixed) this.#recounter.askSoon();
        if (isHead) this.#joined(page.messages[0]?.id ?? "0", added.reverse());
    }

    /**
     * The head of the history is read, or cannot be: from now on it is known what is new.
     *
     * @param {?string} newestID the head's; null when it is not known.
     * @param {Item[]} added what the head brought, the oldest first.
     */
    #joined(newestID, added) {
        if (!this.keepsHistory) this.#countList();
        if (this.#isJoined) return;
        const early = this.#early;
        this.#early = [];
        this.#head = newestID;
        for (const { item, isCounted } of early) {
            // The counts that came with the head hold what the head holds.
            if (newestID !== null && compareIDs(item.id, newestID) > 0 && !item.viewed) this.counts.arrived();
            if (this.#isNew(item, isCounted)) this.#events.arrived(item);
        }
        for (const item of added) if (this.#isNew(item, true)) this.#events.arrived(item);
        this.#isJoined = true;
        this.#seen.look();
    }

    /**
     * Whether a message is to be told as one that has come: it is newer than all that this page knew before it was
     * connected, or than the head when it knew nothing; it came back, or was there later than the server's counts.
     */
    #isNew(item, isCounted) {
        const bound = this.#knownUpTo ?? this.#head;
        if (item.viewed) return false;
        if (bound !== null && compareIDs(item.id, bound) > 0) return true;
        if (item.isSnoozed && this.#knownUpTo !== null) return true;
        if (this.#hasCounts) return !isCounted;
        return this.#isJoined && (bound === null || item.isSnoozed);
    }

    // Arrivals

    /** Takes a message of the client's; false when it only says what another device has changed. */
    receive(message) {
        const body = message.json;
        const isChange = changeTypes.has(body?.type);
        if (isChange) this.#changedElsewhere(body.type, body.data ?? {});
        else this.#arrived(message, body);
        this.#events.changed();
        return !isChange;
    }

    #received(message) {
        if (this.#isStopped) return;
        this.receive(message);
        message.ack();
    }

    #arrived(message, body) {
        if (!isID(message.id)) return;
        const content = typeof body === "object" && body !== null && !Array.isArray(body)
            ? body : { type: "", data: message.body };
        const item = new Item({ ...content, id: message.id }, message.headers?.["snoozed-from"] !== undefined);
        if (!this.list.add(item)) return;
        const isCounted = message.headers?.counted === "true";
        if (this.#isJoined) {
            if (!isCounted && !item.viewed) this.#countArrival(item);
            if (this.#isNew(item, isCounted)) this.#events.arrived(item);
        } else if (this.#early.length < itemsMax) {
            this.#early.push({ item, isCounted });
        }
        this.#recounter.arrived();
        this.#seen.arrived();
    }

    /** Where nothing is marked, what is older than the head may have been counted with it. */
    #countArrival({ id }) {
        if (this.#hasCounts || this.#head === null || compareIDs(id, this.#head) > 0) this.counts.arrived();
        else this.#recounter.askSoon();
    }

    #changedElsewhere(type, data) {
        const ids = Array.isArray(data.ids) ? data.ids.map(String) : null;
        if (type === "NOTIFY_DELETED") {
            for (const id of ids ?? []) this.list.remove(id);
        } else if (ids || isID(data.upTo)) {
            this.list.note({ ids, upTo: data.upTo }, { viewed: true });
        } else if (isID(data.seenUpTo)) {
            this.list.note({ upTo: data.seenUpTo }, { seen: true });
        }
        if (ids) this.counts.told(ids);
        this.#counted(data);
        // They may lack what was committed while the change was not.
        this.#recounter.askSoon();
    }

    // The counts

    /** Takes counts of the server's (`Counts.take`). */
    #counted(counts, asked) {
        if (!this.counts.take(counts, asked)) return;
        this.#recounter.counted();
        this.#seen.lookSoon();
        this.#events.changed();
    }

    async #recount() {
        if (!this.keepsHistory) this.#countList();
        if (this.state.name !== "connected" || !this.keepsHistory) return;
        const asked = this.counts.ask();
        try {
            this.#counted(await this.#client.unread(), asked);
        } catch {
            // The next count comes with the next change, page or connection.
        }
    }

    #countList() {
        this.counts.count(this.list.shown("all"));
        this.#events.changed();
    }

    // Changes

    /** The list is open before the user, or no more. What it shows is seen. */
    setOpen(isOpen) {
        this.#seen.setOpen(isOpen);
    }

    #markSeen(upTo, items) {
        const undo = () => {
            for (const item of items) item.seen = false;
            this.#seen.failed();
        };
        this.#change({ clears: ["unseen"], isQuiet: true }, () => this.#client.markSeen(upTo), undo);
    }

    markViewed(item) {
        if (item.viewed) return;
        const { seen } = item;
        item.viewed = item.seen = true;
        this.#change({ unviewed: 1, unseen: seen ? 0 : 1, ids: [item.id] },
            () => this.#client.markViewed([item.id]),
            () => Object.assign(item, { viewed: false, seen }));
    }

    markAllViewed() {
        const upTo = this.list.newestID;
        if (upTo === null) return;
        const items = this.list.matching({ upTo }, (item) => !item.viewed);
        for (const item of items) item.viewed = true;
        this.#change({ clears: ["unviewed", "unseen"] }, () => this.#client.markViewed({ upTo }), () => {
            for (const item of items) item.viewed = false;
        });
    }

    remove(item) {
        this.#takeAway(item, () => this.#client.deleteMessages([item.id]));
    }

    /** Has it come again at a time, in milliseconds since 1970. */
    snooze(item, until) {
        this.#takeAway(item, () => this.#client.snooze(item.id, until));
    }

    #takeAway(item, ask) {
        if (this.list.remove(item.id) === undefined) return;
        const count = item.viewed ? 0 : 1;
        this.#change({ unviewed: count, unseen: item.seen ? 0 : count, ids: [item.id] }, ask,
            () => this.list.restore(item));
    }

    /** Shows a change (`Counts.begin`) at once and asks the server for it; `undo` takes it back. */
    async #change(change, ask, undo) {
        if (!this.keepsHistory) {
            this.#countList();
            return;
        }
        const asked = this.counts.ask();
        this.counts.begin(change);
        this.#running++;
        this.#events.changed();
        try {
            if (this.#running > changesMax) throw new Error(`${changesMax} changes are unanswered already.`);
            const answer = await ask();
            if (Number.isInteger(answer?.unseen)) {
                this.counts.end(change);
                this.#counted(answer, asked);
            } else {
                this.counts.done(change);
                this.#recounter.askSoon();
            }
        } catch (error) {
            this.counts.end(change);
            this.#notDone(change, error, undo);
        }
        this.#running--;
        this.#events.changed();
    }

    /**
     * Takes a change back, unless it was done all the same. It may have been without our knowing, or another device has
     * made it meanwhile: the history tells.
     */
    #notDone(change, error, undo) {
        if (this.#isStopped || change.isTold) return;
        undo();
        if (change.isQuiet) return;
        this.#reader.startSoon();
        this.#events.refused(error);
    }
}

// The view

const lightColors = `
    --_surface: var(--belfry-surface, #ffffff);
    --_raised: var(--belfry-raised, #f4f6f8);
    --_ink: var(--belfry-ink, #1b2530);
    --_muted: var(--belfry-muted, #5a6775);
    --_line: var(--belfry-line, #e2e7ec);
    --_accent: var(--belfry-accent, #2f5d8a);
    --_on-accent: var(--belfry-on-accent, #ffffff);
    --_badge: var(--belfry-badge, #c9313b);
    --_on-badge: var(--belfry-on-badge, #ffffff);
    --_info: var(--belfry-info, #2f5d8a);
    --_success: var(--belfry-success, #1d6b45);
    --_warning: var(--belfry-warning, #7a5200);
    --_error: var(--belfry-error, #a3262f);
    --_shadow: var(--belfry-shadow, 0 1px 2px rgb(20 35 50 / 8%), 0 12px 32px -4px rgb(20 35 50 / 18%));
    color-scheme: light;`;

const darkColors = `
    --_surface: var(--belfry-surface, #1c232b);
    --_raised: var(--belfry-raised, #262f39);
    --_ink: var(--belfry-ink, #e6ebf0);
    --_muted: var(--belfry-muted, #a3afbc);
    --_line: var(--belfry-line, #323d48);
    --_accent: var(--belfry-accent, #8dbbe8);
    --_on-accent: var(--belfry-on-accent, #10202f);
    --_badge: var(--belfry-badge, #d3404a);
    --_on-badge: var(--belfry-on-badge, #ffffff);
    --_info: var(--belfry-info, #8dbbe8);
    --_success: var(--belfry-success, #7fcfa4);
    --_warning: var(--belfry-warning, #f0c674);
    --_error: var(--belfry-error, #f29a9f);
    --_shadow: var(--belfry-shadow, 0 1px 2px rgb(0 0 0 / 40%), 0 16px 40px -4px rgb(0 0 0 / 60%));
    color-scheme: dark;`;

const css = `
:host { display: inline-block; vertical-align: middle; ${lightColors} }
@media (prefers-color-scheme: dark) { :host(:not([theme="light"])) { ${darkColors} } }
:host([theme="dark"]) { ${darkColors} }
:host([hidden]) { display: none; }

*, ::before, ::after { box-sizing: border-box; }
[hidden] { display: none !important; }
h2, p, ol { margin: 0; padding: 0; font: inherit; }
ol { list-style: none; }
button { margin: 0; padding: 0; border: 0; background: none; color: inherit; font: inherit; text-align: inherit;
    cursor: pointer; }
:focus-visible { outline: 2px solid var(--_accent); outline-offset: 2px; }
svg { display: block; width: 1.25rem; height: 1.25rem; fill: none; stroke: currentColor; stroke-width: 1.75;
    stroke-linecap: round; stroke-linejoin: round; }
.hidden { position: absolute; width: 1px; height: 1px; overflow: hidden; clip-path: inset(50%); white-space: nowrap; }

.bell { position: relative; display: grid; place-items: center; width: var(--belfry-bell-size, 2.5rem);
    height: var(--belfry-bell-size, 2.5rem); border-radius: var(--belfry-bell-radius, 50%);
    color: var(--belfry-bell-color, var(--_ink)); }
.bell > slot > svg { width: 1.5rem; height: 1.5rem; }
.bell:hover, .bell[aria-expanded="true"] { background: var(--_raised); }
.badge { position: absolute; inset-block-start: 0.0625rem; inset-inline-start: 54%; min-width: 1.125rem;
    height: 1.125rem; padding: 0 0.3125rem; border-radius: 1rem; background: var(--_badge); color: var(--_on-badge);
    box-shadow: 0 0 0 2px var(--belfry-bell-background, var(--_surface)); font-size: 0.6875rem; font-weight: 650;
    line-height: 1.125rem; text-align: center; font-variant-numeric: tabular-nums; white-space: nowrap; }
.lamp { position: absolute; inset-block-end: 0.375rem; inset-inline-end: 0.375rem; width: 0.5625rem;
    height: 0.5625rem; border-radius: 50%; background: var(--_warning);
    box-shadow: 0 0 0 2px var(--belfry-bell-background, var(--_surface)); }
.lamp:not(.refused) { animation: late 0s 2s backwards; }
.lamp.refused { background: var(--_error); }
/* Not for a moment without a connection. */
@keyframes late { from { visibility: hidden; } }

.panel, .toasts, .menu { position: fixed; inset: auto; z-index: var(--belfry-z-index, 1000); margin: 0; padding: 0;
    border: 0; background: none; color: var(--_ink); font-family: var(--belfry-font-family, inherit);
    font-size: var(--belfry-font-size, 0.875rem); font-style: normal; font-weight: 400; line-height: 1.45;
    letter-spacing: normal; text-align: start; text-transform: none; text-indent: 0; white-space: normal;
    overflow-wrap: anywhere; cursor: auto; }
.panel { display: flex; flex-direction: column; width: min(var(--belfry-panel-width, 25rem), 100vw);
    height: var(--belfry-panel-height, 35rem); overflow: hidden; background: var(--_surface);
    border: 1px solid var(--_line); border-radius: var(--belfry-radius, 12px); box-shadow: var(--_shadow); }
.panel.narrow { width: 100%; height: 100vh; border-radius: 0; border-width: 1px 0 0; }
.panel:focus { outline: none; }
@media (prefers-reduced-motion: no-preference) {
    .bell { transition: background 120ms; }
    .tools { transition: opacity 80ms; }
    .panel, .menu { animation: appear 140ms ease-out; }
    .toast { animation: arrive 220ms cubic-bezier(0.2, 0.8, 0.2, 1); }
    .bone { animation: breathe 1.4s ease-in-out infinite; }
}
@keyframes appear { from { opacity: 0; transform: translateY(-4px); } }
@keyframes arrive { from { opacity: 0; transform: translateY(12px); } }
@keyframes breathe { 50% { opacity: 0.45; } }

.header { display: flex; align-items: center; gap: 0.25rem; padding: 0.75rem 0.75rem 0.25rem 1rem; }
.title { flex: 1; min-width: 0; font-size: 1.0625em; font-weight: 650; }
.quiet { padding: 0.25rem 0.5rem; border-radius: 6px; color: var(--_accent); font-size: 0.9286em; font-weight: 550; }
.quiet:hover { background: var(--_raised); }
.quiet:disabled { color: var(--_muted); cursor: default; background: none; }
.tool { display: grid; place-items: center; width: 1.75rem; height: 1.75rem; flex: none; border-radius: 6px;
    color: var(--_muted); }
.tool svg { width: 1.0625rem; height: 1.0625rem; }
.tool:hover, .tool[aria-expanded="true"] { background: var(--_raised); color: var(--_ink); }
.tabs { display: flex; gap: 1.25rem; padding: 0 1rem; border-bottom: 1px solid var(--_line); }
.tab { position: relative; padding: 0.5rem 0; color: var(--_muted); font-weight: 550; }
.tab:hover { color: var(--_ink); }
.tab[aria-selected="true"] { color: var(--_ink); }
.tab[aria-selected="true"]::after { content: ""; position: absolute; inset: auto 0 -1px; height: 2px;
    border-radius: 2px; background: var(--_accent); }
.number { margin-inline-start: 0.375rem; padding: 0.0625rem 0.4375rem; border-radius: 1rem; background: var(--_raised);
    color: var(--_muted); font-size: 0.8571em; font-variant-numeric: tabular-nums; }
.banner { display: flex; align-items: center; gap: 0.5rem; min-height: 2.5rem; padding: 0.375rem 0.5rem 0.375rem 1rem;
    border-bottom: 1px solid var(--_line); background: var(--_raised); color: var(--_warning); font-size: 0.9286em; }
.banner.bad { color: var(--_error); }
.banner p { flex: 1; min-width: 0; font-variant-numeric: tabular-nums; }
.banner .quiet { flex: none; }
.scroll { position: relative; flex: 1; min-height: 0; overflow: hidden auto; overscroll-behavior: contain;
    scrollbar-width: thin; scrollbar-color: var(--_line) transparent; }

.item, .toast { position: relative; display: flex; gap: 0.75rem; padding: 0.75rem 1rem; }
.item { border-bottom: 1px solid var(--_line); }
.item:hover { background: color-mix(in srgb, var(--_raised) 60%, transparent); }
.open { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden; width: 100%;
    color: inherit; text-decoration: none; white-space: pre-line; unicode-bidi: isolate; }
.open::after { content: ""; position: absolute; inset: 0; }
.open:focus-visible { outline: none; }
.open:focus-visible::after { outline: 2px solid var(--_accent); outline-offset: -2px; border-radius: 6px; }
.unviewed .open:not(.long) { font-weight: 600; }
.icon { display: grid; place-items: center; width: 2rem; height: 2rem; flex: none; border-radius: 50%;
    background: var(--_raised); color: var(--_muted); overflow: hidden; }
.icon svg { width: 1.0625rem; height: 1.0625rem; }
.icon img { width: 100%; height: 100%; object-fit: cover; }
.info .icon { color: var(--_info); }
.success .icon { color: var(--_success); }
.warning .icon { color: var(--_warning); }
.error .icon { color: var(--_error); }
.body { flex: 1; min-width: 0; display: grid; gap: 0.125rem; }
.text { display: -webkit-box; -webkit-box-orient: vertical; -webkit-line-clamp: 3; overflow: hidden;
    color: var(--_muted); white-space: pre-line; unicode-bidi: isolate; }
.expanded .open, .expanded .text { -webkit-line-clamp: none; display: block; }
.dot { position: absolute; inset-block-start: 1.0625rem; inset-inline-end: 1rem; width: 0.5rem; height: 0.5rem;
    border-radius: 50%; background: var(--_accent); }
.unviewed .open, .unviewed .text { padding-inline-end: 1rem; }
.actions { display: flex; flex-wrap: wrap; gap: 0.5rem; padding-top: 0.375rem; }
.action { position: relative; max-width: 100%; padding: 0.25rem 0.75rem; border: 1px solid var(--_line);
    border-radius: 7px; background: var(--_surface); color: var(--_ink); font-size: 0.9286em; font-weight: 550;
    text-decoration: none; }
.action:first-child { border-color: transparent; background: var(--_accent); color: var(--_on-accent); }
.action:hover { border-color: var(--_accent); }
.meta { display: flex; align-items: center; gap: 0.5rem; min-height: 1.5rem; color: var(--_muted);
    font-size: 0.8571em; }
.mark { display: inline-flex; align-items: center; gap: 0.25rem; }
.mark svg { width: 0.8125rem; height: 0.8125rem; }
.tools { position: relative; display: flex; margin: -0.25rem -0.375rem -0.25rem auto; opacity: 0; }
.item:hover .tools, .item:focus-within .tools, .item.busy .tools { opacity: 1; }
@media (hover: none) { .tools { opacity: 1; } }
::slotted(*) { position: relative; }

.foot { padding: 0.875rem 1rem; color: var(--_muted); font-size: 0.9286em; text-align: center; }
.foot .quiet { margin-inline-start: 0.25rem; }
.blank { display: grid; place-items: center; align-content: center; gap: 0.25rem; min-height: 100%; padding: 2rem;
    color: var(--_muted); text-align: center; text-wrap: balance; }
.blank svg { width: 2.5rem; height: 2.5rem; margin-bottom: 0.5rem; stroke-width: 1.25; }
.blank .lead { color: var(--_ink); font-weight: 600; }
.bones { display: flex; gap: 0.75rem; padding: 0.875rem 1rem; border-bottom: 1px solid var(--_line); }
.bone { height: 0.625rem; border-radius: 1rem; background: var(--_raised); }
.bone.round { width: 2rem; height: 2rem; flex: none; border-radius: 50%; }
.bone.short { width: 35%; }
.bone.long { width: 85%; }
.lines { flex: 1; display: grid; gap: 0.625rem; align-content: center; }

.menu { width: max-content; max-width: calc(100vw - 1rem); min-width: 13rem; padding: 0.25rem;
    background: var(--_surface); border: 1px solid var(--_line); border-radius: 10px; box-shadow: var(--_shadow); }
.choice { display: flex; justify-content: space-between; gap: 1.5rem; width: 100%; padding: 0.4375rem 0.625rem;
    border-radius: 6px; }
.choice:hover, .choice:focus { background: var(--_raised); }
.choice:focus-visible { outline-offset: -2px; }
.choice .when { color: var(--_muted); font-variant-numeric: tabular-nums; }

.toasts { inset: auto 1rem 1rem auto; display: grid; gap: 0.5rem; width: min(22rem, 100vw - 2rem); height: auto;
    overflow: visible; }
.toast { padding-inline-end: 0.625rem; background: var(--_surface); border: 1px solid var(--_line);
    border-radius: var(--belfry-radius, 12px); box-shadow: var(--_shadow); }
.toast .open { -webkit-line-clamp: 2; }
.toast .open:not(.long) { font-weight: 600; }
.toast .text { -webkit-line-clamp: 2; }
.toast .tool { position: relative; margin: -0.25rem 0 0; }
@media (max-width: 480px) { .toasts { inset: auto 0.5rem 0.5rem; width: auto; } }
@media (forced-colors: active) {
    .badge, .dot, .lamp { forced-color-adjust: none; }
    .panel, .menu, .toast, .action { border-color: CanvasText; }
}
`;

/** The paths of our icons, on a square of 24. */
const icons = {
    bell: ["M6 9a6 6 0 0 1 12 0c0 5 2 6.5 2 6.5H4S6 14 6 9", "M10 19.5a2.2 2.2 0 0 0 4 0"],
    check: ["m5 12.5 4.5 4.5L19 7.5"],
    clock: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17", "M12 7.5V12l3 2"],
    trash: ["M4.5 7h15", "M9.5 7V4.5h5V7", "m6.5 7 .8 12.5h9.4L17.5 7", "M10.2 11v5", "M13.8 11v5"],
    close: ["m6 6 12 12", "M18 6 6 18"],
    info: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17", "M12 11v5", "M12 8v.01"],
    success: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17", "m8.2 12.2 2.7 2.7 5-5.2"],
    warning: ["M12 4 2.8 19.5h18.4L12 4", "M12 10v4", "M12 16.8v.01"],
    error: ["M12 3.5a8.5 8.5 0 1 0 0 17 8.5 8.5 0 0 0 0-17", "m9 9 6 6", "m15 9-6 6"],
};

function icon(name) {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    svg.setAttribute("viewBox", "0 0 24 24");
    svg.setAttribute("aria-hidden", "true");
    for (const d of icons[name]) {
        const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
        path.setAttribute("d", d);
        svg.append(path);
    }
    return svg;
}

/** An element with attributes, `on…` listeners and children; strings become text. */
function make(tag, attributes = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) {
        if (value === undefined || value === null || value === false) continue;
        if (typeof value === "function") node.addEventListener(name.slice(2), value);
        else node.setAttribute(name, value === true ? "" : value);
    }
    node.append(...children.filter((child) => child !== null && child !== undefined));
    return node;
}

/** Shows a box above all else on the page: in the top layer, where the browser has popovers. */
function showBox(box) {
    box.hidden = false;
    if (box.isConnected && box.showPopover && !box.matches(":popover-open")) box.showPopover();
}

function hideBox(box) {
    if (box.hidePopover && box.matches(":popover-open")) box.hidePopover();
    box.hidden = true;
}

/** Puts a box under what opens it, or above where there is more room, within the window. */
function placeBox(box, anchor, { gap, isWhole = false }) {
    const { clientWidth: width, clientHeight: height } = document.documentElement;
    const place = anchor.getBoundingClientRect();
    const [below, above] = [height - place.bottom - gap, place.top - gap];
    box.style.maxHeight = "none";
    const wanted = Math.min(box.offsetHeight, height);
    const isAbove = below < wanted && above > below;
    const room = Math.max(isAbove ? above : below, Math.min(height, 160));
    const isRight = place.left + place.width / 2 > width / 2;
    const left = isWhole ? 0 : isRight ? place.right - box.offsetWidth : place.left;
    const margin = isWhole ? 0 : 8;
    box.style.maxHeight = `${room - margin}px`;
    box.style.left = `${Math.max(margin, Math.min(left, width - box.offsetWidth - margin))}px`;
    const top = isAbove ? place.top - gap - Math.min(wanted, room - margin) : place.bottom + gap;
    box.style.top = `${Math.max(margin, Math.min(top, height - Math.min(wanted, room - margin) - margin))}px`;
}

/** Icon, title and text of a message, for list and toast. `opened(event)` is what its link or button does. */
function showContent(content, opened) {
    const open = content.node ? make("button", { type: "button", class: "open" })
        : content.url ? make("a", { class: "open", href: content.url, rel: "noopener" })
        : make("button", { type: "button", class: "open" });
    open.setAttribute("part", "item-title");
    open.classList.toggle("long", content.title?.length > 120);
    open.dir = "auto";
    open.textContent = content.title ?? "";
    open.addEventListener("click", opened);
    open.addEventListener("auxclick", (event) => { if (event.button === 1) opened(event); });
    const picture = make("div", { class: "icon", part: "item-icon" });
    const symbol = () => picture.replaceChildren(icon(content.severity ?? "bell"));
    if (content.icon) {
        const image = make("img", { alt: "", src: content.icon, referrerpolicy: "no-referrer", onerror: symbol });
        picture.append(image);
    } else {
        symbol();
    }
    const text = content.text === undefined
        ? null : make("p", { class: "text", part: "item-text", dir: "auto" }, content.text);
    return { open, picture, text };
}

/** One message of the list. */
class ItemView {
    #texts;
    #events;
    #open;
    #time;
    #viewed;
    #dot;
    #controls;
    element;
    snoozeButton;
    content;
    item;

    /**
     * @param {object} events `opened(view, event)`, `acted(view, action, event)`, `viewed(view)`, `snooze(view)`,
     *     `removed(view)`, each called by a control.
     */
    constructor(item, content, texts, events) {
        Object.assign(this, { item, content });
        this.#texts = texts;
        this.#events = events;
        const { open, picture, text } = showContent(content, (event) => events.opened(this, event));
        this.#open = open;
        open.id = `open-${item.id}`;
        this.#time = make("time", { part: "item-time", datetime: new Date(item.created).toISOString(),
            title: texts.whole(item.created) });
        this.#viewed = this.#tool("check", "markViewed", () => events.viewed(this));
        this.snoozeButton = this.#tool("clock", "snooze", () => events.snooze(this));
        this.snoozeButton.setAttribute("aria-haspopup", "menu");
        this.snoozeButton.setAttribute("aria-expanded", "false");
        const remove = this.#tool("trash", "remove", () => events.removed(this));
        const actions = content.actions.map((action) => this.#action(action));
        this.#controls = [open, ...actions, this.#viewed, this.snoozeButton, remove];
        this.#dot = make("span", { class: "dot", part: "item-dot" }, make("span", { class: "hidden" },
            texts.get("isUnread")));
        const severity = content.severity === undefined
            ? null : make("span", { class: "hidden" }, texts.get(content.severity));
        this.element = make("li", { class: `item ${content.severity ?? ""}`, part: "item", "data-id": item.id },
            picture,
            make("div", { class: "body" }, severity, open, text, this.#ownNode(),
                actions.length > 0 ? make("div", { class: "actions" }, ...actions) : null,
                make("div", { class: "meta" }, this.#time, this.#snoozedMark(),
                    make("div", { class: "tools" }, this.#viewed, this.snoozeButton, remove))),
            this.#dot);
        this.setCurrent(false);
    }

    #tool(symbol, name, pressed) {
        return make("button", {
            type: "button", class: "tool", part: "item-tool", title: this.#texts.get(name),
            "aria-label": this.#texts.get(name), "aria-describedby": `open-${this.item.id}`, onclick: pressed,
        }, icon(symbol));
    }

    #action(checked) {
        const { label, url } = checked;
        const pressed = (event) => this.#events.acted(this, checked, event);
        return url
            ? make("a", { class: "action", part: "item-action", href: url, rel: "noopener", onclick: pressed }, label)
            : make("button", { class: "action", part: "item-action", type: "button", onclick: pressed }, label);
    }

    /** A node of the page's stays in the page, where its styles hold, and is shown here by a slot. */
    #ownNode() {
        if (!this.content.node) return null;
        this.#open.setAttribute("aria-label", typeInWords(this.item.type));
        const name = `item-${this.item.id}`;
        const { node } = this.content;
        this.content.light = node instanceof Element ? node : make("div", {}, node);
        this.content.light.slot = name;
        // A click on it is one on the message, unless it is on something that does something itself.
        const clicked = (event) => {
            if (!event.target.closest("a, button, input, select, textarea, label, summary")) {
                this.#events.opened(this, event);
            }
        };
        return make("slot", { name, onclick: clicked });
    }

    #snoozedMark() {
        if (!this.item.isSnoozed) return null;
        return make("span", { class: "mark" }, icon("clock"), this.#texts.get("isSnoozed"));
    }

    /** Only the current item's controls are stops of the Tab key; arrow keys move between items. */
    setCurrent(isCurrent) {
        for (const control of this.#controls) control.tabIndex = isCurrent ? 0 : -1;
    }

    focus() {
        this.#open.focus();
        this.element.scrollIntoView?.({ block: "nearest" });
    }

    update(now) {
        this.element.classList.toggle("unviewed", !this.item.viewed);
        this.#dot.hidden = this.item.viewed;
        if (this.item.viewed && this.#viewed.matches(":focus")) this.#open.focus();
        this.#viewed.hidden = this.item.viewed;
        const ago = this.#texts.ago(this.item.created, now);
        if (this.#time.textContent !== ago) this.#time.textContent = ago;
    }

    /** Shows all of a text, or its beginning again. */
    expand() {
        const isLong = [...this.element.querySelectorAll(".open, .text")]
            .some((part) => part.scrollHeight > part.clientHeight + 1);
        this.element.classList.toggle("expanded", isLong && !this.element.classList.contains("expanded"));
    }
}

/** When a message may come again, from now: `{name, time}`. */
function snoozeTimes(now) {
    const at = (days) => new Date(now.getFullYear(), now.getMonth(), now.getDate() + days, 9);
    return [
        { name: "inAnHour", time: new Date(now.getTime() + 3600000) },
        { name: "tomorrow", time: at(1) },
        // The next Monday.
        { name: "nextWeek", time: at((8 - now.getDay()) % 7 || 7) },
    ];
}

/** The menu of times for a snooze. */
class SnoozeMenu {
    #anchor = null;
    #closed = null;
    element = make("div", { class: "menu", part: "menu", role: "menu", popover: "manual", hidden: true });

    constructor() {
        this.element.addEventListener("keydown", (event) => this.#pressed(event));
        this.element.addEventListener("focusout", ({ relatedTarget }) => {
            if (relatedTarget && !this.element.contains(relatedTarget)) this.close(false);
        });
    }

    get isOpen() {
        return this.#anchor !== null;
    }

    /** Opens at a button; `chosen(time)` with milliseconds since 1970, `closed()` in any case. */
    open(anchor, texts, chosen, closed) {
        this.close(false);
        this.#anchor = anchor;
        this.#closed = closed;
        anchor.setAttribute("aria-expanded", "true");
        this.element.setAttribute("aria-label", texts.get("snooze"));
        this.element.replaceChildren(...snoozeTimes(new Date()).map(({ name, time }) => make("button", {
            type: "button", class: "choice", role: "menuitem", tabindex: "-1", part: "menu-item",
            onclick: () => {
                this.close(true);
                chosen(time.getTime());
            },
        }, make("span", {}, texts.get(name)), make("span", { class: "when" }, texts.clock(time)))));
        showBox(this.element);
        this.place();
        this.element.firstChild.focus();
    }

    place() {
        if (this.#anchor !== null) placeBox(this.element, this.#anchor, { gap: 4 });
    }

    close(returnsFocus) {
        if (this.#anchor === null) return;
        const anchor = this.#anchor;
        this.#anchor = null;
        anchor.setAttribute("aria-expanded", "false");
        if (returnsFocus) anchor.focus();
        hideBox(this.element);
        this.#closed();
    }

    #pressed(event) {
        const choices = [...this.element.children];
        const index = choices.indexOf(this.element.getRootNode().activeElement);
        const next = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: -1 }[event.key];
        if (next !== undefined) choices.at(next % choices.length).focus();
        else if (event.key === "Escape" || event.key === "Tab") this.close(true);
        else return;
        if (event.key !== "Tab") event.preventDefault();
        event.stopPropagation();
    }
}

/** What arrives while the list is closed, for some seconds each. */
class Toasts {
    #events;
    /** item id → `{element, timer, milliseconds}`; `more` is the one that stands for many. */
    #shown = new Map();
    #more = 0;
    element = make("section", { class: "toasts", part: "toasts", popover: "manual", hidden: true });

    /** @param {object} events `opened(item, content, event)`, `all()`: to see the list, `left()`: the focus is lost. */
    constructor(events) {
        this.#events = events;
        for (const [name, holds] of [["pointerenter", true], ["focusin", true], ["pointerleave", false],
            ["focusout", false]]) {
            this.element.addEventListener(name, () => this.#hold(holds));
        }
        this.element.addEventListener("keydown", (event) => { if (event.key === "Escape") this.clear(); });
    }

    show(item, content, texts) {
        this.element.setAttribute("aria-label", texts.get("toasts"));
        if (this.#more > 0 || this.#shown.size >= toastsMax) {
            this.#showMore(texts);
            return;
        }
        const { open, picture, text } = showContent(content, (event) => {
            this.dismiss(item.id);
            this.#events.opened(item, content, event);
        });
        if (content.node) open.textContent = typeInWords(item.type);
        const milliseconds = content.severity === "error" ? errorToastMilliseconds : toastMilliseconds;
        const parts = [picture, make("div", { class: "body" }, open, text)];
        this.#add(item.id, content.severity, parts, milliseconds, texts);
    }

    /** All that stand there become one with a number. */
    #showMore(texts) {
        this.#more = (this.#more || this.#shown.size) + 1;
        this.clear(true);
        const title = texts.get("arrived", { count: this.#more });
        const { open, picture } = showContent(new Content(title), () => {
            this.clear();
            this.#events.all();
        });
        this.#add("more", undefined, [picture, make("div", { class: "body" }, open)], toastMilliseconds, texts);
    }

    #add(id, severity, parts, milliseconds, texts) {
        const close = make("button", {
            type: "button", class: "tool", part: "toast-close", "aria-label": texts.get("dismiss"),
            title: texts.get("dismiss"), onclick: () => this.dismiss(id),
        }, icon("close"));
        const attributes = { class: `toast ${severity ?? ""}`, part: "toast", "data-id": id };
        const element = make("div", attributes, ...parts, close);
        const toast = { element, milliseconds, timer: null };
        this.#shown.set(id, toast);
        this.element.append(element);
        showBox(this.element);
        if (!this.element.matches(":hover, :focus-within")) this.#start(id, toast);
    }

    #start(id, toast) {
        clearTimeout(toast.timer);
        toast.timer = setTimeout(() => this.dismiss(id), toast.milliseconds);
    }

    /** Nothing goes while the pointer or the focus is on it. */
    #hold(holds) {
        for (const [id, toast] of this.#shown) {
            if (holds) clearTimeout(toast.timer);
            else this.#start(id, toast);
        }
    }

    /** The toasts of messages that are not news any more go. */
    keep(condition) {
        for (const id of [...this.#shown.keys()]) if (id !== "more" && !condition(id)) this.dismiss(id);
    }

    dismiss(id) {
        const toast = this.#shown.get(id);
        if (toast === undefined) return;
        const hasFocus = toast.element.matches(":focus-within");
        clearTimeout(toast.timer);
        this.#shown.delete(id);
        toast.element.remove();
        if (id === "more") this.#more = 0;
        if (this.#shown.size > 0) return;
        hideBox(this.element);
        if (hasFocus) this.#events.left();
    }

    clear(keepsNumber = false) {
        const more = this.#more;
        for (const id of [...this.#shown.keys()]) this.dismiss(id);
        if (keepsNumber) this.#more = more;
    }
}

/** The count before the page's title, whatever title the page gives itself meanwhile. */
class TitleBadge {
    #count = 0;
    #observer = new MutationObserver(() => this.#apply());

    start() {
        this.#observer.observe(document.head, { childList: true, subtree: true, characterData: true });
        this.#apply();
    }

    stop() {
        this.#observer.disconnect();
        this.show(0);
    }

    show(count) {
        this.#count = count;
        this.#apply();
    }

    #apply() {
        const bare = document.title.replace(/^\(\d+\+?\) /, "");
        const title = this.#count > 0 ? `(${countText(this.#count)}) ${bare}` : bare;
        if (document.title !== title) document.title = title;
        this.#observer.takeRecords();
    }
}

/** The tabs for all messages and for unread ones: one stop of the Tab key, arrow keys between them. */
class Tabs {
    #chosen;
    #buttons = new Map();
    /** The name of the tab that is shown, as in `NotificationList.listings`. */
    selected = "all";
    element;

    /** @param chosen called when another one is. */
    constructor(chosen) {
        this.#chosen = chosen;
        for (const name of ["all", "unread"]) {
            this.#buttons.set(name, make("button", { type: "button", class: "tab", part: "tab", role: "tab",
                id: `tab-${name}`, "aria-controls": "list", onclick: () => this.#choose(name) }));
        }
        this.element = make("div", { class: "tabs", part: "tabs", role: "tablist", "aria-labelledby": "title",
            onkeydown: (event) => this.#pressed(event) }, ...this.#buttons.values());
    }

    focus() {
        this.#buttons.get(this.selected).focus({ preventScroll: true });
    }

    update(counts, texts) {
        for (const [name, button] of this.#buttons) {
            const isSelected = name === this.selected;
            button.setAttribute("aria-selected", String(isSelected));
            button.tabIndex = isSelected ? 0 : -1;
            const number = name === "unread" && counts.unviewed > 0
                ? make("span", { class: "number" }, countText(counts.unviewed)) : "";
            button.replaceChildren(texts.get(name), " ", number);
        }
    }

    #choose(name) {
        if (this.selected === name) return;
        this.selected = name;
        this.#chosen();
    }

    #pressed(event) {
        const names = [...this.#buttons.keys()];
        const index = names.indexOf(this.selected);
        const isReversed = getComputedStyle(this.element).direction === "rtl";
        const [before, after] = isReversed ? [index + 1, index - 1] : [index - 1, index + 1];
        const wanted = { ArrowLeft: before, ArrowRight: after, Home: 0, End: -1 }[event.key];
        if (wanted === undefined) return;
        event.preventDefault();
        this.#choose(names.at(wanted % names.length));
        this.focus();
    }
}

/** What is to be said of the connection, or for a while what could not be done. */
class Banner {
    #events;
    #error = null;
    #errorTimer;
    #countdown;
    #text = make("p");
    #button;
    element;

    /** @param {object} events `retry()`, `changed()`, `left()`: its button had the focus and is gone. */
    constructor(events) {
        this.#events = events;
        this.#button = make("button", { type: "button", class: "quiet", part: "retry", onclick: () => events.retry() });
        this.element = make("div", { class: "banner", part: "banner", hidden: true }, this.#text, this.#button);
    }

    /** Shows for a while why something was taken back; `null` ends that. */
    showError(text) {
        this.#error = text;
        clearTimeout(this.#errorTimer);
        if (text === null) return;
        this.#errorTimer = setTimeout(() => {
            this.#error = null;
            this.#events.changed();
        }, errorMilliseconds);
    }

    update(state, texts) {
        this.stop();
        const isError = this.#error !== null;
        const isOffline = state.name !== "connected" && navigator.onLine === false;
        const [text, action] =
            isError ? [this.#error, null]
            : isOffline ? [texts.get("offline"), null]
            : state.name === "reconnecting" ? [this.#reconnecting(state, texts), "reconnectNow"]
            : state.name === "refused" ? [texts.get("refused"), "retry"]
            : state.name === "closed" ? [`${texts.get("closed")} ${state.text}`.trim(), "retry"]
            : ["", null];
        this.element.hidden = text === "";
        this.element.classList.toggle("bad", isError || state.name === "refused");
        if (isError) this.element.setAttribute("role", "alert");
        else this.element.removeAttribute("role");
        if (this.#text.textContent !== text) this.#text.textContent = text;
        this.#showButton(action === null ? "" : texts.get(action));
        if (action !== "reconnectNow") return;
        this.#countdown = setInterval(() => { this.#text.textContent = this.#reconnecting(state, texts); }, 500);
    }

    /** The seconds do not go on. */
    stop() {
        clearInterval(this.#countdown);
    }

    #showButton(label) {
        if (this.#button.textContent !== label) this.#button.textContent = label;
        if (label === "" && this.#button.matches(":focus")) this.#events.left();
        this.#button.hidden = label === "";
    }

    #reconnecting({ retryAt }, texts) {
        const seconds = retryAt === null ? 0 : Math.ceil((retryAt - Date.now()) / 1000);
        return seconds > 0 ? texts.get("reconnectingIn", { seconds }) : texts.get("reconnecting");
    }
}

/** The messages of a tab, and what stands below them: that there are more, or none, or that reading failed. */
class ItemList {
    #events;
    #texts;
    #list = make("ol", { role: "list", part: "list" });
    #foot = make("div", { part: "foot" });
    #footName = "";
    #sentinel = make("div");
    #observer = null;
    /** item id → its view. */
    #views = new Map();
    /** The item that the Tab key stops at. */
    #currentID = null;
    menu = new SnoozeMenu();
    element;

    /**
     * @param {object} events `more(again)`, `content(item)` for an item's content, `shown(view)`, `left()`: the focus
     *     has no place in the list any more, and what items tell: `opened`, `acted`, `viewed`, `removed`,
     *     `snoozed(view, until)`.
     */
    constructor(events) {
        this.#events = events;
        this.element = make("div", { id: "list", class: "scroll", role: "tabpanel" }, this.#list, this.#foot,
            this.#sentinel);
        this.#list.addEventListener("keydown", (event) => this.#pressed(event));
        this.#list.addEventListener("focusin", ({ target }) => {
            const id = target.closest?.(".item")?.dataset.id;
            if (id) this.#setCurrent(id);
        });
        this.element.addEventListener("scroll", () => this.menu.close(false), { passive: true });
    }

    /** Takes other texts or renderers: everything is made anew. */
    reset(texts) {
        this.#texts = texts;
        this.menu.close(false);
        for (const view of this.#views.values()) this.#drop(view);
        this.#views.clear();
        this.#footName = "";
    }

    /** Begins to ask for more whenever the end is near. */
    open() {
        this.toTop();
        this.#observer = new IntersectionObserver((entries) => {
            if (entries.some(({ isIntersecting }) => isIntersecting)) this.#events.more(false);
        }, { root: this.element, rootMargin: "0px 0px 320px" });
    }

    close() {
        this.menu.close(false);
        this.#observer?.disconnect();
        this.#observer = null;
    }

    toTop() {
        this.#currentID = null;
        this.element.scrollTop = 0;
    }

    focus() {
        this.#views.get(this.#currentID)?.focus();
    }

    get hasFocus() {
        return this.#list.contains(this.#focused);
    }

    // What is shown

    update(feed, tab) {
        const focusedID = this.#focused?.closest?.(".item")?.dataset.id ?? null;
        const before = [...this.#views.keys()];
        const items = feed.list.shown(tab);
        this.element.setAttribute("aria-labelledby", `tab-${tab}`);
        this.#show(items, feed.keepsHistory);
        this.#moveCurrent(before, items);
        if (focusedID !== null && !this.#views.has(focusedID)) {
            if (items.length > 0) this.focus();
            else this.#events.left();
        }
        this.#updateFoot(feed, tab);
        // Asked anew, the observer says whether the end is in sight still.
        this.#observer?.unobserve(this.#sentinel);
        this.#observer?.observe(this.#sentinel);
    }

    /** Times go on while the list is open. */
    updateTimes() {
        const now = Date.now();
        for (const view of this.#views.values()) view.update(now);
    }

    #show(items, canSnooze) {
        const ids = new Set(items.map(({ id }) => id));
        for (const [id, view] of this.#views) if (!ids.has(id)) this.#drop(view);
        const now = Date.now();
        const views = new Map();
        let next = this.#list.firstChild;
        for (const item of items) {
            const view = this.#views.get(item.id) ?? this.#make(item);
            views.set(item.id, view);
            view.snoozeButton.hidden = !canSnooze;
            if (view.element === next) next = next.nextSibling;
            else this.#list.insertBefore(view.element, next);
            view.update(now);
        }
        this.#views = views;
    }

    #make(item) {
        const content = this.#events.content(item);
        const make = (shown) => new ItemView(item, shown, this.#texts, {
            ...this.#events, snooze: (asked) => this.#openMenu(asked),
        });
        try {
            const view = make(content);
            this.#events.shown(view);
            return view;
        } catch (error) {
            // A node of the page's that can be nobody's child, as its body.
            reportError(error);
            content.light?.removeAttribute("slot");
            return make(Content.plain(item.message));
        }
    }

    #drop(view) {
        // Else the browser would take the focus out of the list, which then would close.
        if (view.element.contains(this.#focused)) this.#events.left();
        view.element.remove();
        view.content.light?.remove();
    }

    get #focused() {
        return this.element.getRootNode().activeElement;
    }

    /** When the current item is gone, the next one is, or the last. */
    #moveCurrent(before, items) {
        if (items.length === 0) {
            this.#currentID = null;
        } else if (!this.#views.has(this.#currentID)) {
            const index = before.indexOf(this.#currentID);
            const follower = before.slice(index + 1).find((id) => this.#views.has(id));
            this.#setCurrent(index < 0 ? items[0].id : follower ?? items.at(-1).id);
        }
    }

    #setCurrent(id) {
        if (id !== this.#currentID) this.#views.get(this.#currentID)?.setCurrent(false);
        this.#currentID = id;
        this.#views.get(id)?.setCurrent(true);
    }

    #openMenu(view) {
        view.element.classList.add("busy");
        this.menu.open(view.snoozeButton, this.#texts, (until) => this.#events.snoozed(view, until),
            () => view.element.classList.remove("busy"));
    }

    #pressed(event) {
        // A node of the page's may hold fields, where these keys have a meaning of their own.
        if (event.target.closest?.("input, textarea, select, [contenteditable]")) return;
        const ids = [...this.#views.keys()];
        const index = ids.indexOf(this.#currentID);
        const wanted = { ArrowDown: index + 1, ArrowUp: index - 1, Home: 0, End: ids.length - 1 }[event.key];
        if (wanted !== undefined) this.#views.get(ids[wanted])?.focus();
        else if (event.key === "Delete") this.#events.removed(this.#views.get(this.#currentID));
        else return;
        event.preventDefault();
    }

    // What stands below

    #updateFoot(feed, tab) {
        const listing = feed.list.listings[tab];
        const isEmpty = this.#views.size === 0;
        const isLoading = listing.status === "loading";
        this.#list.setAttribute("aria-busy", String(isLoading));
        this.#list.hidden = isEmpty;
        const isRead = listing.floor !== null || !feed.keepsHistory;
        const name = listing.status === "failed" ? "failed"
            : isEmpty && isRead && !isLoading ? `empty-${tab}-${feed.keepsHistory}`
            : !feed.keepsHistory ? "notKept"
            : listing.isComplete ? "end"
            : isRead && !feed.list.hasRoom(tab) ? "cut"
            : !isEmpty && isLoading ? "loading"
            : isEmpty && (isLoading || ["connecting", "connected"].includes(feed.state.name)) ? "bones" : "";
        if (name === this.#footName) return;
        this.#footName = name;
        if (this.#foot.contains(this.#focused)) this.#events.left();
        this.#foot.className = isEmpty && name !== "bones" ? "blank" : name === "bones" ? "" : "foot";
        this.#foot.replaceChildren(...this.#footParts(name));
    }

    #footParts(name) {
        const text = (key, values) => make("p", {}, this.#texts.get(key, values));
        switch (name) {
        case "failed":
            return [text("failed"), make("button", { type: "button", class: "quiet retry-read", part: "retry",
                onclick: () => this.#events.more(true) }, this.#texts.get("retry"))];
        case "bones":
            return [make("p", { class: "hidden" }, this.#texts.get("loading")), ...[1, 2, 3, 4].map(() => make("div",
                { class: "bones" }, make("div", { class: "bone round" }), make("div", { class: "lines" },
                    make("div", { class: "bone short" }), make("div", { class: "bone long" }))))];
        case "cut":
            return [text("cut", { count: itemsMax })];
        case "end":
        case "loading":
        case "notKept":
            return [text(name)];
        case "":
            return [];
        default: {
            const key = name.startsWith("empty-unread") ? "emptyUnread" : "empty";
            return [make("slot", { name: "empty" }, icon(key === "empty" ? "bell" : "success"),
                make("p", { class: "lead" }, this.#texts.get(key)), text(`${key}Hint`),
                name.endsWith("false") ? text("notKept") : "")];
        }
        }
    }
}

/** The box that opens: header, tabs, banner, list. */
class Panel {
    #texts;
    #title = make("h2", { id: "title", class: "title", part: "title" });
    #markAll;
    #close;
    #tabs;
    #banner;
    #list;
    element;

    /** @param {object} events `closed()`, `markAll()`, `tab()`, `retry()`, `changed()`, and those of `ItemList`. */
    constructor(events) {
        const left = () => this.#tabs.focus();
        this.#tabs = new Tabs(() => {
            this.#list.toTop();
            events.tab();
        });
        this.#banner = new Banner({ ...events, left });
        this.#list = new ItemList({ ...events, left });
        this.#markAll = make("button", { type: "button", class: "quiet mark-all", part: "mark-all",
            onclick: () => events.markAll() });
        this.#close = make("button", { type: "button", class: "tool close", part: "close",
            onclick: () => events.closed() }, icon("close"));
        const header = make("div", { class: "header", part: "header" }, this.#title, this.#markAll, this.#close);
        this.element = make("div", { id: "panel", class: "panel", part: "panel", role: "dialog", popover: "manual",
            tabindex: "-1", "aria-labelledby": "title", hidden: true },
        header, this.#tabs.element, this.#banner.element, this.#list.element, make("slot", { name: "footer" }),
        this.#list.menu.element);
        this.element.addEventListener("keydown", (event) => {
            if (event.key === "Escape") events.closed();
            else if (event.key === "ArrowDown" && !this.#list.hasFocus) this.#list.focus();
            else return;
            event.preventDefault();
            event.stopPropagation();
        });
    }

    get isOpen() {
        return !this.element.hidden;
    }

    /** The name of the tab that is shown. */
    get tab() {
        return this.#tabs.selected;
    }

    /** Takes other texts or renderers: everything is made anew. */
    reset(texts) {
        this.#texts = texts;
        this.#list.reset(texts);
        this.#title.textContent = texts.get("title");
        this.#markAll.textContent = texts.get("markAll");
        for (const attribute of ["aria-label", "title"]) this.#close.setAttribute(attribute, texts.get("close"));
    }

    open(anchor) {
        showBox(this.element);
        this.place(anchor);
        this.#list.open();
        this.#tabs.focus();
    }

    close() {
        this.#list.close();
        this.#banner.stop();
        this.#banner.showError(null);
        hideBox(this.element);
    }

    place(anchor) {
        const isNarrow = document.documentElement.clientWidth <= 480;
        this.element.classList.toggle("narrow", isNarrow);
        placeBox(this.element, anchor, { gap: 8, isWhole: isNarrow });
        this.#list.menu.place();
    }

    showError(text) {
        this.#banner.showError(text);
    }

    /** @param feed whose list, counts and state are shown. */
    update(feed) {
        this.#tabs.update(feed.counts, this.#texts);
        const hasUnviewed = feed.counts.unviewed > 0;
        if (!hasUnviewed && this.#markAll.matches(":focus")) this.#tabs.focus();
        this.#markAll.disabled = !hasUnviewed;
        this.#banner.update(feed.state, this.#texts);
        this.#list.update(feed, this.tab);
    }

    updateTimes() {
        this.#list.updateTimes();
    }
}

const attributes = ["url", "token", "user", "lang", "texts", "toasts", "title-badge", "manual"];

/**
 * `<belfry-bell>`. Attributes: `url`, `token`, `user`, `lang`, `theme`, `texts`, `toasts="off"`, `title-badge`,
 * `app-badge="off"`, `manual`. Properties: `client`, `tokenProvider`, `render`, `texts`. Events: `belfry-opened`,
 * `belfry-closed`, `belfry-clicked`, `belfry-action`, `belfry-message`, `belfry-count`, `belfry-state`.
 */
export class BelfryBell extends (globalThis.HTMLElement ?? class {}) {
    static observedAttributes = attributes;
    static #sheet;

    #root;
    #bell;
    #badge = make("span", { class: "badge", part: "badge", "aria-hidden": "true", hidden: true });
    #lamp = make("span", { class: "lamp", part: "lamp", hidden: true });
    #announcer = make("p", { class: "hidden", role: "status", "aria-live": "polite" });
    #panel;
    #toasts;
    #titleBadge = new TitleBadge();
    #feed = null;
    #texts = new Texts("en", {});
    #client = null;
    #tokenProvider = null;
    #render = {};
    #ownTexts = {};
    #startTimer;
    #updateTimer = null;
    #clockTimer;
    #arrivals = 0;
    #countShown = null;
    #language = new MutationObserver(() => this.#retext());
    #outside = (event) => { if (!event.composedPath().includes(this)) this.close(false); };
    #moved = () => this.#panel.place(this.#bell);
    #onlineChanged = () => this.#update();
    #looked = () => this.#feed?.setOpen(this.#panel.isOpen && document.visibilityState === "visible");

    constructor() {
        super();
        this.#root = this.attachShadow({ mode: "open" });
        BelfryBell.#sheet ??= BelfryBell.#makeSheet();
        this.#root.adoptedStyleSheets = [BelfryBell.#sheet];
        this.#bell = make("button", { type: "button", class: "bell", part: "bell", "aria-haspopup": "dialog",
            "aria-expanded": "false", "aria-controls": "panel", onclick: () => this.toggle() },
        make("slot", { name: "icon" }, icon("bell")), this.#badge, this.#lamp);
        this.#panel = new Panel({
            closed: () => this.close(),
            changed: () => this.#update(),
            markAll: () => this.#feed.markAllViewed(),
            tab: () => this.#tabChosen(),
            more: (again) => this.#feed?.loadMore(this.#panel.tab, again),
            retry: () => this.#feed?.retry(),
            content: (item) => Content.of(item.message, this.#render),
            shown: ({ content }) => { if (content.light) this.append(content.light); },
            opened: (view, event) => this.#openItem(view.item, view.content, event, view),
            acted: (view, action, event) => this.#act(view.item, action, event),
            viewed: (view) => this.#feed.markViewed(view.item),
            removed: (view) => this.#feed.remove(view.item),
            snoozed: (view, until) => this.#feed.snooze(view.item, until),
        });
        this.#toasts = new Toasts({
            opened: (item, content, event) => this.#openItem(item, content, event, null),
            all: () => this.open(),
            left: () => this.#bell.focus(),
        });
        this.#root.append(this.#bell, this.#panel.element, this.#toasts.element, this.#announcer);
    }

    static #makeSheet() {
        const sheet = new CSSStyleSheet();
        sheet.replaceSync(css);
        return sheet;
    }

    // The element's life

    connectedCallback() {
        // What a page has set before this module was there.
        for (const name of ["client", "tokenProvider", "render", "texts", "url", "token", "user"]) {
            if (!Object.hasOwn(this, name)) continue;
            const value = this[name];
            delete this[name];
            this[name] = value;
        }
        this.#language.observe(document.documentElement, { attributes: true, attributeFilter: ["lang"] });
        document.addEventListener("visibilitychange", this.#looked);
        addEventListener("online", this.#onlineChanged);
        addEventListener("offline", this.#onlineChanged);
        this.#root.addEventListener("focusout", this.#focusLeft);
        this.#retext();
        if (this.hasAttribute("title-badge")) this.#titleBadge.start();
        this.#startSoon();
    }

    disconnectedCallback() {
        this.close(false);
        this.#toasts.clear();
        this.#titleBadge.stop();
        this.#language.disconnect();
        document.removeEventListener("visibilitychange", this.#looked);
        removeEventListener("online", this.#onlineChanged);
        removeEventListener("offline", this.#onlineChanged);
        this.#root.removeEventListener("focusout", this.#focusLeft);
        this.#startSoon();
    }

    attributeChangedCallback(name, before, now) {
        if (before === now || !this.isConnected) return;
        if (name === "lang" || name === "texts") this.#retext();
        else if (name === "toasts") this.#toasts.clear();
        else if (name !== "title-badge") this.#restart();
        else if (now === null) this.#titleBadge.stop();
        else this.#titleBadge.start();
    }

    /** In a task of its own: what a page sets in the same one is known then, and an element that is moved goes on. */
    #startSoon() {
        clearTimeout(this.#startTimer);
        this.#startTimer = setTimeout(() => {
            if (!this.isConnected) this.#stop();
            else if (this.#feed === null) this.#start();
        });
    }

    #restart() {
        this.#stop();
        this.#startSoon();
    }

    #stop() {
        this.#feed?.stop();
        this.#feed = null;
        this.close(false);
        this.#toasts.clear();
        this.#panel.reset(this.#texts);
        this.#update();
    }

    #start() {
        // A page that hands messages over has a client, or will have one.
        if (this.#client === null && this.hasAttribute("manual")) return;
        const client = this.#client ?? this.#makeClient();
        this.#feed = new Feed(client, {
            changed: () => this.#update(),
            arrived: (item) => this.#arrived(item),
            state: (state) => this.#stateChanged(state),
            refused: (error) => {
                this.#panel.showError(this.#texts.get("notDone", { reason: error.message }));
                this.#update();
            },
        }, { owns: this.#client === null, subscribes: !this.hasAttribute("manual") });
        this.#feed.start();
        this.#looked();
        this.#update();
    }

    /** All tabs are one session where it is known that they are one user's. */
    #makeClient() {
        const options = { url: new URL(this.url, document.baseURI).href };
        if (this.#tokenProvider !== null) options.tokenProvider = this.#tokenProvider;
        else if (this.token !== "") options.token = this.token;
        if (this.user === "" && !options.token) return new StompClient(options);
        return new SharedStompClient(this.user === "" ? options : { ...options, user: this.user });
    }

    // What a page sets and asks

    get url() {
        return this.getAttribute("url") ?? "/ws";
    }

    set url(value) {
        this.setAttribute("url", value);
    }

    get token() {
        return this.getAttribute("token") ?? "";
    }

    set token(value) {
        this.setAttribute("token", value);
    }

    /** Who the messages are for, where tokens do not say it to this page: another user begins anew. */
    get user() {
        return this.getAttribute("user") ?? "";
    }

    set user(value) {
        this.setAttribute("user", value);
    }

    /** A function that returns a token, or a promise of one, asked before each connection. */
    get tokenProvider() {
        return this.#tokenProvider;
    }

    set tokenProvider(value) {
        if (value === this.#tokenProvider) return;
        this.#tokenProvider = value;
        if (this.#client === null) this.#restart();
    }

    /** The page's own client, which it connects and disconnects itself; `null` for one of the bell's. */
    get client() {
        return this.#client;
    }

    set client(value) {
        if (value === this.#client) return;
        this.#client = value;
        this.#restart();
    }

    /** Renderers by type: functions of `(data, message)`. */
    get render() {
        return this.#render;
    }

    set render(value) {
        this.#render = value ?? {};
        this.#retext();
    }

    /** Texts of the page's own, by their names; those of the attribute `texts` beside them. */
    get texts() {
        return this.#ownTexts;
    }

    set texts(value) {
        this.#ownTexts = value ?? {};
        this.#retext();
    }

    /** `{unseen, unviewed}` as they are shown, up to 1,000. */
    get counts() {
        const { unseen = 0, unviewed = 0 } = this.#feed?.counts ?? {};
        return { unseen, unviewed };
    }

    /** `connecting`, `connected`, `reconnecting`, `refused` or `closed`. */
    get state() {
        return this.#feed?.state.name ?? "closed";
    }

    get isOpen() {
        return this.#panel.isOpen;
    }

    /**
     * Takes a `StompMessage` of the user's queue to which the page subscribes itself (attribute `manual`); the page
     * acknowledges it. False when it is only what the user's devices tell each other, and nothing to be shown.
     */
    receive(message) {
        return this.#feed?.receive(message) ?? !changeTypes.has(message.json?.type);
    }

    // Opening and closing

    toggle() {
        if (this.isOpen) this.close();
        else this.open();
    }

    open() {
        if (this.isOpen || !this.isConnected) return;
        if (this.#feed === null) this.#start();
        if (this.#feed === null || !this.#dispatch("belfry-opened", {}, true)) return;
        this.#toasts.clear();
        this.#bell.setAttribute("aria-expanded", "true");
        this.#panel.open(this.#bell);
        document.addEventListener("pointerdown", this.#outside);
        addEventListener("resize", this.#moved);
        addEventListener("scroll", this.#moved, { passive: true });
        this.#clockTimer = setInterval(() => this.#panel.updateTimes(), 30000);
        if (this.#panel.tab === "unread") this.#tabChosen();
        this.#looked();
        this.#draw();
    }

    /** @param {boolean} returnsFocus whether the bell gets the focus that the list had. */
    close(returnsFocus = true) {
        if (!this.isOpen) return;
        document.removeEventListener("pointerdown", this.#outside);
        removeEventListener("resize", this.#moved);
        removeEventListener("scroll", this.#moved);
        clearInterval(this.#clockTimer);
        this.#bell.setAttribute("aria-expanded", "false");
        if (returnsFocus) this.#bell.focus();
        this.#panel.close();
        this.#looked();
        this.#dispatch("belfry-closed", {});
    }

    /** Marks everything as viewed. */
    markAllViewed() {
        this.#feed?.markAllViewed();
    }

    #tabChosen() {
        const { floor, status } = this.#feed.list.listings[this.#panel.tab];
        if (floor === null && status !== "loading") this.#feed.loadMore(this.#panel.tab, true);
        this.#draw();
    }

    #openItem(item, content, event, view) {
        const { message } = item;
        const isPlain = event.button === 0 && !event.ctrlKey && !event.metaKey && !event.shiftKey;
        this.#feed.markViewed(item);
        if (content.url && isPlain) this.close();
        const goesOn = this.#dispatch("belfry-clicked", { message, url: content.url ?? null }, true);
        if (!goesOn) event.preventDefault();
        else if (content.url) return;
        else if (view) view.expand();
        else this.open();
    }

    #act(item, { url, action }, event) {
        this.#feed.markViewed(item);
        if (url) this.close();
        if (!this.#dispatch("belfry-action", { message: item.message, action }, true)) event.preventDefault();
    }

    // What the feed tells

    #arrived(item) {
        if (!this.#dispatch("belfry-message", { message: item.message }, true)) return;
        const content = Content.of(item.message, this.#render);
        this.#announceArrival(content.title ?? typeInWords(item.type));
        if (!this.isOpen && this.getAttribute("toasts") !== "off") this.#toasts.show(item, content, this.#texts);
    }

    #announceArrival(title) {
        this.#arrivals++;
        if (this.#arrivals > 1) return;
        setTimeout(() => {
            this.#announcer.textContent = this.#arrivals === 1
                ? this.#texts.get("arrivedOne", { title: cut(title, titleMax) })
                : this.#texts.get("arrived", { count: this.#arrivals });
            this.#arrivals = 0;
        }, announcementMilliseconds);
    }

    #stateChanged({ name, text }) {
        if (this.isOpen && name === "reconnecting") this.#announcer.textContent = this.#texts.get("reconnecting");
        this.#dispatch("belfry-state", { state: name, reason: text });
    }

    #focusLeft = ({ relatedTarget }) => {
        if (relatedTarget && !this.#root.contains(relatedTarget) && !this.contains(relatedTarget)) this.close(false);
    };

    #dispatch(type, detail, cancelable = false) {
        return this.dispatchEvent(new CustomEvent(type, { detail, cancelable, bubbles: true, composed: true }));
    }

    // Drawing

    #retext() {
        if (!this.isConnected) return;
        const locale = this.getAttribute("lang") || this.closest("[lang]")?.lang || document.documentElement.lang;
        this.#texts = new Texts(locale || "en", { ...this.#attributeTexts(), ...this.#ownTexts });
        this.#panel.reset(this.#texts);
        this.#update();
    }

    #attributeTexts() {
        try {
            const texts = JSON.parse(this.getAttribute("texts") ?? "{}");
            return typeof texts === "object" && texts !== null ? texts : {};
        } catch (error) {
            reportError(new Error(`The attribute texts of <belfry-bell> is no JSON: ${error.message}`));
            return {};
        }
    }

    /** Draws what has changed, together with what changes at the same moment. */
    #update() {
        this.#updateTimer ??= setTimeout(() => this.#draw(), this.isOpen ? drawingMilliseconds : 0);
    }

    #draw() {
        clearTimeout(this.#updateTimer);
        this.#updateTimer = null;
        if (!this.isConnected) return;
        const { unseen } = this.counts;
        const state = this.state;
        this.#badge.textContent = countText(unseen);
        this.#badge.hidden = unseen === 0;
        this.#lamp.hidden = state !== "reconnecting" && state !== "refused";
        this.#lamp.classList.toggle("refused", state === "refused");
        this.#bell.setAttribute("aria-label", this.#bellText(unseen, state));
        this.#showCount();
        if (this.#feed === null) return;
        const { list } = this.#feed;
        this.#toasts.keep((id) => list.get(id)?.viewed === false);
        if (this.isOpen) this.#panel.update(this.#feed);
    }

    #bellText(unseen, state) {
        const text = unseen > 0 ? this.#texts.get("bellNew", { count: unseen }) : this.#texts.get("bell");
        const trouble = state === "reconnecting" || state === "refused" ? this.#texts.get(state) : "";
        return trouble === "" ? text : `${text}. ${trouble}`;
    }

    /** The count where else it is shown: the page's title, the app's icon, and the page's own places. */
    #showCount() {
        const { unseen, unviewed } = this.counts;
        if (this.#countShown === `${unseen}/${unviewed}`) return;
        this.#countShown = `${unseen}/${unviewed}`;
        if (this.hasAttribute("title-badge")) this.#titleBadge.show(unseen);
        if (this.getAttribute("app-badge") !== "off") {
            const shown = unseen > 0 ? navigator.setAppBadge?.(Math.min(unseen, countMax - 1))
                : navigator.clearAppBadge?.();
            // Not every page is one of an app.
            shown?.catch(() => {});
        }
        this.#dispatch("belfry-count", { unseen, unviewed });
    }
}

if (globalThis.customElements && !customElements.get("belfry-bell")) {
    customElements.define("belfry-bell", BelfryBell);
}
