/** The operators' console: signing in, the connection, which page is open, and keys. Pages are modules of their own. */
import * as audit from "/console/audit.js";
import * as doctor from "/console/doctor.js";
import { address, announce, h, show } from "/console/dom.js";
import { setUTC, showsUTC } from "/console/format.js";
import * as jobs from "/console/jobs.js";
import * as messages from "/console/messages.js";
import * as overview from "/console/overview.js";
import { Page } from "/console/page.js";
import * as parked from "/console/parked.js";
import * as processes from "/console/processes.js";
import { Source } from "/console/source.js";
import * as types from "/console/types.js";
import * as users from "/console/users.js";

const storageKey = "belfry.console";
const element = (id) => document.getElementById(id);
/** Name in the path → module, title, the key behind `g`. */
const pages = new Map([
    ["overview", { module: overview, title: "Overview", key: "o" }],
    ["messages", { module: messages, title: "Messages", key: "m" }],
    ["users", { module: users, title: "Users", key: "u" }],
    ["parked", { module: parked, title: "Parked", key: "p" }],
    ["jobs", { module: jobs, title: "Replay jobs", key: "j" }],
    ["types", { module: types, title: "Types", key: "t" }],
    ["processes", { module: processes, title: "Processes", key: "s" }],
    ["audit", { module: audit, title: "Audit", key: "a" }],
    ["doctor", { module: doctor, title: "Doctor", key: "d" }],
]);
/** Paths that are pages, and stand in no list of them. */
const others = new Map([["topics", { module: users, parent: "users" }]]);

/** `{token}` or `{login, passcode}`. Kept in this tab only, and never in `localStorage`. */
let who = remembered();
/** The answer of /dev/info; `null` outside of development mode, `undefined` while it is not known. */
let info;
let source = null;
let me = null;
let page = null;
let shownPath = null;
let wasConnected = false;
let countdown;

// Signing in and out

function remembered() {
    try {
        return JSON.parse(sessionStorage.getItem(storageKey));
    } catch {
        return null;
    }
}

async function loadInfo() {
    try {
        const response = await fetch("/dev/info", { cache: "no-store" });
        info = response.ok ? await response.json() : response.status === 404 ? null : undefined;
    } catch {
        info = undefined;
    }
    if (info === undefined) return false;
    element("user-field").hidden = info === null;
    element("token-field").hidden = element("password-field").hidden = info !== null;
    element("version").textContent = info?.version ?? "";
    return true;
}

function isByPassword() {
    return info === null && element("password-field").open;
}

/** Where one begins to say who one is. */
function whoField() {
    return element(info !== null ? "user" : isByPassword() ? "login" : "token");
}

/** What stands in the fields; `null` while something is missing. */
function whoInFields() {
    const first = whoField().value.trim();
    if (first === "") return null;
    if (!isByPassword()) return { token: first };
    const passcode = element("passcode").value;
    return passcode === "" ? null : { login: first, passcode };
}

/** Back into the fields, after a refusal. */
function fillFields({ token, login, passcode }) {
    element("password-field").open = login !== undefined;
    whoField().value = login ?? token;
    if (login !== undefined) element("passcode").value = passcode;
}

function showError(text) {
    element("sign-in-error").textContent = text;
    element("sign-in-error").hidden = text === "";
}

/** @param given what was refused, or could not be asked about. */
async function showSignIn(error = "", given = null) {
    element("frame").hidden = element("who").hidden = element("jump").hidden = true;
    element("sign-in").hidden = false;
    document.title = "Belfry console";
    while (info === undefined && !(await loadInfo())) {
        showError("The server does not answer. Trying again every two seconds.");
        await new Promise((resolve) => setTimeout(resolve, 2000));
    }
    if (given !== null) fillFields(given);
    showError(error);
    whoField().setAttribute("aria-invalid", String(error !== ""));
    whoField().focus();
}

function submitSignIn(event) {
    event.preventDefault();
    const given = whoInFields();
    if (given !== null) signIn(given);
    else if (isByPassword()) showSignIn("Enter a login and its password.");
    else showSignIn(info === null ? "Paste a token." : "Enter a user id.");
}

