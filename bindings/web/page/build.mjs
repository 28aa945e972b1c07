// Builds the page into dist/page/: one HTML file, and a script for each module and model, which browsers also read without a server.
// PIXELRNN_DOCS is the address of the documentation, relative to the page.
import { mkdir, readFile, rm, writeFile } from "node:fs/promises";

const here = new URL("./", import.meta.url);
const out = new URL("../dist/page/", here);
const models = new URL("../../../models/", here);
const text = (path) => readFile(new URL(path, here), "utf8");

/** Sources one after another, as one script. Only the forms of `import` and `export` that the sources use are known. */
async function bundle(paths) {
    const parts = [];
    for (const path of paths) {
        const source = await text(path);
        const names = [...source.matchAll(/^import \* as (\w+) from "\.\/(.*)\.js";$/gm)].map(([, name, file]) => ({ name, file }));
        let body = source.replaceAll(/^import [^;]*;\n/gm, "").replaceAll(/^export /gm, "");
        // A namespace becomes an object of the names that the other file exports.
        for (const { name, file } of names) {
            const exported = [...(await text(`${file}.js`)).matchAll(/^export (?:const|function|class) (\w+)/gm)].map(([, e]) => e);
            body = `const ${name} = { ${exported.join(", ")} };\n${body}`;
        }
        parts.push(body);
    }
    return parts.join("\n");
}

/** A script that gives bytes to the page. */
const carrier = (name, bytes) => `pixelrnn(${JSON.stringify(name)},"${bytes.toString("base64")}");\n`;

const zoo = JSON.parse(await text("zoo.json"));
await rm(out, { recursive: true, force: true });
await mkdir(new URL("models/", out), { recursive: true });
await mkdir(new URL("wasm/", out), { recursive: true });
for (const card of zoo) {
    const bytes = await readFile(new URL(`${card.name}/model.prnn`, models));
    card.bytes = bytes.length;
    await writeFile(new URL(`models/${card.name}.js`, out), carrier(card.name, bytes));
}
for (const name of ["pixelrnn", "pixelrnn-simd"]) {
    const bytes = await readFile(new URL(`../dist/${name}.wasm`, here));
    await writeFile(new URL(`wasm/${name}.js`, out), carrier(name, bytes));
}
const fill = {
    STYLE: await text("style.css"),
    DOCS: process.env.PIXELRNN_DOCS ?? "../../../../docs/README.md",
    ZOO: JSON.stringify(zoo),
    WORKER: await bundle(["../js/errors.js", "../js/model.js", "png.js", "worker.js"]),
    APP: `(() => {\n"use strict";\n${await bundle(["../js/simd.js", "paint.js", "link.js", "field.js", "app.js"])}\n})();`,
};
const html = (await text("index.html")).replaceAll(/\/\*([A-Z]+)\*\//g, (whole, name) => fill[name] ?? whole);
await writeFile(new URL("index.html", out), html);
