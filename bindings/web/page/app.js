// @ts-check
/** The page: what is drawn, what the worker answers, and what is shown. All computing is in the worker. */
import { simdSupported } from "../js/simd.js";
import { Field } from "./field.js";
import * as link from "./link.js";
import { paint, readTheme } from "./paint.js";

/** @type {(id: string) => any} */
const by = (id) => document.getElementById(id);

/** Completions beside each other. */
const COUNT = 6;
/** Nats of a pixel that are shown in the full accent. */
const FULL = 4;
/** Milliseconds that the rest of an image takes to appear; the whole picture is there much sooner. */
const APPEAR = 1800;

/** Models and the module come by way of script elements, which a page without a server may use, too. */
const pending = new Map();
const given = (/** @type {string} */ name, /** @type {string} */ base64) => pending.get(name)?.(base64);
/** @type {any} */ (globalThis).pixelrnn = given;

/** @param {string} folder @param {string} name @returns {Promise<string>} */
function fetched(folder, name) {
    return new Promise((resolve, reject) => {
        const script = document.createElement("script");
        pending.set(name, resolve);
        script.onerror = () => reject(new Error(`${folder}/${name}.js cannot be read`));
        script.onload = () => script.remove();
        script.src = `${folder}/${name}.js`;
        document.head.append(script);
    });
}

/** @type {{ name: string, title: string, kind: string, score: string, text: string, bytes: number }[]} */
const zoo = JSON.parse(by("zoo").textContent);
const asked = link.read(location.hash);
const state = {
    model: zoo.find((card) => card.name === asked.model)?.name ?? zoo[0].name,
    seed: asked.seed ?? 0,
    temperature: asked.temperature ?? 1,
    label: asked.label ?? 0,
    rows: asked.rows,
    /** @type {any} */
    info: undefined,
    /** False for a model that was dropped: a link cannot name it. */
    linked: true,
};
/** Number of the last request of each kind; answers to earlier ones are stale. */
const turns = { model: 0, complete: 0, measure: 0, context: 0 };
/** @type {Float32Array | undefined} */
let surprise;
/** @type {{ at: [number, number], change: Float32Array } | undefined} */
let context;
/** @type {Uint8Array | undefined} */
let file;

const worker = new Worker(URL.createObjectURL(new Blob([by("worker-source").textContent], { type: "text/javascript" })));

/** @param {keyof typeof turns} type @param {object} request */
function ask(type, request) {
    turns[type] += 1;
    worker.postMessage({ type, turn: turns[type], ...request });
}

const label = () => (state.info.classes > 0 ? state.label : undefined);

// ---- the drawing

const field = new Field(by("field"), {
    changed() {
        show();
        measure();
    },
    stroke: () => complete(),
    pointed: (at) => point(at),
    moved([row, column]) {
        const { height, width } = field.shape;
        const level = field.values[row * width + column];
        const nats = surprise === undefined ? "" : `, ${sum(surprise, row * width + column, height * width).toFixed(2)} nats`;
        by("cursor").textContent = `row ${row + 1}, column ${column + 1}, ${level === 0 ? "empty" : "ink"}${nats}`;
        show();
    },
});

/** Sum over the channels of a pixel. @param {Float32Array} each @param {number} pixel @param {number} pixels */
function sum(each, pixel, pixels) {
    let nats = 0;
    for (let at = pixel; at < each.length; at += pixels) nats += each[at];
    return nats;
}

let waiting = false;
function show() {
    if (waiting) return;
    waiting = true;
    requestAnimationFrame(() => {
        waiting = false;
        const { shape, values } = field;
        const pixels = shape.height * shape.width;
        let overlay;
        if (context !== undefined && field.tool === "look") {
            const most = context.change.reduce((a, b) => Math.max(a, b), 0.02);
            overlay = context.change.map((change) => (change > 0 ? 0.12 + 0.88 * Math.sqrt(change / most) : 0));
        } else if (by("surprise").checked && surprise !== undefined) {
            const each = surprise;
            const full = FULL * (shape.channels === 3 ? 4 : 1);
            overlay = Float32Array.from({ length: pixels }, (_, pixel) => sum(each, pixel, pixels) / full);
        }
        const own = overlay === undefined ? (state.rows ?? 0) * shape.width : Infinity;
        const keyboard = field.focused ? field.cursor[0] * shape.width + field.cursor[1] : undefined;
        const cursor = field.tool === "look" && context !== undefined ? context.at[0] * shape.width + context.at[1] : keyboard;
        paint(by("field"), values, shape, { overlay, faint: own, cursor });
    });
}

let measuring = false;
/** Scores the drawing, once a frame at most. */
function measure() {
    if (measuring || state.info === undefined) return;
    measuring = true;
    requestAnimationFrame(() => {
        measuring = false;
        if (state.info !== undefined) ask("measure", { values: field.values, label: label() });
    });
}

