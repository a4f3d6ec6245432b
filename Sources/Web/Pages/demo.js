/**
 * The demo page: sign in, see notifications arrive, acknowledge them. Beside it the bell, by the page's own client:
 * what comes is handed to it, and stays unacknowledged until a button of this page says so.
 */
import { StompClient } from "/stomp.js";

const shownMax = 500;
const highlightedCharactersMax = 20000;
const storageKey = "belfry.demo";
const refusedTokenCodes = [4001, 4002];
const element = (id) => document.getElementById(id);

/** What survives a reload: `token`, `auto`, and each topic's name with the last id it brought. */
const saved = { token: "", auto: false, topics: {}, ...readStorage() };
/** The answer of /dev/info; `null` outside of development mode, `undefined` while it is not known. */
let info;
let client = null;
let wasConnected = false;
let countdown;
/** message id → `{message, item, status}` of each notification shown. */
const entries = new Map();
/** topic → its subscription. */
const topics = new Map();

function readStorage() {
    try {
        return JSON.parse(sessionStorage.getItem(storageKey)) ?? {};
    } catch {
        return {};
    }
}

function save() {
    sessionStorage.setItem(storageKey, JSON.stringify(saved));
}

// Signing in and out

async function loadInfo() {
    try {
        const response = await fetch("/dev/info", { cache: "no-store" });
        info = response.ok ? await response.json() : response.status === 404 ? null : undefined;
    } catch {
        info = undefined;
    }
    if (info !== undefined) showMode();
    return info !== undefined;
}

function showMode() {
    element("user-field").hidden = info === null;
    element("token-field").hidden = info !== null;
    element("send").hidden = info === null;
    element("database").hidden = !info?.psql;
    element("psql").textContent = info?.psql ?? "";
    element("sql-part").hidden = /insert/i.test(info?.psql ?? "");
    element("version").textContent = info?.version ?? "";
}

function tokenField() {
    return element(info === null ? "token" : "user");
}

