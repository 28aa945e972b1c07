// Reading and writing of .npy files of bytes and of float64, as far as the tests need them.

/** A .npy file of `uint8` values. */
export function npy(values, shape) {
    const text = `{'descr': '|u1', 'fortran_order': False, 'shape': (${shape.join(", ")},), }`;
    const header = text.padEnd(Math.ceil((text.length + 11) / 64) * 64 - 11) + "\n";
    return Buffer.concat([Buffer.from("\x93NUMPY\x01\x00", "latin1"), Buffer.from([header.length & 255, header.length >> 8]), Buffer.from(header), values]);
}

/** Values of a .npy file. */
export function values(file) {
    const data = file.subarray(10 + file.readUInt16LE(8));
    const f8 = file.subarray(10, 10 + file.readUInt16LE(8)).includes("'<f8'");
    return f8 ? new Float64Array(new Uint8Array(data).buffer) : new Uint8Array(data);
}
