// @ts-check
/**
 * All computing of the page. Long work is done in slices, and a newer request of the same kind replaces an older one.
 *
 * Requests: `module`, `model`, `complete`, `measure`, `context`. Answers carry the `turn` of their request.
 */
import { Model } from "../js/model.js";
import { png } from "./png.js";

/** Milliseconds of work between two looks at the requests. */
const SLICE = 12;

/** @type {Promise<WebAssembly.Module> | undefined} */
let compiled;
/** @type {Model | undefined} */
let model;
/** Number of the last request of a model. */
let latest = 0;
/** The unfinished work of each kind, a generator whose steps are short. @type {Map<string, Iterator<void>>} */
const work = new Map();
let awake = false;

const channel = new MessageChannel();
channel.port1.onmessage = () => {
    const end = performance.now() + SLICE;
    while (performance.now() < end && work.size > 0) {
        for (const [kind, steps] of work) {
            if (guarded(kind, () => steps.next())?.done !== false) work.delete(kind);
        }
    }
    awake = work.size > 0;
    if (awake) channel.port2.postMessage(0);
};

/**
 * @param {string} kind
 * @param {Iterator<void>} steps
 */
function begin(kind, steps) {
    work.get(kind)?.return?.();
    work.set(kind, steps);
    if (!awake) channel.port2.postMessage(0);
    awake = true;
}

/**
 * Runs a step; an error becomes an answer.
 * @template R
 * @param {string} kind
 * @param {() => R} run
 */
function guarded(kind, run) {
    try {
        return run();
    } catch (error) {
        postMessage({ type: "error", kind, message: error instanceof Error ? error.message : String(error) });
        return undefined;
    }
}

/** @param {string} text */
function bytesOfBase64(text) {
    const binary = atob(text);
    return Uint8Array.from(binary, (letter) => letter.charCodeAt(0));
}

/** @param {any} request */
async function loadModel({ turn, name, bytes, base64 }) {
    latest = turn;
    const blob = bytes ?? bytesOfBase64(base64);
    if (compiled === undefined) throw new Error("the module is not compiled");
    const loaded = await Model.instantiate(await compiled, blob);
    if (turn < latest) return loaded.free();
    for (const steps of work.values()) steps.return?.();
    work.clear();
    model?.free();
    model = loaded;
    postMessage({ type: "model", turn, name, info: loaded.info });
}

/**
 * Draws several completions in lockstep, a few pixels of each at a time.
 * @param {any} request
 */
function* complete({ turn, values, rows, count, seed, temperature, label }) {
    if (model === undefined) return;
    const { width, height } = model.info;
    const own = model;
    const drawings = Array.from({ length: count }, (_, n) =>
        own.begin({ seed: BigInt(seed) + BigInt(n), temperature, label, given: values, rows }),
    );
    try {
        // The given rows cost as much as drawn ones, and are not shown.
        const few = Math.max(1, Math.floor(width / 4));
        for (let pixel = 0; pixel < width * height; pixel += few) {
            const parts = [];
            for (const drawing of drawings) {
                parts.push(drawing.step(few).map(({ values, nats }) => ({ values: [...values], nats })));
                yield;
            }
            postMessage({ type: "pixels", turn, from: pixel, parts });
        }
        postMessage({ type: "completed", turn });
    } finally {
        for (const drawing of drawings) drawing.free();
    }
}

/**
 * Likelihood of the drawing, value by value, and its files.
 * @param {any} request
 */
function* measure({ turn, values, label }) {
    if (model === undefined) return;
    const { info } = model;
    const { nats, each } = model.score(values, { label });
    postMessage({ type: "score", turn, nats: nats[0], each });
    yield;
    const file = model.compress(values, { label });
    const bare = model.compress(values, { label, bare: true });
    png(values, info).then((picture) => postMessage({ type: "file", turn, file, bare: bare.length, png: picture.length }));
}

/**
 * Dependence of the prediction at a pixel on earlier pixels, the nearest first.
 * @param {any} request
 */
function* context({ turn, values, row, column, label }) {
    if (model === undefined) return;
    const { width } = model.info;
    const pixel = row * width + column;
    const far = (/** @type {number} */ place) =>
        Math.max(row - Math.floor(place / width), Math.abs(column - (place % width)));
    const places = Array.from({ length: pixel }, (_, n) => n).sort((a, b) => far(a) - far(b));
    for (let from = 0; from < places.length; from += 15) {
        const some = places.slice(from, from + 15);
        postMessage({ type: "context", turn, places: some, change: model.depend(values, { row, column, label, places: some }) });
        yield;
    }
    postMessage({ type: "context", turn, places: [], change: new Float32Array(), done: true });
}

onmessage = async ({ data }) => {
    try {
        if (data.type === "module") {
            compiled = WebAssembly.compile(bytesOfBase64(data.base64));
        } else if (data.type === "model") {
            await loadModel(data);
        } else if (data.type === "complete") {
            begin("complete", complete(data));
        } else if (data.type === "measure") {
            begin("measure", measure(data));
        } else if (data.type === "context") {
            begin("context", context(data));
        } else if (data.type === "memory") {
            postMessage({ type: "memory", bytes: model?.memoryBytes ?? 0 });
        }
    } catch (error) {
        postMessage({ type: "error", kind: data.type, turn: data.turn, message: error instanceof Error ? error.message : String(error) });
    }
};
