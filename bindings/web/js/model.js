// @ts-check
/**
 * A model in an instance of the WebAssembly module of its own. Memory of WebAssembly never shrinks, but an instance that nothing refers
 * to is collected with all of its memory; `free` lets go of it.
 */
import { errorOf } from "./errors.js";

/** Largest label of a model. */
const MAX_LABEL = 65535;

/** @typedef {import("./index.js").Pixel} Pixel */
/** @typedef {import("./index.js").DrawOptions} DrawOptions */
/** @typedef {import("./index.js").ImageData} ImageData */

/**
 * Exports of the module, described in `src/lib.rs`.
 * @typedef {{
 *   memory: WebAssembly.Memory,
 *   input(length: number): number, output(): number, output_length(): number, simd(): number,
 *   load(height: number, width: number): number,
 *   draw(count: number, seed: bigint, milli: number, label: number, rows: number): number,
 *   score(label: number): number,
 *   compress(count: number): number, compress_bare(label: number): number,
 *   decompress(): number, decompress_bare(label: number): number,
 *   begin(seed: bigint, milli: number, label: number, rows: number): number,
 *   step(number: number, pixels: number): number, end(number: number): void,
 *   depend(row: number, column: number, label: number): number,
 * }} Exports
 */

/** Calls of one instance, and its answers. */
class Instance {
    /** @param {Exports} exports */
    constructor(exports) {
        /** @type {Exports | null} */
        this.exports = exports;
    }

    /** @returns {Exports} */
    get alive() {
        if (this.exports === null) throw errorOf("argument", "the model was freed");
        return this.exports;
    }

    /**
     * Calls a function with `bytes` as its input, and returns its number.
     * @param {(exports: Exports) => number} call
     * @param {readonly Uint8Array[]} [bytes]
     */
    call(call, bytes = []) {
        const exports = this.alive;
        const length = bytes.reduce((sum, part) => sum + part.length, 0);
        try {
            const at = exports.input(length);
            if (at === 0) throw errorOf("memory", "not enough memory for the input");
            let to = at >>> 0;
            for (const part of bytes) {
                new Uint8Array(exports.memory.buffer, to, part.length).set(part);
                to += part.length;
            }
            const result = call(exports);
            if (result >= 0) return result;
        } catch (error) {
            if (!(error instanceof WebAssembly.RuntimeError)) throw error;
            // A trap leaves the instance as it was in the middle of a call: it is of no use any more.
            this.exports = null;
            throw errorOf("memory", "the module stopped, most likely for lack of memory; load the model again", { cause: error });
        }
        const text = new TextDecoder().decode(this.answer());
        const line = text.indexOf("\n");
        throw errorOf(text.slice(0, line), text.slice(line + 1));
    }

    /** A copy of the last answer. */
    answer() {
        const { memory, output, output_length } = this.alive;
        return new Uint8Array(memory.buffer, output() >>> 0, output_length() >>> 0).slice();
    }
}

/**
 * An integer between two others.
 * @param {string} name
 * @param {unknown} value
 * @param {number} least
 * @param {number} most
 */
function integer(name, value, least, most) {
    if (typeof value === "number" && Number.isInteger(value) && value >= least && value <= most) return value;
    throw errorOf("argument", `${name}: ${String(value)}, expected an integer from ${least} to ${most}`);
}

/** @param {unknown} seed */
function seedOf(seed) {
    if (typeof seed === "bigint" || (typeof seed === "number" && Number.isSafeInteger(seed) && seed >= 0)) {
        return BigInt.asUintN(64, BigInt(seed));
    }
    throw errorOf("argument", `seed: ${String(seed)}, expected an integer from 0 on, or a BigInt`);
}

/**
 * Thousandths of a temperature, as the command line rounds them; 0 for the likeliest values.
 * @param {unknown} temperature
 * @param {boolean | undefined} argmax
 */
function milliOf(temperature, argmax) {
    if (argmax) return 0;
    const milli = typeof temperature === "number" ? Math.round(temperature * 1000) : NaN;
    if (milli >= 10 && milli <= 100_000) return milli;
    throw errorOf("argument", `temperature: ${String(temperature)}, expected a number from 0.01 to 100`);
}

