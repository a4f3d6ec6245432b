/** Plots of the last hour: lines over time, read out at a moment by pointer or keys, all of a page at the same one. */
import { h, show } from "/console/dom.js";
import { clock } from "/console/format.js";

/** In pixels, as is the width, which the page gives. */
const height = 132;
const margin = { top: 8, right: 4, bottom: 20, left: 50 };
/** Points further apart than this many steps are not joined: nothing was measured between them. */
const gapSteps = 2.5;

/** Plots that have the moment in common. */
export class Plots {
    #plots = [];
    #series = null;

    /**
     * @param title what is drawn. @param unit formats a value. @param lines of each `name` and `of(point)`.
     * @param options `isLogarithmic`: each step up is ten times as much.
     * @returns the element that shows it.
     */
    add(title, unit, lines, options = {}) {
        const plot = new Plot(title, unit, lines, options, (index) => this.#point(index));
        this.#plots.push(plot);
        return plot.element;
    }

    show(series) {
        this.#series = series;
        for (const plot of this.#plots) plot.draw(series);
    }

    /** The same numbers, one row for each minute. */
    table() {
        const { points = [], step = 10000 } = this.#series ?? {};
        const each = Math.max(1, Math.round(60000 / step));
        const rows = points.filter((point, index) => (points.length - 1 - index) % each === 0).reverse();
        const columns = this.#plots.flatMap((plot) => plot.lines.map((line) => ({ ...line, plot })));
        const groups = this.#plots.map(({ title, lines }) =>
            h("th", { scope: "colgroup", colspan: lines.length, class: "group" }, title));
        return h("div", { class: "scroll", tabindex: "0", role: "group", "aria-label": "The last hour, as a table" },
            h("table", { class: "numbers" }, h("caption", { class: "visually-hidden" }, "The last hour, by the minute"),
                h("thead", null, h("tr", null, h("th", { scope: "col", rowspan: 2 }, "Time"), groups),
                    h("tr", null, columns.map(({ name }) => h("th", { scope: "col" }, name)))),
                h("tbody", null, rows.map((point) => h("tr", { key: point.at },
                    h("th", { scope: "row" }, clock(point.at)),
                    columns.map(({ of, plot }) => h("td", null, plot.unit(of(point)))))))));
    }

    #point(index) {
        for (const plot of this.#plots) plot.point(index);
    }
}

class Plot {
    #pointed;
    #index = null;
    #points = [];
    #times = [0, 1];
    #drawing = h("g");
    #cursor = h("g", { class: "cursor" });
    #legend = h("p", { class: "legend" });
    #slider;
    #svg;
    #width = 600;
    #series = null;

