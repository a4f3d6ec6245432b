/**
 * Elements, made by code alone: what comes from messages is only ever a text node or the value of an attribute. `show`
 * brings what is on the page to what should be there, so that focus, selection and scroll positions stay.
 */
const svgNamespace = "http://www.w3.org/2000/svg";
const svgNames = new Set(["svg", "g", "path", "line", "text", "rect", "circle"]);
/** What `show` takes over from the element that should be there. */
const handlers = ["onclick", "onchange", "oninput", "onsubmit", "onkeydown", "ontoggle"];
/** What the user has changed stays as it is. */
const usersAttributes = { DETAILS: ["open"], DIALOG: ["open"], OPTION: ["selected"], INPUT: ["value", "checked"] };

/**
 * An element. Properties: `on…` handlers, `key` by which `show` knows it again, attributes; `true` is an empty one,
 * `null` and `false` none. Children: nodes, texts, lists of them; `null` and `false` are left out.
 */
export function h(name, properties = null, ...children) {
    const node = svgNames.has(name) ? document.createElementNS(svgNamespace, name) : document.createElement(name);
    for (const [property, value] of Object.entries(properties ?? {})) {
        if (value === null || value === undefined || value === false) continue;
        if (property === "key") node.key = String(value);
        else if (typeof value === "function") node[property] = value;
        else node.setAttribute(property, value === true ? "" : String(value));
    }
    append(node, children);
    return node;
}

/** What has no shape of its own, or turns the text around it: one user could look like another by it. */
const unseen = /[\p{Cc}\p{Cf}\u2028\u2029\u3164\uFFA0]/u;
const unseenOrText = /([\p{Cc}\p{Cf}\u2028\u2029\u3164\uFFA0])/u;

function append(node, children) {
    for (const child of children) {
        if (child === null || child === undefined || child === false) continue;
        if (Array.isArray(child)) append(node, child);
        else if (child instanceof Node) node.append(child);
        else appendText(node, String(child));
    }
}

/** A text, in which what can't be seen is named; the ends of lines and tabs stay. */
function appendText(node, text) {
    const plain = text.replace(/[\n\r\t]/g, "");
    if (!unseen.test(plain) || svgNames.has(node.localName)) {
        node.append(text);
        return;
    }
    for (const part of text.split(unseenOrText)) {
        if (part === "") continue;
        if (!unseen.test(part) || /^[\n\r\t]$/.test(part) || node.localName === "option") node.append(part);
        else node.append(h("span", { class: "unseen" }, `U+${code(part)}`));
    }
}

function code(character) {
    return character.codePointAt(0).toString(16).toUpperCase().padStart(4, "0");
}

/**
 * Has `target` hold just these children. Elements of the same name and key stay the same elements: one that its maker
 * changes later has a key, so that it is itself what comes onto the page.
 */
export function show(target, ...children) {
    const wanted = document.createDocumentFragment();
    append(wanted, children);
    meet(target, [...wanted.childNodes]);
}

function meet(target, wanted) {
    const keys = new Set(wanted.map(({ key }) => key));
    const keyed = new Map();
    for (const node of [...target.childNodes]) {
        if (node.key === undefined) continue;
        if (keys.has(node.key)) keyed.set(node.key, node);
        else node.remove();
    }
    let next = target.firstChild;
    for (const node of wanted) {
        const kept = node.key === undefined ? next : keyed.get(node.key);
        if (kept && isAlike(kept, node)) {
            if (kept === next) next = next.nextSibling;
            else target.insertBefore(kept, next);
            change(kept, node);
        } else if (kept && kept === next && node.key === undefined && kept.key === undefined) {
            next = next.nextSibling;
            kept.replaceWith(node);
        } else {
            kept?.remove();
            if (kept === next) next = next?.nextSibling ?? null;
            target.insertBefore(node, next);
        }
    }
    while (next) {
        const gone = next;
        next = next.nextSibling;
        gone.remove();
    }
}

function isAlike(node, other) {
    return node.nodeName === other.nodeName && node.key === other.key;
}

function change(node, wanted) {
    if (node === wanted) return;
    if (node.nodeType !== Node.ELEMENT_NODE) {
        if (node.data !== wanted.data) node.data = wanted.data;
        return;
    }
    const kept = usersAttributes[node.nodeName] ?? [];
    for (const { name } of [...node.attributes]) {
        if (!wanted.hasAttribute(name) && !kept.includes(name)) node.removeAttribute(name);
    }
    for (const { name, value } of wanted.attributes) {
        if (node.getAttribute(name) !== value && !kept.includes(name)) node.setAttribute(name, value);
    }
    for (const handler of handlers) if (node[handler] !== wanted[handler]) node[handler] = wanted[handler];
    if (node.nodeName !== "TEXTAREA") meet(node, [...wanted.childNodes]);
}

/** A link to a page of the console: parts of its path, and what it is to show. */
export function link(parts, query, ...children) {
    return h("a", { href: address(parts, query) }, ...children);
}

/** `#/messages/42`, `#/messages?type=ORDER`; what is empty in the query is left out. */
export function address(parts, query = {}) {
    const path = [].concat(parts).map(encodeURIComponent).join("/");
    const given = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
    const search = new URLSearchParams(given).toString();
    return `#/${path}${search === "" ? "" : `?${search}`}`;
}

/** Says to those who do not see the page what has come of something. */
export function announce(text) {
    const announcer = document.getElementById("announcer");
    announcer.textContent = "";
    // The same text a second time would not be a change.
    setTimeout(() => { announcer.textContent = text; }, 50);
}

/** A line to copy, with its button. */
export function command(text) {
    return h("div", { class: "command", key: text }, h("code", null, text),
        h("button", { type: "button", class: "quiet copy-button", "aria-label": `Copy: ${text}`, onclick: copy },
            "Copy"));
}

async function copy({ currentTarget: button }) {
    const source = button.previousElementSibling;
    try {
        await navigator.clipboard.writeText(source.textContent);
        announce("Copied.");
        button.textContent = "Copied";
        setTimeout(() => { button.textContent = "Copy"; }, 1500);
    } catch {
        getSelection().selectAllChildren(source);
        announce("Selected: copy it with Ctrl+C.");
    }
}

/** A labelled field of a form; `control` has an id. */
export function field(label, control, hint = null) {
    const described = hint === null ? null : `${control.id}-hint`;
    if (described) control.setAttribute("aria-describedby", described);
    return h("div", { class: "field" }, h("label", { for: control.id }, label), control,
        hint && h("p", { class: "hint", id: described }, hint));
}

export function textInput(id, properties = {}) {
    return h("input", {
        id, name: id, type: "text", maxlength: 1024, autocomplete: "off", autocapitalize: "none", spellcheck: "false",
        ...properties,
    });
}

export function select(id, options, value = "") {
    const node = h("select", { id, name: id }, options.map(([key, text]) => h("option", { value: key }, text)));
    node.value = value;
    return node;
}