/** @param {[number, number] | undefined} at */
function point(at) {
    if (at === undefined) {
        context = undefined;
    } else if (context === undefined || context.at[0] !== at[0] || context.at[1] !== at[1]) {
        const { height, width } = field.shape;
        context = { at, change: new Float32Array(height * width) };
        if (state.info !== undefined) ask("context", { values: field.values, row: at[0], column: at[1], label: label() });
    }
    show();
}

// ---- completions

/** @type {{ canvas: HTMLCanvasElement, caption: HTMLElement, values: Uint8Array, nats: Float32Array }[]} */
const pictures = [];
for (let n = 0; n < COUNT; n += 1) {
    const figure = document.createElement("figure");
    const canvas = document.createElement("canvas");
    const caption = document.createElement("figcaption");
    canvas.setAttribute("role", "img");
    figure.append(canvas, caption);
    by("completions").append(figure);
    pictures.push({ canvas, caption, values: new Uint8Array(784), nats: new Float32Array(784) });
}
/** Pixels that the worker has drawn, and those that are shown. */
const progress = { drawn: 0, shown: 0, from: 0, start: 0, frame: 0, asked: 0 };

function complete() {
    if (state.info === undefined) return;
    keep();
    const { height, width } = state.info;
    const rows = Math.min(state.rows ?? 0, height);
    Object.assign(progress, { drawn: 0, shown: 0, from: rows * width, start: 0, asked: performance.now() });
    for (const picture of pictures) picture.values = new Uint8Array(field.values.length);
    ask("complete", { values: field.values, rows, count: COUNT, seed: state.seed, temperature: state.temperature, label: label() });
}

/** Shows what has been drawn, at an even pace. @param {number} now */
function frame(now) {
    progress.frame = 0;
    const { shape } = field;
    const pixels = shape.height * shape.width;
    if (progress.start === 0) progress.start = now;
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    const share = still ? 1 : Math.min(1, (now - progress.start) / APPEAR);
    progress.shown = Math.min(progress.drawn, Math.max(progress.from, Math.ceil(progress.from + (pixels - progress.from) * share)));
    for (const { canvas, values } of pictures) {
        const cursor = progress.shown < pixels && progress.shown > progress.from ? progress.shown : undefined;
        paint(canvas, values, shape, { known: progress.shown, cursor });
    }
    if (progress.shown < pixels && progress.drawn > progress.shown) progress.frame = requestAnimationFrame(frame);
}

// ---- answers

/** @type {Record<string, (answer: any) => void>} */
const answers = {
    model({ turn, name, info }) {
        if (turn !== turns.model) return;
        begin(name, info);
    },
    pixels({ turn, from, parts }) {
        if (turn !== turns.complete) return;
        const { channels, height, width } = field.shape;
        parts.forEach((/** @type {{ values: number[], nats: number }[]} */ part, /** @type {number} */ n) => {
            part.forEach(({ values, nats }, k) => {
                for (let c = 0; c < channels; c += 1) pictures[n].values[c * height * width + from + k] = values[c];
                pictures[n].nats[from + k] = nats;
            });
        });
        progress.drawn = from + parts[0].length;
        if (progress.drawn > progress.from && progress.frame === 0) progress.frame = requestAnimationFrame(frame);
    },
    completed({ turn }) {
        if (turn !== turns.complete) return;
        const took = performance.now() - progress.asked;
        by("timing").textContent = `${COUNT} images in ${Math.round(took)} ms.`;
        performance.mark("completed");
        pictures.forEach(({ canvas, caption, nats, values }, n) => {
            const total = nats.subarray(0, field.shape.height * field.shape.width).reduce((a, b) => a + b, 0);
            caption.textContent = `${total.toFixed(1)} nats`;
            canvas.setAttribute("aria-label", `Completion ${n + 1}: ${total.toFixed(1)} nats`);
            canvas.dataset.values = values.length <= 4096 ? [...values].join("") : "";
        });
        document.body.dataset.completed = String(turn);
    },
    score({ turn, nats, each }) {
        if (turn !== turns.measure) return;
        surprise = each;
        by("nats").textContent = nats.toFixed(2);
        const bits = nats / Math.LN2;
        by("odds").textContent = `${(bits / each.length).toFixed(3)} bits a value; it draws this very image once in 10${superscript(Math.round(nats / Math.LN10))} times.`;
        show();
    },
    file({ turn, file: bytes, bare, png }) {
        if (turn !== turns.measure) return;
        file = bytes;
        const bits = Math.ceil(Math.log2(state.info.levels));
        const sizes = { bare, file: bytes.length, raw: Math.ceil((field.values.length * bits) / 8), png };
        const most = Math.max(...Object.values(sizes));
        for (const [name, size] of Object.entries(sizes)) {
            by(name).textContent = `${size.toLocaleString("en")} bytes`;
            by(name).previousElementSibling.style.width = `${(75 * size) / most}%`;
        }
    },
    context({ turn, places, change }) {
        if (turn !== turns.context || context === undefined) return;
        places.forEach((/** @type {number} */ place, /** @type {number} */ n) => (context?.change ?? [])[place] = change[n]);
        show();
    },
    memory({ bytes }) {
        document.body.dataset.memory = String(bytes);
    },
    error({ kind, message }) {
        const about = kind === "model" ? "This file is no model that can be run here: " : "";
        alert(`${about}${message}.`);
    },
};
worker.onmessage = ({ data }) => answers[data.type](data);
worker.onerror = (event) => alert(`The worker stopped: ${event.message}.`);

