// The page in Chromium, from a server and from a file.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { after, before, describe, test } from "node:test";
import { fileURLToPath } from "node:url";
import { load } from "pixelrnn";
import { blob, half, sha256 } from "../cases.mjs";
import { completions, launch, serve } from "./browser.mjs";

const expected = JSON.parse(readFileSync(new URL("../expected.json", import.meta.url), "utf8"));
const axe = readFileSync(fileURLToPath(import.meta.resolve("axe-core/axe.min.js")), "utf8");
const file = new URL("../../dist/page/index.html", import.meta.url).href;
let browser, server;
before(async () => ([browser, server] = await Promise.all([launch(), serve()])));
after(async () => {
    await browser.close();
    server.stop();
});

/** A page that fails the test on any error and on any request to elsewhere. */
async function open(address, options = {}) {
    const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
    const page = await context.newPage();
    page.problems = [];
    page.on("pageerror", (error) => page.problems.push(String(error)));
    page.on("console", (message) => message.type() === "error" && page.problems.push(message.text()));
    page.on("request", (request) => {
        const url = request.url();
        if (!/^(data|blob):/.test(url) && new URL(url).origin !== new URL(address).origin) page.problems.push(`request to ${url}`);
    });
    await page.addInitScript(() => {
        globalThis.long = [];
        new PerformanceObserver((list) => globalThis.long.push(...list.getEntries().map(({ duration }) => duration))).observe({ type: "longtask", buffered: true });
    });
    await page.goto(address);
    return page;
}

/** Digest of the levels that the page has drawn from text of digits. */
const digest = (texts) => sha256(Uint8Array.from(texts.join(""), Number));

/** Draws marks of the keyboard, from the pixel that the cursor stands at. */
async function drawHalf(page) {
    const image = half({ channels: 1, height: 28, width: 28, levels: 2 });
    const box = await page.locator("#field").boundingBox();
    const cell = box.width / 28;
    // A click of the mouse marks one pixel.
    for (let at = 0; at < image.length; at += 1) {
        if (image[at] === 1) await page.mouse.click(box.x + ((at % 28) + 0.5) * cell, box.y + (Math.floor(at / 28) + 0.5) * cell);
    }
}

for (const [where, query] of [["a server", ""], ["a server, without SIMD", "?simd=0"], ["a file", ""]]) {
    describe(`from ${where}`, () => {
        test("a drawn half digit is completed as the command line does it", async () => {
            const page = await open((where === "a file" ? file : server.address) + query + "#seed=7&t=0.9&rows=14");
            await completions(page);
            await drawHalf(page);
            const turn = await page.evaluate(() => Number(document.body.dataset.completed));
            await page.locator("#again").waitFor();
            const last = await page.waitForFunction(() => document.querySelector("#completions canvas").dataset.values?.includes("1") && document.body.dataset.completed);
            assert.ok(Number(await last.jsonValue()) >= turn);
            await page.waitForTimeout(500);
            const drawn = await completions(page);
            assert.equal(digest(drawn.slice(0, 3)), expected["mnist-pixelcnn"].complete);
            await page.waitForFunction(() => document.getElementById("bare").textContent.includes("bytes"));
            const bare = expected["mnist-pixelcnn"].bare.length / 2;
            assert.equal(await page.locator("#bare").textContent(), `${bare} bytes`);
            assert.equal(Number(await page.locator("#nats").textContent()).toFixed(2), expected["mnist-pixelcnn"].nats.toFixed(2));
            assert.match(await page.locator("#facts").textContent(), query === "" ? /with SIMD/ : /without SIMD/);
            assert.deepEqual(page.problems, []);
            // The link keeps all of it.
            const again = await open(page.url());
            assert.deepEqual(await completions(again), drawn);
            await page.context().close();
            await again.context().close();
        });
    });
}

test("a model of classes draws the class", async () => {
    const page = await open(`${server.address}#model=mnist-class-pixelcnn&seed=7&t=0.9&rows=0&label=3`);
    const drawn = await completions(page);
    const model = await load(blob("mnist-class-pixelcnn"));
    const { data } = model.sample({ count: 6, seed: 7, temperature: 0.9, label: 3 });
    assert.equal(digest(drawn), sha256(data));
    await page.context().close();
});