async function showSignIn(error = "") {
    element("inbox").hidden = element("who").hidden = true;
    while (info === undefined && !(await loadInfo())) {
        showError("The server does not answer. Trying again every two seconds.");
        element("sign-in").hidden = false;
        await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    if (client) return;
    showError(error);
    element("sign-in").hidden = false;
    tokenField().setAttribute("aria-invalid", String(error !== ""));
    tokenField().focus();
}

function showError(text) {
    element("sign-in-error").textContent = text;
    element("sign-in-error").hidden = text === "";
}

function submitSignIn(event) {
    event.preventDefault();
    const token = tokenField().value.trim();
    if (token === "") {
        showSignIn(info === null ? "Paste a token." : "Enter a user id.");
        return;
    }
    saved.token = token;
    save();
    signIn();
    element("stream-title").focus();
}

function signIn() {
    wasConnected = false;
    showError("");
    showName(nameInToken(saved.token));
    element("sign-in").hidden = true;
    element("inbox").hidden = element("who").hidden = false;
    client = new StompClient({ url: "/ws", token: saved.token, onState: showState });
    client.subscribe("/user/queue/msg", receive, { ack: "client-individual", onRepeat: showRepeat });
    element("bell").client = client;
    for (const [topic, last] of Object.entries(saved.topics)) subscribe(topic, last ?? undefined);
    client.connect();
}

function signOut() {
    const leaving = client;
    Object.assign(saved, { token: "", topics: {} });
    save();
    forget();
    leaving?.disconnect();
    showSignIn();
}

/** Back to an empty page with nobody signed in. */
function forget() {
    client = element("bell").client = null;
    topics.clear();
    element("topics").replaceChildren();
    entries.clear();
    element("notifications").replaceChildren();
    element("dropped").hidden = true;
    element("user").value = element("token").value = "";
    clearInterval(countdown);
    setState("closed", "Not connected");
    showCounts();
}

/** The user a token names, for display only: `sub` of a JWT, or the token itself, which in development is the user. */
function nameInToken(token) {
    try {
        const payload = token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/");
        const bytes = Uint8Array.from(atob(payload), (character) => character.charCodeAt(0));
        return JSON.parse(new TextDecoder().decode(bytes)).sub || "a user";
    } catch {
        return token;
    }
}

function showName(name) {
    const literal = (text) => `'${text.replaceAll("'", "''")}'`;
    element("who-name").textContent = element("empty-name").textContent = name;
    element("sql").textContent =
        `insert into belfry.message_log (receiver, type, data)\nvalues (${literal(name)}, 'STRING_MSG', '"Hello"');`;
}

// The state of the connection

function showState(state, { reason, retryAt, headers }) {
    clearInterval(countdown);
    switch (state) {
    case "connecting":
        setState(state, "Connecting…");
        break;
    case "connected":
        announce(wasConnected ? "Connected again." : "Connected.");
        wasConnected = true;
        setState(state, "Connected");
        if (headers["user-name"]) showName(headers["user-name"]);
        if (info === undefined) loadInfo();
        break;
    case "reconnecting":
        if (element("state").dataset.state !== state) announce(`${reason.text} Trying again.`);
        setState(state, "Reconnecting…");
        showBanner(reason.text, "Try now", false);
        if (retryAt !== null) {
            countDown(retryAt);
            countdown = setInterval(countDown, 250, retryAt);
        }
        break;
    case "closed":
        showClosed(reason);
        break;
    }
}

function setState(state, text) {
    element("state").dataset.state = state;
    element("state-text").textContent = text;
    element("banner").hidden = true;
}

function showBanner(text, action, refused) {
    element("banner-text").textContent = text;
    element("countdown").textContent = refused ? "" : "Trying again…";
    element("retry").textContent = action;
    element("banner").classList.toggle("refused", refused);
    element("banner").hidden = false;
}

function countDown(retryAt) {
    const seconds = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    element("state-text").textContent = `Reconnecting in ${seconds} s`;
    element("countdown").textContent = `Trying again in ${seconds} s.`;
}

/** The server refused, or something broke that another try would break again. */
function showClosed(reason) {
    if (client === null) return;
    if (wasConnected && !refusedTokenCodes.includes(reason.code)) {
        setState("refused", "Closed");
        showBanner(reason.text, "Connect again", true);
        announce(reason.text);
        return;
    }
    const { token } = saved;
    saved.token = "";
    save();
    forget();
    setState("refused", "Refused");
    tokenField().value = token;
    showSignIn(reason.text);
}

function retry() {
    if (client.state === "closed") client.connect();
    else client.reconnectNow();
}

// Notifications

/** What the user's devices tell each other of is no notification. */
function receive(message) {
    if (element("bell").receive(message)) show(message);
    else message.ack();
}

function show(message) {
    const item = element("notification").content.firstElementChild.cloneNode(true);
    const entry = { message, item, status: "waiting" };
    const content = readContent(message);
    item.dataset.id = message.id;
    item.querySelector(".type").textContent = content.type;
    item.querySelector(".id").textContent = `#${message.id}`;
    item.querySelector(".redelivered").hidden = !message.redelivered;
    if (message.destination?.startsWith("/topic/")) showTopicBadge(item, message);
    showTime(item.querySelector("time"), content.created);
    showData(item.querySelector(".data"), content.data);
    item.querySelector(".acknowledge").setAttribute("aria-label", `Acknowledge ${content.type} ${message.id}`);
    item.querySelector(".acknowledge").addEventListener("click", () => acknowledge(entry));
    entries.set(message.id, entry);
    element("notifications").prepend(item);
    makeScrollable(item.querySelector(".data"));
    setStatus(entry, "waiting");
    if (entries.size > shownMax) dropOldest();
    announceArrival(content.type);
    if (saved.auto) acknowledge(entry);
}

/** `{type, created, data}` of a message; numbers keep the digits they were sent with, where the browser can. */
function readContent(message) {
    try {
        const content = JSON.parse(message.body, (key, value, context) =>
            typeof value === "number" && context?.source && JSON.rawJSON ? JSON.rawJSON(context.source) : value);
        return { type: String(content.type), created: Number(message.json.created), data: content.data };
    } catch {
        return { type: "not JSON", created: Date.now(), data: message.body };
    }
}

function showTopicBadge(item, message) {
    const topic = message.destination.slice("/topic/".length);
    item.querySelector(".topic").textContent = `topic ${topic}`;
    item.querySelector(".topic").hidden = false;
    if (Object.hasOwn(saved.topics, topic)) {
        saved.topics[topic] = message.id;
        save();
    }
}

function showTime(time, created) {
    const date = new Date(created);
    if (Number.isNaN(date.getTime())) return;
    const today = date.toDateString() === new Date().toDateString();
    time.dateTime = date.toISOString();
    time.title = date.toLocaleString(undefined, { dateStyle: "full", timeStyle: "medium" });
    time.textContent = today
        ? date.toLocaleTimeString(undefined, { timeStyle: "medium" })
        : date.toLocaleString(undefined, { dateStyle: "medium", timeStyle: "medium" });
}

/** A string as it is, everything else as indented JSON in colours; only ever as text nodes. */
function showData(target, data) {
    if (typeof data === "string") {
        target.textContent = data;
        return;
    }
    const text = JSON.stringify(data, null, 2) ?? "";
    if (text.length > highlightedCharactersMax) {
        target.textContent = text;
        return;
    }
    const tokens = /("(?:[^"\\]|\\.)*")(\s*:)?|[^\s"{}[\],:]+/g;
    let end = 0;
    for (const match of text.matchAll(tokens)) {
        const span = document.createElement("span");
        span.className = match[1] === undefined ? "json-other" : match[2] ? "json-key" : "json-string";
        span.textContent = match[1] ?? match[0];
        target.append(text.slice(end, match.index), span);
        end = match.index + span.textContent.length;
    }
    target.append(text.slice(end));
}

