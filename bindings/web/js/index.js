// @ts-check
/**
 * Autoregressive image models in WebAssembly: draw, complete, score and compress images, pixel by pixel or whole.
 *
 * ```js
 * import { load } from "pixelrnn";
 *
 * const model = await load(new URL("digits.prnn", import.meta.url));
 * const { data } = model.sample({ count: 16, seed: 7 });
 * for await (const { row, column, values } of model.pixels({ seed: 7 })) { … }
 * ```
 */
import { errorOf } from "./errors.js";
import { Model } from "./model.js";
import { simdSupported } from "./simd.js";

export * from "./errors.js";
export { Drawing, Images, Model } from "./model.js";
export { simdSupported } from "./simd.js";

/** Compiled modules, without and with SIMD. @type {[Promise<WebAssembly.Module>?, Promise<WebAssembly.Module>?]} */
const compiled = [undefined, undefined];

/**
 * Bytes at an address; in Node.js also of a file.
 * @param {string | URL} address
 */
async function bytesAt(address) {
    const base = globalThis.location?.href ?? import.meta.url;
    const url = new URL(address, base);
    try {
        if (url.protocol === "file:" && globalThis.process?.versions?.node !== undefined) {
            const { readFile } = await import("node:fs/promises");
            return new Uint8Array(await readFile(url));
        }
        const response = await fetch(url);
        if (!response.ok) throw new Error(`status ${response.status}`);
        return new Uint8Array(await response.arrayBuffer());
    } catch (error) {
        throw errorOf("fetch", `${url.href}: ${error instanceof Error ? error.message : String(error)}`, { cause: error });
    }
}

/**
 * The compiled module, with SIMD where it can be had. It is compiled once.
 * @param {{ simd?: boolean }} [options]
 */
export function compile({ simd = simdSupported() } = {}) {
    const which = simd ? 1 : 0;
    const name = simd ? "./pixelrnn-simd.wasm" : "./pixelrnn.wasm";
    compiled[which] ??= bytesAt(new URL(name, import.meta.url)).then((bytes) => WebAssembly.compile(bytes));
    // A failure is not kept: the next call tries again.
    compiled[which].catch(() => (compiled[which] = undefined));
    return compiled[which];
}

/**
 * Loads a model from its bytes or from an address.
 * @param {Uint8Array | ArrayBuffer | Blob | Response | string | URL} source
 * @param {import("./index.js").LoadOptions} [options]
 */
export async function load(source, { simd, size, module } = {}) {
    const compiledModule = module ?? (await compile(simd === undefined ? {} : { simd }));
    return Model.instantiate(await compiledModule, await blobOf(source), size);
}

/** @param {Uint8Array | ArrayBuffer | Blob | Response | string | URL} source */
async function blobOf(source) {
    if (source instanceof Uint8Array) return source;
    if (source instanceof ArrayBuffer) return new Uint8Array(source);
    if (typeof source === "string" || source instanceof URL) return bytesAt(source);
    if (source instanceof Blob || source instanceof Response) return new Uint8Array(await source.arrayBuffer());
    throw errorOf("argument", "a model is loaded from bytes, a Blob, a Response or an address");
}