test("files that are no models give a sentence, and the page goes on", async () => {
    const page = await open(server.address);
    await completions(page);
    const digits = blob("mnist-pixelcnn");
    const damaged = digits.slice();
    damaged[digits.length - 9] ^= 1;
    const huge = digits.slice();
    huge.fill(255, 8, 64);
    const files = { empty: [], text: [...Buffer.from("hello")], truncated: digits.slice(0, 999), damaged, huge, noise: new Uint8Array(99_999).fill(171) };
    for (const [name, bytes] of Object.entries(files)) {
        await page.setInputFiles("#own", { name: `${name}.prnn`, mimeType: "", buffer: Buffer.from(bytes) });
        const text = await page.waitForFunction(() => !document.getElementById("alert").hidden && document.getElementById("alert").textContent);
        assert.match(await text.jsonValue(), /^This file is no model .*[a-z`)]\.$/);
        await page.evaluate(() => (document.getElementById("alert").hidden = true));
    }
    await page.click("#again");
    await completions(page, 2);
    // A good one, dropped.
    const transfer = await page.evaluateHandle((bytes) => {
        const transfer = new DataTransfer();
        transfer.items.add(new File([new Uint8Array(bytes)], "mine.prnn"));
        return transfer;
    }, [...blob("mnist-row-lstm")]);
    await page.dispatchEvent("body", "drop", { dataTransfer: transfer });
    await page.waitForFunction(() => document.getElementById("facts").textContent.includes("67 KB"));
    assert.deepEqual(page.problems, []);
    await page.context().close();
});

test("1,000 images leave the memory of the module flat", async () => {
    const page = await open(server.address);
    await completions(page);
    const memory = async () => {
        await page.evaluate(() => delete document.body.dataset.memory);
        await page.evaluate(() => globalThis.pixelrnn.memory());
        return Number(await (await page.waitForFunction(() => document.body.dataset.memory)).jsonValue());
    };
    const draw = async (times) => {
        for (let n = 0; n < times; n += 1) {
            const turn = await page.evaluate(() => Number(document.body.dataset.completed));
            await page.evaluate(() => document.getElementById("again").click());
            await completions(page, turn + 1);
        }
    };
    await draw(5);
    const at = await memory();
    await draw(Math.ceil(1000 / 6));
    assert.equal(await memory(), at);
    await page.context().close();
});

test("no task of the page takes over 50 ms", async () => {
    const page = await open(server.address);
    await completions(page);
    await page.evaluate(() => (globalThis.long.length = 0));
    const box = await page.locator("#field").boundingBox();
    await page.check("#surprise");
    await page.mouse.move(box.x + 100, box.y + 60);
    await page.mouse.down();
    for (let n = 0; n < 60; n += 1) await page.mouse.move(box.x + 100 + 100 * Math.sin(n / 9), box.y + 60 + 2 * n);
    await page.mouse.up();
    await page.getByText("Look", { exact: true }).first().click();
    await page.mouse.move(box.x + 180, box.y + 200);
    await page.waitForTimeout(500);
    await page.getByText("Photographs").click();
    await page.waitForFunction(() => document.getElementById("facts").textContent.includes("163 KB"));
    await page.waitForTimeout(2000);
    assert.deepEqual(await page.evaluate(() => globalThis.long), []);
    await page.context().close();
});

for (const colorScheme of ["light", "dark"]) {
    test(`axe finds nothing, ${colorScheme}`, async () => {
        const page = await open(server.address, { colorScheme });
        await completions(page);
        await page.evaluate(axe);
        const { violations } = await page.evaluate(() => globalThis.axe.run());
        assert.deepEqual(violations.map(({ id, impact, nodes }) => `${impact} ${id}: ${nodes[0].html}`), []);
        await page.context().close();
    });
}

test("the keyboard draws, and says where it is", async () => {
    const page = await open(`${server.address}#rows=14`);
    await completions(page);
    await page.focus("#field");
    await page.keyboard.press("ArrowDown");
    await page.keyboard.press("Space");
    assert.match(await page.locator("#cursor").textContent(), /^row 9, column 15, ink/);
    await completions(page, 2);
    assert.match(page.url(), /&d=/);
    await page.context().close();
});

test("nothing lies beside the screen of a phone, and a finger draws", async () => {
    const page = await open(`${server.address}#rows=14`, { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true });
    await completions(page);
    assert.equal(await page.evaluate(() => document.documentElement.scrollWidth), 360);
    const box = await page.locator("#field").boundingBox();
    await page.touchscreen.tap(box.x + 100, box.y + 50);
    await completions(page, 2);
    assert.match(page.url(), /&d=/);
    await page.context().close();
});