/** What scrolls can be reached by the keyboard. */
function makeScrollable(data) {
    if (data.textContent.length < 200 || data.scrollHeight <= data.clientHeight) return;
    data.tabIndex = 0;
    data.setAttribute("role", "group");
    data.setAttribute("aria-label", "Data");
}

function showRepeat(message, confirmation) {
    const entry = entries.get(message.id);
    if (entry === undefined) {
        if (confirmation === null) receive(message);
        return;
    }
    entry.item.querySelector(".redelivered").hidden = false;
    if (confirmation !== null) confirm(entry, confirmation);
    else if (saved.auto) acknowledge(entry);
}

function acknowledge(entry) {
    const live = client.state === "connected";
    moveFocusOn(entry.item);
    setStatus(entry, "sending", "Acknowledging…");
    confirm(entry, entry.message.ack(true), live);
}

async function confirm(entry, confirmation, live = true) {
    try {
        await confirmation;
        setStatus(entry, "acknowledged", "Acknowledged");
    } catch {
        setStatus(entry, "unconfirmed", live
            ? "The connection was lost before the confirmation; acknowledged again if it comes back."
            : "Acknowledged as soon as it comes back.");
    }
}

function setStatus(entry, status, outcome = "") {
    entry.status = entry.item.dataset.status = status;
    entry.item.querySelector(".acknowledge").hidden = status !== "waiting";
    entry.item.querySelector(".outcome").textContent = outcome;
    showCounts();
}

/** The button that was pressed goes away; the next one takes the focus. */
function moveFocusOn(item) {
    if (!item.contains(document.activeElement)) return;
    let next = item.nextElementSibling;
    while (next && next.dataset.status !== "waiting") next = next.nextElementSibling;
    (next?.querySelector(".acknowledge") ?? element("stream-title")).focus({ preventScroll: true });
}

function dropOldest() {
    const oldest = element("notifications").lastElementChild;
    entries.delete(oldest.dataset.id);
    oldest.remove();
    element("dropped").hidden = false;
    showCounts();
}

let countsDue = false;

