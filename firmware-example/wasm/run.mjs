// Runs the module in Node.js and prints its report: node run.mjs MODULE.wasm
import { readFile } from "node:fs/promises";

const { instance } = await WebAssembly.instantiate(await readFile(process.argv[2]), {});
const { memory, run, text, length } = instance.exports;
const status = run();
process.stdout.write(Buffer.from(memory.buffer, text(), length()));
process.exitCode = status;
