// @ts-check
/** What a link to the page keeps, in its fragment. */

/** @typedef {{ model: string, seed: number, temperature: number, label: number, rows: number, drawing: string }} State */

/**
 * Packs two levels as bits, others as bytes, in letters that a link may have.
 * @param {Uint8Array} values
 * @param {number} levels
 */
export function pack(values, levels) {
    let bytes = values;
    if (levels === 2) {
        bytes = new Uint8Array(Math.ceil(values.length / 8));
        values.forEach((value, n) => (bytes[n >> 3] |= value << (n & 7)));
    }
    if (bytes.every((byte) => byte === 0)) return "";
    return btoa(String.fromCharCode(...bytes)).replaceAll("+", "-").replaceAll("/", "_").replace(/=+$/, "");
}

/**
 * The reverse of `pack`; nothing for a text that it did not make.
 * @param {string} text
 * @param {number} levels
 * @param {number} length
 */
export function unpack(text, levels, length) {
    const values = new Uint8Array(length);
    try {
        const binary = atob(text.replaceAll("-", "+").replaceAll("_", "/"));
        if (binary.length !== (levels === 2 ? Math.ceil(length / 8) : length)) return undefined;
        for (let n = 0; n < length; n += 1) {
            values[n] = levels === 2 ? (binary.charCodeAt(n >> 3) >> (n & 7)) & 1 : binary.charCodeAt(n);
        }
    } catch {
        return undefined;
    }
    return values.every((value) => value < levels) ? values : undefined;
}

/**
 * @param {string} fragment
 * @returns {Partial<State>}
 */
export function read(fragment) {
    const fields = new URLSearchParams(fragment.replace(/^#/, ""));
    const number = (/** @type {string} */ name, /** @type {number} */ least, /** @type {number} */ most) => {
        const value = Number(fields.get(name) ?? NaN);
        return Number.isFinite(value) && value >= least && value <= most ? value : undefined;
    };
    const whole = (/** @type {number | undefined} */ value) => (value === undefined ? undefined : Math.floor(value));
    return {
        model: fields.get("model") ?? undefined,
        seed: whole(number("seed", 0, Number.MAX_SAFE_INTEGER)),
        temperature: number("t", 0.01, 100),
        label: whole(number("label", 0, 65535)),
        rows: whole(number("rows", 0, 4096)),
        drawing: fields.get("d") ?? undefined,
    };
}

/** @param {State & { classes: number }} state */
export function write({ model, seed, temperature, label, rows, drawing, classes }) {
    const fields = new URLSearchParams({ model, seed: String(seed), t: String(temperature), rows: String(rows) });
    if (classes > 0) fields.set("label", String(label));
    if (drawing !== "") fields.set("d", drawing);
    return `#${fields}`;
}