/** Once for all that arrived together. */
function showCounts() {
    if (countsDue) return;
    countsDue = true;
    queueMicrotask(() => {
        countsDue = false;
        let waiting = 0;
        for (const { status } of entries.values()) if (status === "waiting") waiting += 1;
        element("counts").textContent = entries.size === 0 ? "" : `${waiting} waiting, ${entries.size} shown`;
        element("empty").hidden = entries.size > 0;
        document.title = waiting > 0 ? `(${waiting}) Belfry` : "Belfry";
    });
}

let arrivals = 0;

/** Many arrivals are read out as one sentence. */
function announceArrival(type) {
    arrivals += 1;
    if (arrivals > 1) return;
    setTimeout(() => {
        announce(arrivals === 1 ? `New notification, ${type}.` : `${arrivals} new notifications.`);
        arrivals = 0;
    }, 500);
}

function announce(text) {
    element("announcer").textContent = text;
}

function switchAuto(event) {
    saved.auto = event.target.checked;
    save();
    if (!saved.auto) return;
    for (const entry of entries.values()) if (entry.status === "waiting") acknowledge(entry);
}

// Tools

async function send(event) {
    event.preventDefault();
    const type = element("type").value.trim();
    const text = element("data").value;
    const button = event.target.querySelector("button[type=submit]");
    let data = text;
    if (type !== "STRING_MSG") {
        try {
            data = JSON.parse(text);
        } catch (error) {
            showResult("send-result", `The data is not JSON: ${error.message}`, true);
            return;
        }
    }
    button.disabled = true;
    try {
        const response = await fetch("/dev/notify", {
            method: "POST",
            headers: { "Content-Type": "application/json" },
            body: JSON.stringify({ receiver: element("who-name").textContent, type, data }),
        });
        const answer = await response.text();
        if (response.ok) showResult("send-result", `Sent as #${JSON.parse(answer).id}.`);
        else showResult("send-result", errorText(answer) || `The server answered ${response.status}.`, true);
    } catch {
        showResult("send-result", "The server cannot be reached.", true);
    } finally {
        button.disabled = false;
    }
}

/** The sentence in an error's body: JSON with a message, or plain text. */
function errorText(answer) {
    try {
        const { error, message } = JSON.parse(answer);
        return message ?? error?.message ?? error ?? answer;
    } catch {
        return answer;
    }
}

function showResult(id, text, failed = false) {
    element(id).textContent = text;
    element(id).classList.toggle("failed", failed);
}

function submitTopic(event) {
    event.preventDefault();
    const topic = element("topic").value.trim();
    element("topic").value = "";
    if (topic !== "" && !topics.has(topic)) subscribe(topic);
}

function subscribe(topic, lastMessageId) {
    topics.set(topic, client.subscribe(`/topic/${topic}`, show, {
        ack: "client-individual", onRepeat: showRepeat, lastMessageId,
    }));
    saved.topics[topic] = lastMessageId ?? null;
    save();
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = "×";
    button.setAttribute("aria-label", `Unsubscribe from ${topic}`);
    button.addEventListener("click", () => {
        topics.get(topic)?.unsubscribe();
        topics.delete(topic);
        delete saved.topics[topic];
        save();
        item.remove();
        element("topic").focus();
    });
    item.append(topic, button);
    element("topics").append(item);
}

async function copy({ currentTarget }) {
    const source = element(currentTarget.dataset.copy);
    try {
        await navigator.clipboard.writeText(source.textContent);
        showResult("copied", "Copied.");
    } catch {
        getSelection().selectAllChildren(source);
        showResult("copied", "Selected: copy it with Ctrl+C.");
    }
}

element("sign-in-form").addEventListener("submit", submitSignIn);
element("sign-out").addEventListener("click", signOut);
element("retry").addEventListener("click", retry);
element("auto").addEventListener("change", switchAuto);
element("send").addEventListener("submit", send);
element("topic-form").addEventListener("submit", submitTopic);
for (const button of document.querySelectorAll("[data-copy]")) button.addEventListener("click", copy);

element("auto").checked = saved.auto;
if (saved.token !== "") {
    signIn();
    loadInfo();
} else {
    showSignIn();
}