/** @param {number} n */
const superscript = (n) => String(n).replace(/\d/g, (digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]);

/** @param {string} [message] */
function alert(message) {
    by("alert").hidden = message === undefined;
    by("alert").textContent = message ?? "";
}

// ---- models

/** @param {string} name @param {any} info */
function begin(name, info) {
    const first = state.info === undefined;
    const { channels, height, width, levels, classes } = info;
    const same = !first && ["channels", "height", "width", "levels"].every((key) => state.info[key] === info[key]);
    state.info = info;
    state.model = name;
    state.linked = zoo.some((card) => card.name === name);
    alert();
    if (!same) {
        field.reshape(info);
        const kept = first && asked.drawing !== undefined ? link.unpack(asked.drawing, levels, field.values.length) : undefined;
        if (kept !== undefined) field.values = kept;
        else if (levels === 2 && height === 28 && width === 28 && !(first && location.hash.length > 1)) field.values = example();
        state.rows = Math.min(first && asked.rows !== undefined ? asked.rows : Math.floor(height / 2), height);
        by("rows").max = String(height);
    }
    by("label-of").hidden = classes === 0;
    by("label").replaceChildren(...Array.from({ length: classes }, (_, k) => new Option(String(k), String(k))));
    if (state.label >= classes) state.label = 0;
    by("label").value = String(state.label);
    by("pens").hidden = levels === 2;
    by("pen-level").hidden = channels === 3;
    by("pen-colour").hidden = channels !== 3;
    by("level").max = String(levels - 1);
    by("level").value = String(levels - 1);
    by("bare").closest("dl").hidden = false;
    const kb = (info.blobBytes / 1000).toFixed(0);
    by("facts").textContent = `The model: ${kb} KB, ${info.multiplyAdds.toLocaleString("en")} multiply-adds a pixel, ${info.format === "I8" ? "8-bit numbers" : info.format}, ${info.simd ? "with" : "without"} SIMD.`;
    for (const input of document.querySelectorAll("input[name=model]")) {
        /** @type {HTMLInputElement} */ (input).checked = /** @type {HTMLInputElement} */ (input).value === name;
    }
    surprise = undefined;
    context = undefined;
    pens();
    rowsShown();
    show();
    measure();
    complete();
}

/** The upper half of a three. */
function example() {
    const values = new Uint8Array(784);
    const rows = ["....#######.....", "..###########...", ".####.....####..", ".##........###..", "...........###..", "..........###...", ".......#####....", "......#####.....", ".........###...."];
    rows.forEach((row, r) => [...row].forEach((mark, c) => (values[(r + 5) * 28 + c + 6] = mark === "#" ? 1 : 0)));
    return values;
}

/** @param {string} name */
async function choose(name) {
    try {
        const base64 = await fetched("models", name);
        ask("model", { name, base64 });
    } catch (error) {
        alert(`${error instanceof Error ? error.message : error}.`);
    }
}

/** @param {File} own */
async function open(own) {
    if (own.size > 64 << 20) return alert(`${own.name} has more than 64 MiB.`);
    const bytes = new Uint8Array(await own.arrayBuffer());
    ask("model", { name: own.name, bytes });
}

for (const { name, title, kind, score, text, bytes } of zoo) {
    const card = document.createElement("label");
    card.className = "card";
    card.innerHTML = `<input type="radio" name="model" value="${name}"><strong>${title}<em>${kind}</em></strong><p>${text}</p><small>${score}, ${Math.round(bytes / 1000)} KB</small>`;
    card.querySelector("input")?.addEventListener("change", () => choose(name));
    by("cards").append(card);
}
by("own").addEventListener("change", () => by("own").files[0] && open(by("own").files[0]));
for (const name of ["dragover", "dragleave", "drop"]) {
    addEventListener(name, (event) => {
        event.preventDefault();
        document.body.classList.toggle("over", name === "dragover");
        const dropped = name === "drop" ? /** @type {DragEvent} */ (event).dataTransfer?.files[0] : undefined;
        if (dropped !== undefined) open(dropped);
    });
}

