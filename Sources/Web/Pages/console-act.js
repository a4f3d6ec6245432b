/** The dialog of an act: first what it would do, then a button that names it, its progress, and what came of it. */
import { announce, h, show } from "/console/dom.js";
import { count } from "/console/format.js";

/**
 * @param title what is asked.
 * @param fields what the operator chooses, perhaps; a change of it looks again.
 * @param look what the act would do: resolves with `{sentence, sample, label}`, without `label` where there is nothing
 *     to be done.
 * @param run does it: is given `progress(done, total)` and `isStopped()`, resolves with a sentence of what came of it.
 * @param isGrave whether it can't be undone.
 * @returns a promise of that sentence, or of `null` when nothing was done.
 */
export function act({ title, fields = null, look, run, isGrave = false }) {
    const opener = document.activeElement;
    const told = h("div", { class: "told" });
    const foot = h("div", { class: "dialog-foot" });
    const dialog = h("dialog", { class: "dialog", "aria-labelledby": "act-title" },
        h("h2", { id: "act-title", tabindex: "-1" }, title), fields, told, foot);
    let looks = 0;
    let isRunning = false;
    let isStopped = false;
    let outcome = null;
    let work = null;

    const close = () => dialog.close();
    const back = (text) => h("button", { type: "button", key: "back", onclick: close }, text);

    async function lookAgain() {
        const turn = ++looks;
        const late = setTimeout(() => {
            if (turn === looks) show(told, h("p", { class: "muted", role: "status" }, "Looking what it would do…"));
        }, 150);
        show(foot, back("Back"));
        try {
            const { sentence, sample = null, label = null } = await look();
            if (turn !== looks || isRunning) return;
            show(told, h("p", { role: "status" }, sentence), sample);
            show(foot, back(label === null ? "Close" : "Back"), label && h("button", {
                type: "button", key: "do", class: isGrave ? "primary grave" : "primary",
                onclick: () => { work ??= start(); },
            }, label));
        } catch (error) {
            if (turn !== looks || isRunning) return;
            show(told, h("p", { class: "error", role: "alert" }, error.message));
            show(foot, back("Close"), h("button", { type: "button", key: "again", onclick: lookAgain }, "Try again"));
        } finally {
            clearTimeout(late);
        }
    }

    async function start() {
        isRunning = true;
        for (const control of dialog.querySelectorAll("input, select")) control.disabled = true;
        const bar = h("progress", { max: 1, key: "bar", "aria-label": "Progress" });
        const counts = h("p", { class: "muted count", key: "counts" });
        show(told, h("p", { role: "status" }, "Working…"), bar, counts);
        const stop = h("button", { type: "button", onclick: () => {
            isStopped = true;
            show(foot, h("p", { class: "muted" }, "Stopping after the batch that is under way…"));
        } }, "Stop");
        show(foot, stop);
        stop.focus();
        const progress = (done, total) => {
            if (total > 0) bar.value = Math.min(1, done / total);
            counts.textContent = `${count(done)} of ${count(total)}`;
        };
        try {
            outcome = await run({ progress, isStopped: () => isStopped });
            show(told, h("p", { class: "result", role: "status" }, outcome));
        } catch (error) {
            const partly = counts.textContent === "" ? "" : ` ${counts.textContent} were done before.`;
            outcome = null;
            show(told, h("p", { class: "error", role: "alert" }, `${error.message}${partly}`));
        }
        isRunning = false;
        show(foot, back("Close"));
        foot.querySelector("button").focus();
    }

    return new Promise((resolve) => {
        dialog.addEventListener("cancel", (event) => isRunning && event.preventDefault());
        dialog.addEventListener("close", async () => {
            looks += 1;
            // A browser closes a dialog at the second Escape, whatever it is doing.
            isStopped = true;
            await work;
            dialog.remove();
            if (opener?.isConnected) opener.focus();
            else document.querySelector("#page h1")?.focus();
            if (outcome !== null) announce(outcome);
            resolve(outcome);
        });
        for (const control of fields?.querySelectorAll?.("input, select") ?? []) {
            control.addEventListener("change", lookAgain);
        }
        document.body.append(dialog);
        dialog.showModal();
        dialog.querySelector("h2").focus();
        lookAgain();
    });
}

/**
 * One batch after the other until nothing is left, or the operator stops it.
 *
 * @param batch resolves with `{done, skipped, left}`.
 * @returns the sums.
 */
export async function inBatches(total, batch, { progress, isStopped }) {
    let done = 0;
    let skipped = 0;
    let left = total;
    progress(0, total);
    while (left > 0 && !isStopped()) {
        const answer = await batch();
        done += answer.done;
        skipped += answer.skipped;
        left = answer.left;
        progress(done, Math.max(total, done + left));
        if (answer.done === 0) break;
    }
    return { done, skipped, left };
}
