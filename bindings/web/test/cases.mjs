// What is compared with the command line.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";

export const root = new URL("../../../", import.meta.url);
export const names = JSON.parse(readFileSync(new URL("../page/zoo.json", import.meta.url), "utf8")).map(({ name }) => name);
export const blob = (name) => new Uint8Array(readFileSync(new URL(`models/${name}/model.prnn`, root)));
export const sha256 = (bytes) => createHash("sha256").update(bytes).digest("hex");

/** Arguments of the drawings. */
export const draws = { count: 3, seed: 7, temperature: 0.9 };
/** Class of models that have classes. */
export const label = 3;
/** Rows that completions keep. */
export const rows = (height) => Math.floor(height / 2);

/** The upper half of a three, in the middle of an image of any shape: the drawing that the page begins with. */
export function half({ channels, height, width, levels }) {
    const marks = [
        "....#######.....", "..###########...", ".####.....####..", ".##........###..", "...........###..",
        "..........###...", ".......#####....", "......#####.....", ".........###....",
    ];
    const values = new Uint8Array(channels * height * width);
    for (let channel = 0; channel < channels; channel += 1) {
        marks.forEach((row, r) => [...row].forEach((mark, c) => {
            values[(channel * height + r + 5) * width + c + 6] = mark === "#" ? levels - 1 : 0;
        }));
    }
    return values;
}