// ---- controls

function pens() {
    const { levels, channels } = field.shape;
    if (levels === 2) field.pen = [1];
    else if (channels === 1) field.pen = [Number(by("level").value)];
    else field.pen = [1, 3, 5].map((at) => Math.round((parseInt(by("colour").value.slice(at, at + 2), 16) * (levels - 1)) / 255));
}
by("level").addEventListener("input", pens);
by("colour").addEventListener("input", pens);
for (const input of document.querySelectorAll("input[name=tool]")) {
    input.addEventListener("change", () => {
        field.tool = /** @type {any} */ (input).value;
        point(undefined);
    });
}
by("undo").addEventListener("click", () => field.undo());
by("clear").addEventListener("click", () => field.clear());
by("surprise").addEventListener("change", () => {
    by("scale").classList.toggle("shown", by("surprise").checked);
    show();
});

function rowsShown() {
    by("rows").value = String(state.rows);
    by("rows-shown").textContent = String(state.rows);
    const share = `${(100 * (state.rows ?? 0)) / field.shape.height}%`;
    by("shade").style.top = share;
    by("grip").style.top = share;
    show();
}
by("rows").addEventListener("input", () => {
    state.rows = Number(by("rows").value);
    rowsShown();
});
by("rows").addEventListener("change", complete);
by("grip").addEventListener("pointerdown", (/** @type {PointerEvent} */ event) => by("grip").setPointerCapture(event.pointerId));
by("grip").addEventListener("pointermove", (/** @type {PointerEvent} */ event) => {
    if (!by("grip").hasPointerCapture(event.pointerId)) return;
    const box = by("field").getBoundingClientRect();
    const { height } = field.shape;
    state.rows = Math.min(height, Math.max(0, Math.round(((event.clientY - box.top) / box.height) * height)));
    rowsShown();
});
by("grip").addEventListener("lostpointercapture", complete);

by("temperature").addEventListener("input", () => {
    state.temperature = Number(by("temperature").value);
    by("temperature-shown").textContent = state.temperature.toFixed(2);
});
by("temperature").addEventListener("change", complete);
by("label").addEventListener("change", () => {
    state.label = Number(by("label").value);
    measure();
    complete();
});
by("seed").addEventListener("change", () => {
    const seed = Number(by("seed").value);
    state.seed = Number.isSafeInteger(seed) && seed >= 0 ? seed : 0;
    by("seed").value = String(state.seed);
    complete();
});
by("again").addEventListener("click", () => {
    state.seed += COUNT;
    by("seed").value = String(state.seed);
    complete();
});
by("save").addEventListener("click", () => {
    if (file === undefined) return;
    const address = URL.createObjectURL(new Blob([/** @type {BlobPart} */ (file)]));
    const anchor = Object.assign(document.createElement("a"), { href: address, download: "drawing.prnz" });
    anchor.click();
    setTimeout(() => URL.revokeObjectURL(address), 1000);
});

/** Keeps everything in the address. */
function keep() {
    const { levels, classes } = state.info;
    const drawing = field.values.length <= 1024 && state.linked ? link.pack(field.values, levels) : "";
    const { model, seed, temperature, rows } = state;
    if (state.linked) history.replaceState(null, "", link.write({ model, seed, temperature, label: state.label, rows: rows ?? 0, drawing, classes }));
}
by("copy").addEventListener("click", async () => {
    const copied = navigator.clipboard?.writeText(location.href).then(() => true, () => false) ?? false;
    by("copy").textContent = (await copied) ? "Copied" : "The link is in the address bar";
    setTimeout(() => (by("copy").textContent = "Copy a link to this"), 1500);
});

// ---- begin

/** Asks the worker for the memory of the module, for tests. */
/** @type {any} */ (given).memory = () => worker.postMessage({ type: "memory" });

function themed() {
    readTheme();
    show();
    if (progress.frame === 0 && progress.drawn > 0) progress.frame = requestAnimationFrame(frame);
}
matchMedia("(prefers-color-scheme: dark)").addEventListener("change", themed);
readTheme();
by("seed").value = String(state.seed);
by("temperature").value = String(state.temperature);
by("temperature-shown").textContent = state.temperature.toFixed(2);
// `?simd=0` takes the other module, to compare.
const wasm = simdSupported() && !/[?&]simd=0/.test(location.search) ? "pixelrnn-simd" : "pixelrnn";
fetched("wasm", wasm).then(
    (base64) => {
        worker.postMessage({ type: "module", base64 });
        return choose(state.model);
    },
    (error) => alert(`${error.message}.`),
);