/** Asks who that is before anything is shown. */
async function signIn(given) {
    const button = element("sign-in-form").querySelector("button");
    button.disabled = true;
    const opened = new Source(given, (state, detail) => source === opened && showState(state, detail));
    try {
        me = await opened.get("me");
    } catch (error) {
        forget();
        if (error.status === 401 || error.status === 403) showSignIn(error.message, given);
        else awaitServer(given, error);
        return;
    } finally {
        button.disabled = false;
    }
    who = given;
    sessionStorage.setItem(storageKey, JSON.stringify(who));
    source = opened;
    wasConnected = false;
    source.addEventListener("refused", ({ detail }) => source === opened && refused(detail));
    source.addEventListener("late", ({ detail }) => source === opened && showLate(detail));
    element("sign-in").hidden = true;
    element("frame").hidden = element("who").hidden = element("jump").hidden = false;
    element("who-name").textContent = me.user;
    element("who-right").hidden = me.mayAct;
    showError("");
    source.connect();
    open();
    if (info === undefined) loadInfo();
}

/** A node that is away says nothing about a token: it is tried again, as long as nobody types another. */
async function awaitServer(given, error) {
    await showSignIn(`${error.message} Trying again in two seconds.`, given);
    await new Promise((resolve) => setTimeout(resolve, 2000));
    if (source === null && JSON.stringify(whoInFields()) === JSON.stringify(given)) signIn(given);
}

/** The page's address stays, so that the next token opens it again. */
function refused(sentence) {
    forget();
    showSignIn(sentence);
}

function forget() {
    page?.end();
    source?.close();
    who = null;
    sessionStorage.removeItem(storageKey);
    source = me = page = shownPath = null;
    clearInterval(countdown);
    element("page").replaceChildren();
    for (const name of ["user", "token", "login", "passcode"]) element(name).value = "";
    setState("closed", "Not connected");
}

function signOut() {
    forget();
    showSignIn();
}

// The state of the connection

function showState(state, { reason, retryAt }) {
    clearInterval(countdown);
    element("main").classList.toggle("stale", state !== "connected" && wasConnected);
    switch (state) {
    case "connecting":
        setState(state, "Connecting…");
        break;
    case "connected":
        if (wasConnected) announce("Connected again.");
        wasConnected = true;
        setState(state, "Live");
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
        if (reason.code === 4001 || reason.code === 4002) {
            refused(reason.text);
        } else {
            setState("refused", "Closed");
            showBanner(reason.text, "Connect again", true);
        }
        break;
    }
}

/** Connected, but answers do not come. */
function showLate(isLate) {
    if (source?.state === "connected") setState(isLate ? "late" : "connected", isLate ? "No answer" : "Live");
}

function setState(state, text) {
    element("state").dataset.state = state;
    element("state-text").textContent = text;
    element("banner").hidden = true;
}

function showBanner(text, action, isRefused) {
    element("banner-text").textContent = `${text} What is shown is not live.`;
    element("countdown").textContent = isRefused ? "" : "Trying again…";
    element("retry").textContent = action;
    element("banner").classList.toggle("refused", isRefused);
    element("banner").hidden = false;
}

function countDown(retryAt) {
    const left = Math.max(0, Math.ceil((retryAt - Date.now()) / 1000));
    element("state-text").textContent = `Reconnecting in ${left} s`;
    element("countdown").textContent = `Trying again in ${left} s.`;
}

// Pages