/** @param {unknown} label */
function labelOf(label) {
    if (label === undefined || label === null) return -1;
    if (typeof label === "number" && Number.isInteger(label) && label >= 0 && label <= MAX_LABEL) return label;
    throw errorOf("label", `label: ${String(label)}, expected an integer from 0 to ${MAX_LABEL}`);
}

/**
 * Values of images as bytes.
 * @param {ImageData | Images} images
 */
function bytesOf(images) {
    const data = images instanceof Images ? images.data : images;
    if (data instanceof Uint8Array || data instanceof Uint8ClampedArray) {
        return new Uint8Array(data.buffer, data.byteOffset, data.length);
    }
    if (!Array.isArray(data)) throw errorOf("image", "images are an Uint8Array or an array of levels");
    const wrong = data.findIndex((value) => !Number.isInteger(value) || value < 0 || value > 255);
    if (wrong >= 0) throw errorOf("image", `value ${data[wrong]} at index ${wrong}, expected a level`);
    return Uint8Array.from(data);
}

/** Images of one size: levels of the model, `[N, C, H, W]`. */
export class Images {
    /**
     * @param {{ channels: number, height: number, width: number, levels: number }} shape
     * @param {Uint8Array} data
     * @param {Float64Array} [nats]
     * @param {Uint32Array} [labels]
     */
    constructor({ channels, height, width, levels }, data, nats, labels) {
        this.channels = channels;
        this.height = height;
        this.width = width;
        this.levels = levels;
        this.data = data;
        this.count = data.length / (channels * height * width);
        this.nats = nats;
        this.labels = labels;
    }

    /**
     * Values of image `n`, `[C, H, W]`, without a copy.
     * @param {number} n
     */
    image(n) {
        const values = this.channels * this.height * this.width;
        return this.data.subarray(n * values, (n + 1) * values);
    }

    *[Symbol.iterator]() {
        for (let n = 0; n < this.count; n += 1) yield this.image(n);
    }
}

/** Ends drawings that a program lost without freeing them. */
const lost = new FinalizationRegistry(
    /** @param {{ instance: Instance, number: number }} held */ ({ instance, number }) => instance.exports?.end(number),
);

/** An image that is being drawn. */
export class Drawing {
    #instance;
    #number;
    #channels;
    #width;
    #position = 0;
    #freed = false;

    /**
     * @param {Instance} instance
     * @param {number} number
     * @param {{ channels: number, width: number }} shape
     */
    constructor(instance, number, { channels, width }) {
        this.#instance = instance;
        this.#number = number;
        this.#channels = channels;
        this.#width = width;
        lost.register(this, { instance, number }, this);
    }

    /** Pixels that are drawn. */
    get position() {
        return this.#position;
    }