    /** @param pointed told which point the reader is at, or `null`. */
    constructor(title, unit, lines, options, pointed) {
        Object.assign(this, { title, unit, lines, options });
        this.#pointed = pointed;
        this.#slider = h("div", {
            class: "plot-area", tabindex: "0", role: "slider", "aria-label": `${title}, moment of the last hour`,
            "aria-valuemin": 0, "aria-valuemax": 0, "aria-valuenow": 0, "aria-valuetext": "nothing was measured yet",
            onkeydown: (event) => this.#pressed(event),
        });
        this.#svg = h("svg", { class: "plot-svg", "aria-hidden": "true" }, this.#drawing, this.#cursor);
        this.#slider.append(this.#svg);
        new ResizeObserver(([{ contentRect }]) => this.#resized(contentRect.width)).observe(this.#slider);
        this.#slider.addEventListener("pointermove", (event) => this.#moved(event));
        this.#slider.addEventListener("pointerleave", () => this.#pointed(null));
        this.#slider.addEventListener("focus", () => this.#index ?? this.#pointed(this.#points.length - 1));
        this.#slider.addEventListener("blur", () => this.#pointed(null));
        this.element = h("figure", { class: "plot" }, h("figcaption", null, h("h3", null, title), this.#legend),
            this.#slider);
    }

    #resized(width) {
        if (width === 0 || width === this.#width) return;
        this.#width = width;
        if (this.#series) this.draw(this.#series);
    }

    draw(series) {
        const { step, points } = series;
        this.#series = series;
        this.#points = points;
        this.#svg.setAttribute("viewBox", `0 0 ${this.#width} ${height}`);
        const end = points.at(-1)?.at ?? Date.now();
        this.#times = [end - 3600000, end];
        const { part, ticks } = this.options.isLogarithmic ? this.#logarithmic() : this.#linear();
        const y = (value) => margin.top + (1 - part(value)) * (height - margin.top - margin.bottom);
        const grid = ticks.map((value) => [
            h("line", { class: "grid", x1: margin.left, x2: this.#width - margin.right, y1: y(value), y2: y(value) }),
            h("text", { class: "tick", x: margin.left - 6, y: y(value) + 4, "text-anchor": "end" }, this.unit(value)),
        ]);
        const quarter = 900000;
        const moments = [1, 2, 3, 4].map((number) => Math.floor(end / quarter - 4 + number) * quarter)
            .filter((at) => at > this.#times[0] + quarter / 4 && at < end - quarter / 8)
            .map((at) => h("text", { class: "tick", x: this.#x(at), y: height - 4, "text-anchor": "middle" },
                clock(at).slice(-12).match(/\d\d:\d\d/)[0]));
        const paths = this.lines.map((line, number) =>
            h("path", { class: `line line-${number}`, d: this.#path(line.of, y, step), fill: "none" }));
        show(this.#drawing, grid, moments, paths);
        this.#y = y;
        this.point(this.#index === null ? null : Math.min(this.#index, points.length - 1));
    }

    #y = () => 0;

    /** The values at one point of time, or the newest. */
    point(index) {
        this.#index = index;
        const at = this.#points[index ?? this.#points.length - 1];
        show(this.#legend, this.lines.map(({ name, of }, number) => h("span", { class: "legend-item" },
            h("svg", { viewBox: "0 0 18 8", class: "swatch", "aria-hidden": "true" },
                h("path", { class: `line line-${number}`, d: "M0 4H18" })),
            `${name} `, h("b", null, at ? this.unit(of(at)) : "–"))),
            index !== null && at ? h("span", { class: "legend-at" }, clock(at.at)) : null);
        const values = at && this.lines.map(({ name, of }) => `${name} ${this.unit(of(at))}`);
        const read = at && [clock(at.at), ...values].join(", ");
        this.#slider.setAttribute("aria-valuemax", Math.max(0, this.#points.length - 1));
        this.#slider.setAttribute("aria-valuenow", Math.max(0, index ?? this.#points.length - 1));
        this.#slider.setAttribute("aria-valuetext", read ?? "nothing was measured yet");
        if (index === null || !at) {
            show(this.#cursor);
            return;
        }
        const x = this.#x(at.at);
        show(this.#cursor, h("line", { class: "moment", x1: x, x2: x, y1: margin.top, y2: height - margin.bottom }),
            this.lines.map(({ of }, number) => Number.isFinite(of(at)) && h("circle", {
                class: `dot-${number}`, cx: x, cy: this.#y(of(at)), r: 3.5,
            })));
    }

    #values() {
        return this.#points.flatMap((point) => this.lines.map(({ of }) => of(point)).filter(Number.isFinite));
    }

    /** From nothing to a round number that no value is above. */
    #linear() {
        const most = this.#values().reduce((a, b) => Math.max(a, b), 0);
        const power = 10 ** Math.floor(Math.log10(most || 1));
        const top = most === 0 ? 1 : [1, 2, 4, 6, 10].map((step) => step * power).find((step) => step >= most);
        return { part: (value) => value / top, ticks: top === 1 ? [0, 1] : [0, top / 2, top] };
    }

    /** From one power of ten to another; what is less than the first stands at the bottom. */
    #logarithmic() {
        const positive = this.#values().filter((value) => value > 0);
        const least = positive.reduce((a, b) => Math.min(a, b), Infinity);
        const low = positive.length === 0 ? -3 : Math.floor(Math.log10(least));
        const high = Math.max(low + 1, Math.ceil(Math.log10(positive.reduce((a, b) => Math.max(a, b), 0) || 1)));
        const part = (value) => value <= 0 ? 0 : Math.max(0, (Math.log10(value) - low) / (high - low));
        return { part, ticks: Array.from({ length: high - low + 1 }, (_, step) => 10 ** (low + step)) };
    }

    #x(at) {
        const [from, to] = this.#times;
        return margin.left + (at - from) / (to - from) * (this.#width - margin.left - margin.right);
    }

    #path(of, y, step) {
        let path = "";
        let before = null;
        for (const point of this.#points) {
            const value = of(point);
            if (!Number.isFinite(value) || point.at < this.#times[0]) {
                before = null;
                continue;
            }
            const joins = before !== null && point.at - before <= gapSteps * step;
            // A point alone is seen by the round end of its line.
            path += `${joins ? "L" : "M"}${this.#x(point.at).toFixed(1)} ${y(value).toFixed(1)}${joins ? "" : "h0.01"}`;
            before = point.at;
        }
        return path;
    }

    #moved({ clientX }) {
        const box = this.#slider.getBoundingClientRect();
        if (this.#points.length === 0 || box.width === 0) return;
        const x = (clientX - box.left) / box.width * this.#width;
        let nearest = 0;
        this.#points.forEach(({ at }, index) => {
            if (Math.abs(this.#x(at) - x) < Math.abs(this.#x(this.#points[nearest].at) - x)) nearest = index;
        });
        this.#pointed(nearest);
    }

    #pressed(event) {
        const last = this.#points.length - 1;
        const now = this.#index ?? last;
        const target = {
            ArrowLeft: now - 1, ArrowDown: now - 1, ArrowRight: now + 1, ArrowUp: now + 1, PageUp: now + 30,
            PageDown: now - 30, Home: 0, End: last,
        }[event.key];
        if (target === undefined || last < 0) return;
        event.preventDefault();
        this.#pointed(Math.max(0, Math.min(last, target)));
    }
}
