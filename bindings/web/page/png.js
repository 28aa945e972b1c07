// @ts-check
/** A PNG file of levels, as small as the format makes it without a search: packed bits for two levels and for sixteen. */

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
    let sum = n;
    for (let bit = 0; bit < 8; bit += 1) sum = sum & 1 ? (sum >>> 1) ^ 0xedb88320 : sum >>> 1;
    return sum;
});

/** @param {Uint8Array} bytes */
function crc32(bytes) {
    let sum = 0xffffffff;
    for (const byte of bytes) sum = (sum >>> 8) ^ TABLE[(sum ^ byte) & 255];
    return (sum ^ 0xffffffff) >>> 0;
}

/**
 * @param {string} name
 * @param {Uint8Array} data
 */
function chunk(name, data) {
    const bytes = new Uint8Array(data.length + 12);
    const view = new DataView(bytes.buffer);
    view.setUint32(0, data.length);
    bytes.set(new TextEncoder().encode(name), 4);
    bytes.set(data, 8);
    view.setUint32(data.length + 8, crc32(bytes.subarray(4, data.length + 8)));
    return bytes;
}

/** @param {Uint8Array} bytes */
async function deflate(bytes) {
    const stream = new Blob([/** @type {BlobPart} */ (bytes)]).stream().pipeThrough(new CompressionStream("deflate"));
    return new Uint8Array(await new Response(stream).arrayBuffer());
}

/**
 * Bytes of a PNG file.
 * @param {Uint8Array} values levels, `[C, H, W]`
 * @param {{ channels: number, height: number, width: number, levels: number }} shape
 */
export async function png(values, { channels, height, width, levels }) {
    const depth = levels === 2 ? 1 : levels === 4 ? 2 : levels === 16 && channels === 1 ? 4 : 8;
    const line = Math.ceil((width * channels * depth) / 8) + 1;
    const rows = new Uint8Array(line * height);
    for (let row = 0; row < height; row += 1) {
        for (let n = 0; n < width * channels; n += 1) {
            const level = values[((n % channels) * height + row) * width + Math.floor(n / channels)];
            const value = depth === 8 ? Math.round((level * 255) / (levels - 1)) : level;
            const bit = n * depth;
            rows[row * line + 1 + (bit >> 3)] |= value << (8 - depth - (bit & 7));
        }
    }
    const header = new Uint8Array(13);
    const view = new DataView(header.buffer);
    view.setUint32(0, width);
    view.setUint32(4, height);
    header.set([depth, channels === 3 ? 2 : 0], 8);
    const parts = [
        Uint8Array.of(137, 80, 78, 71, 13, 10, 26, 10),
        chunk("IHDR", header),
        chunk("IDAT", await deflate(rows)),
        chunk("IEND", new Uint8Array()),
    ];
    const file = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0));
    let at = 0;
    for (const part of parts) {
        file.set(part, at);
        at += part.length;
    }
    return file;
}