    /**
     * Draws up to `pixels` further pixels, in raster order; fewer at the end of the image.
     * @param {number} [pixels]
     * @returns {Pixel[]}
     */
    step(pixels = 1) {
        if (this.#freed) return [];
        const count = integer("pixels", pixels, 1, 2 ** 24);
        const drawn = this.#instance.call((exports) => exports.step(this.#number, count));
        const answer = this.#instance.answer();
        const numbers = new DataView(answer.buffer);
        const result = [];
        for (let n = 0; n < drawn; n += 1, this.#position += 1) {
            result.push({
                row: Math.floor(this.#position / this.#width),
                column: this.#position % this.#width,
                values: answer.subarray(8 * n + 4, 8 * n + 4 + this.#channels),
                nats: numbers.getFloat32(8 * n, true),
            });
        }
        return result;
    }

    /** Frees the image, finished or not. */
    free() {
        if (this.#freed) return;
        this.#freed = true;
        lost.unregister(this);
        this.#instance.exports?.end(this.#number);
    }

    async *[Symbol.asyncIterator]() {
        try {
            for (let [pixel] = this.step(); pixel !== undefined; [pixel] = this.step()) yield pixel;
        } finally {
            this.free();
        }
    }
}

/** A loaded model. */
export class Model {
    #instance;
    /** @type {import("./index.js").ModelInfo} */
    info;

    /**
     * @param {Instance} instance
     * @param {import("./index.js").ModelInfo} info
     */
    constructor(instance, info) {
        this.#instance = instance;
        this.info = info;
    }

    /**
     * Loads a model into a new instance of a compiled module.
     * @param {WebAssembly.Module} module
     * @param {Uint8Array} blob
     * @param {[number, number]} [size]
     */
    static async instantiate(module, blob, size) {
        const instance = new Instance(/** @type {any} */ ((await WebAssembly.instantiate(module, {})).exports));
        const [height, width] = size === undefined ? [0, 0] : size.map((side) => integer("size", side, 1, 4096));
        instance.call((exports) => exports.load(height, width), [blob]);
        const facts = new Map();
        for (const line of new TextDecoder().decode(instance.answer()).split("\n")) {
            const space = line.indexOf(" ");
            facts.set(line.slice(0, space), line.slice(space + 1));
        }
        const number = (/** @type {string} */ name) => Number(facts.get(name));
        return new Model(instance, Object.freeze({
            height: number("height"),
            width: number("width"),
            channels: number("channels"),
            levels: number("levels"),
            classes: number("classes"),
            identity: facts.get("identity"),
            format: facts.get("format"),
            output: facts.get("output"),
            ops: number("ops"),
            multiplyAdds: number("multiplyAdds"),
            blobBytes: number("blobBytes"),
            stateBytes: number("stateBytes"),
            batched: facts.get("packed") === "true",
            simd: instance.alive.simd() === 1,
        }));
    }

    /** Values of an image. */
    get #values() {
        const { channels, height, width } = this.info;
        return channels * height * width;
    }

    /** Lets go of the instance: the collector frees its memory. All later calls are errors. */
    free() {
        this.#instance.exports = null;
    }

    /** Bytes of memory that the instance has. */
    get memoryBytes() {
        return this.#instance.exports?.memory.buffer.byteLength ?? 0;
    }

    /**
     * @param {DrawOptions} options
     * @param {Uint8Array[]} given
     * @param {number} rows
     */
    #draw({ count = 1, seed = 0, temperature = 1, argmax, label }, given, rows) {
        const images = integer("count", count, 0, 2 ** 20);
        const [from, milli, k] = [seedOf(seed), milliOf(temperature, argmax), labelOf(label)];
        this.#instance.call((exports) => exports.draw(images, from, milli, k, rows), given);
        const answer = this.#instance.answer();
        return new Images(this.info, answer.subarray(8 * images), new Float64Array(answer.buffer, 0, images));
    }

    /**
     * Draws images; image `n` has the seed `seed + n`.
     * @param {DrawOptions} [options]
     */
    sample(options = {}) {
        return this.#draw(options, [], 0);
    }

    /**
     * Keeps the first `rows` rows of an image and draws the rest, `count` times; completion `n` has the seed `seed + n`.
     * @param {ImageData} image
     * @param {DrawOptions & { rows?: number }} [options]
     */
    complete(image, { rows = Math.floor(this.info.height / 2), ...options } = {}) {
        const kept = integer("rows", rows, 0, this.info.height);
        return this.#draw(options, kept > 0 ? [this.#one(image)] : [], kept);
    }

    /**
     * Begins an image that is drawn pixel by pixel.
     * @param {import("./index.js").BeginOptions} [options]
     */
    begin({ seed = 0, temperature = 1, argmax, label, given, rows } = {}) {
        const most = this.info.height;
        const kept = given === undefined ? 0 : integer("rows", rows ?? Math.floor(most / 2), 0, most);
        const image = given !== undefined && kept > 0 ? [this.#one(given)] : [];
        const [from, milli, k] = [seedOf(seed), milliOf(temperature, argmax), labelOf(label)];
        const number = this.#instance.call((exports) => exports.begin(from, milli, k, kept), image);
        return new Drawing(this.#instance, number, this.info);
    }

    /**
     * Draws an image pixel by pixel.
     * @param {import("./index.js").BeginOptions} [options]
     * @returns {AsyncGenerator<Pixel, void, void>}
     */
    pixels(options = {}) {
        return this.begin(options)[Symbol.asyncIterator]();
    }

    /**
     * Exact likelihoods: nats of each image, and of each value.
     * @param {ImageData | Images} images
     * @param {{ label?: number }} [options]
     */
    score(images, { label } = {}) {
        const bytes = bytesOf(images);
        this.#instance.call((exports) => exports.score(labelOf(label)), [bytes]);
        const answer = this.#instance.answer();
        const count = bytes.length / this.#values;
        const nats = new Float64Array(answer.buffer, 0, count);
        const each = new Float32Array(answer.buffer, 8 * count, bytes.length);
        const sum = nats.reduce((a, b) => a + b, 0);
        return { nats, each, bitsPerValue: bytes.length === 0 ? 0 : sum / Math.LN2 / bytes.length };
    }

    /**
     * Compresses images to the file that the command line writes; `bare` to the code of one image, without a header.
     * @param {ImageData | Images} images
     * @param {{ labels?: ArrayLike<number>, label?: number, bare?: boolean }} [options]
     */
    compress(images, { labels, label, bare = false } = {}) {
        const bytes = bytesOf(images);
        if (bare) {
            this.#instance.call((exports) => exports.compress_bare(labelOf(label)), [bytes]);
            return this.#instance.answer();
        }
        const count = bytes.length / this.#values;
        if (!Number.isInteger(count)) {
            throw errorOf("image", `${bytes.length} values, expected a multiple of the image's ${this.#values}`);
        }
        const all = labels ?? (label === undefined ? [] : new Array(count).fill(label));
        if (all.length !== (this.info.classes > 0 ? count : 0)) {
            const expected = this.info.classes > 0 ? `one for each of ${count} images` : "none: the model has no classes";
            throw errorOf("label", `${all.length} labels, expected ${expected}`);
        }
        const before = new Uint8Array(2 * all.length);
        for (let n = 0; n < all.length; n += 1) {
            if (labelOf(all[n]) < 0) throw errorOf("label", `label ${n} is missing`);
            new DataView(before.buffer).setUint16(2 * n, all[n], true);
        }
        this.#instance.call((exports) => exports.compress(count), [before, bytes]);
        return this.#instance.answer();
    }

    /**
     * Restores the images of a compressed file, or of a bare code.
     * @param {Uint8Array} file
     * @param {{ label?: number, bare?: boolean }} [options]
     */
    decompress(file, { label, bare = false } = {}) {
        if (!(file instanceof Uint8Array)) throw errorOf("argument", "a compressed file is an Uint8Array");
        if (bare) {
            this.#instance.call((exports) => exports.decompress_bare(labelOf(label)), [file]);
            return new Images(this.info, this.#instance.answer());
        }
        this.#instance.call((exports) => exports.decompress(), [file]);
        const answer = this.#instance.answer();
        const numbers = new Uint32Array(answer.buffer, 0, 4);
        const [count, channels, height, width] = numbers;
        const { levels, classes } = this.info;
        const labels = classes > 0 ? new Uint32Array(answer.buffer, 16, count) : undefined;
        const images = answer.subarray(16 + (labels === undefined ? 0 : 4 * count));
        return new Images({ channels, height, width, levels }, images, undefined, labels);
    }

    /**
     * Measures how far the prediction at a pixel depends on earlier pixels: the total variation, 0 to 1, between the predictions with and
     * without a change of that pixel by half of all levels.
     * @param {ImageData} image
     * @param {{ row: number, column: number, label?: number, places: ArrayLike<number> }} options
     */
    depend(image, { row, column, label, places }) {
        const list = Uint32Array.from(places);
        const at = [integer("row", row, 0, this.info.height - 1), integer("column", column, 0, this.info.width - 1)];
        const input = [this.#one(image), new Uint8Array(list.buffer)];
        this.#instance.call((exports) => exports.depend(at[0], at[1], labelOf(label)), input);
        return new Float32Array(this.#instance.answer().buffer);
    }

    /** @param {ImageData} image */
    #one(image) {
        const bytes = bytesOf(image);
        if (bytes.length === this.#values) return bytes;
        throw errorOf("image", `${bytes.length} values, expected ${this.#values}`);
    }
}