/** What the address names: parts of the path, and what it asks for. */
function route() {
    const [path, search = ""] = location.hash.replace(/^#\/?/, "").split(/\?(.*)/s);
    const parts = path.split("/").filter((part) => part !== "").map((part) => {
        try {
            return decodeURIComponent(part);
        } catch {
            return part;
        }
    });
    const query = Object.fromEntries(new URLSearchParams(search));
    return { path, parts: parts.length === 0 ? ["overview"] : parts, query };
}

function go(parts, query, { replaces = false } = {}) {
    const target = address(parts, query);
    if (target === location.hash) open();
    else if (replaces) location.replace(target);
    else location.hash = target;
}

function open() {
    if (source === null) return;
    const { path, parts, query } = route();
    const [name] = parts;
    const wanted = pages.get(name) ?? others.get(name);
    const isSamePath = shownPath === path;
    const focused = isSamePath ? document.activeElement?.id ?? "" : "";
    shownPath = path;
    // An act is of the page that it was asked on.
    document.querySelector("dialog[open]")?.close();
    showNav(wanted?.parent ?? name);
    page?.end();
    showLate(false);
    page = new Page({ root: element("page"), parts, query, source, me, go, again: () => open() });
    if (wanted === undefined) {
        page.heading("There is no such page");
        show(page.body, h("p", null, "The address names a page that the console does not have. ",
            h("a", { href: "#/overview" }, "To the overview")));
    } else {
        wanted.module.open(page);
    }
    // Another search of the same page leaves the focus in the field that asked for it.
    const kept = focused === "" ? null : element(focused);
    if (kept) kept.focus({ preventScroll: true });
    else page.focus();
}

function showNav(current) {
    show(element("nav-list"), [...pages].map(([name, { title }]) => h("li", { key: name },
        h("a", { href: `#/${name}`, "aria-current": name === current ? "page" : null }, title))));
    // Where the pages stand in a line that scrolls.
    const marked = element("nav-list").querySelector("[aria-current]");
    if (marked) element("nav").scrollLeft = marked.offsetLeft - (element("nav").clientWidth - marked.offsetWidth) / 2;
}

function jump(event) {
    event.preventDefault();
    const text = element("jump-to").value.trim().replace(/^#/, "");
    if (text === "") return;
    element("jump-to").value = "";
    element("jump-to").blur();
    if (/^\d{1,19}$/.test(text)) go(["messages", text]);
    else go(["users", text]);
}

// Keys

let isGoing = false;

function isTyping({ target }) {
    return target instanceof Element && target.closest("input, textarea, select, [contenteditable]") !== null;
}

function pressed(event) {
    if (event.ctrlKey || event.metaKey || event.altKey || source === null) return;
    if (document.querySelector("dialog[open]") !== null) return;
    if (isTyping(event)) {
        if (event.key === "Escape") event.target.blur();
        return;
    }
    if (isGoing) {
        isGoing = false;
        const found = [...pages].find(([, { key }]) => key === event.key);
        if (found) go([found[0]]);
        return;
    }
    switch (event.key) {
    case "g":
        isGoing = true;
        setTimeout(() => { isGoing = false; }, 2000);
        return;
    case "/":
        element("jump-to").focus();
        break;
    case "f":
        document.querySelector("#page form input")?.focus();
        break;
    case "?":
        openHelp();
        break;
    default:
        return;
    }
    event.preventDefault();
}

function openHelp() {
    const keys = [
        ["/", "a message by its id, or a user"], ["f", "the first field of the page"],
        ...[...pages].map(([, { title, key }]) => [`g ${key}`, title]),
        ["← → Home End", "along a plot that has the focus"], ["Esc", "leaves a field, closes a dialog"],
        ["?", "these keys"],
    ];
    show(element("keys"), keys.map(([key, meaning]) => h("div", null,
        h("dt", null, key.split(" ").map((one) => [h("kbd", null, one), " "])), h("dd", null, meaning))));
    element("help").showModal();
}

function showZone() {
    element("zone").setAttribute("aria-pressed", String(showsUTC()));
}

element("sign-in-form").addEventListener("submit", submitSignIn);
element("token").addEventListener("keydown", (event) => {
    // A token has no lines.
    if (event.key !== "Enter" || event.isComposing) return;
    event.preventDefault();
    element("sign-in-form").requestSubmit();
});
element("sign-out").addEventListener("click", signOut);
element("retry").addEventListener("click", () => source?.retry());
element("jump").addEventListener("submit", jump);
element("help-button").addEventListener("click", openHelp);
element("zone").addEventListener("click", () => {
    setUTC(!showsUTC());
    showZone();
});
element("skip").addEventListener("click", (event) => {
    event.preventDefault();
    element("main").focus();
});
addEventListener("hashchange", () => open());
addEventListener("keydown", pressed);

showZone();
if (who !== null) signIn(who);
else showSignIn();
