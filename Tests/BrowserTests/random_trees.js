// Random elements, one after the other by `show` into the same place: what is there is what fresh ones would be, keyed
// elements are the same ones. `arguments`: a seed, how many, and what takes the first problem.
const [seed, rounds, done] = arguments;
const { h, show } = await import("/console/dom.js");

let state = seed;
function random(bound) {
    state = (state * 1103515245 + 12345) % 2147483648;
    return Math.floor(state / 65536) % bound;
}

/** A plan of children, of which elements can be made as often as one likes. */
function plan(depth) {
    const keys = [..."abcdef"].sort(() => random(3) - 1);
    const isKeyed = random(2) === 0;
    return Array.from({ length: random(5) }, () => {
        if (!isKeyed && random(3) === 0) return `text ${random(4)}`;
        return {
            name: ["div", "p", "button", "td"][random(4)], key: isKeyed ? keys.pop() : undefined,
            class: random(2) === 0 ? `c${random(3)}` : null, children: depth === 0 ? [] : plan(depth - 1),
        };
    });
}

function make(children) {
    return children.map((child) => typeof child === "string" ? child
        : h(child.name, { key: child.key, class: child.class }, make(child.children)));
}

const place = h("div");
document.body.append(place);
let problem = null;
for (let round = 0; round < rounds && problem === null; round++) {
    const wanted = plan(3);
    const before = new Map([...place.childNodes].filter(({ key }) => key !== undefined)
        .map((node) => [`${node.nodeName} ${node.key}`, node]));
    show(place, make(wanted));
    const fresh = h("div", null, make(wanted));
    if (place.innerHTML !== fresh.innerHTML) problem = `${place.innerHTML} is not ${fresh.innerHTML}`;
    for (const node of place.childNodes) {
        const same = before.get(`${node.nodeName} ${node.key}`);
        if (same && same !== node) problem = `<${node.nodeName} ${node.key}> is another one`;
    }
}
done(problem);
