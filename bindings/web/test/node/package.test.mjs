// The package in Node.js: equal to the command line, with SIMD and without; wrong input; memory.
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { describe, test } from "node:test";
import { Worker } from "node:worker_threads";
import * as pixelrnn from "pixelrnn";
import { blob, draws, half, label, names, root, rows, sha256 } from "../cases.mjs";

const expected = JSON.parse(readFileSync(new URL("../expected.json", import.meta.url), "utf8"));
const digits = blob("mnist-pixelcnn");

for (const simd of [true, false]) {
    describe(simd ? "with SIMD" : "without SIMD", () => {
        for (const name of names) {
            test(`${name} is the command line's`, async () => {
                const model = await pixelrnn.load(blob(name), { simd });
                assert.equal(model.info.simd, simd);
                const of = model.info.classes > 0 ? { label } : {};
                const image = half(model.info);
                const kept = rows(model.info.height);
                assert.equal(sha256(model.sample({ ...draws, ...of }).data), expected[name].sample);
                const complete = model.complete(image, { ...draws, ...of, rows: kept });
                assert.equal(sha256(complete.data), expected[name].complete);
                const { nats, each } = model.score(image, of);
                assert.equal(nats[0], expected[name].nats);
                assert.ok(Math.abs(each.reduce((a, b) => a + b, 0) - nats[0]) < 1e-3 * nats[0]);
                const file = model.compress(image, of);
                assert.equal(sha256(file), expected[name].compress);
                assert.deepEqual(model.decompress(file).data, image);
                const bare = model.compress(image, { bare: true, ...of });
                assert.equal(Buffer.from(bare).toString("hex"), expected[name].bare);
                assert.deepEqual(model.decompress(bare, { bare: true, ...of }).data, image);
                // The last completion, one pixel a step.
                const last = new Uint8Array(image.length);
                const { height, width } = model.info;
                let cost = 0;
                const options = { ...of, seed: draws.seed + 2, temperature: draws.temperature, given: image, rows: kept };
                for await (const { row, column, values, nats } of model.pixels(options)) {
                    values.forEach((value, channel) => (last[(channel * height + row) * width + column] = value));
                    cost += nats;
                }
                assert.deepEqual(last, complete.image(2));
                assert.ok(Math.abs(cost - complete.nats[2]) < 1e-3 * cost);
                model.free();
            });
        }
    });
}

test("a model is loaded from an address, an ArrayBuffer or a Blob", async () => {
    const address = new URL("models/mnist-pixelcnn/model.prnn", root);
    for (const source of [address, address.href, digits.slice().buffer, new Blob([digits])]) {
        assert.equal((await pixelrnn.load(source)).info.identity, (await pixelrnn.load(digits)).info.identity);
    }
    await assert.rejects(pixelrnn.load(new URL("none.prnn", root)), pixelrnn.FetchError);
    await assert.rejects(pixelrnn.load(7), pixelrnn.ArgumentError);
});

test("several images are one file", async () => {
    const model = await pixelrnn.load(digits);
    const images = model.sample({ count: 20, seed: 1 });
    const { data, count } = model.decompress(model.compress(images));
    assert.equal(count, 20);
    assert.deepEqual(data, images.data);
    assert.deepEqual(model.score(images).nats, images.nats);
    const classes = await pixelrnn.load(blob("mnist-class-pixelcnn"));
    const file = classes.compress(images, { labels: Array.from({ length: 20 }, (_, n) => n % 10) });
    const restored = classes.decompress(file);
    assert.deepEqual([...restored.labels.slice(8, 12)], [8, 9, 0, 1]);
    assert.deepEqual(restored.data, images.data);
    assert.throws(() => model.decompress(file), pixelrnn.CompressedError);
});

test("images of other sizes", async () => {
    const model = await pixelrnn.load(digits, { size: [12, 40] });
    const image = model.sample({ seed: 3 });
    assert.deepEqual([image.height, image.width, image.data.length], [12, 40, 480]);
    const usual = await pixelrnn.load(digits);
    assert.deepEqual(usual.decompress(model.compress(image)).data, image.data);
    await assert.rejects(pixelrnn.load(digits, { size: [0, 40] }), pixelrnn.ArgumentError);
});

test("damaged models are errors of a sentence, or still right models", async () => {
    const module = await pixelrnn.compile();
    const load = (bytes) => pixelrnn.load(bytes, { module });
    for (const length of [0, 1, 63, 64, 1000, digits.length - 1]) {
        await assert.rejects(load(digits.slice(0, length)), pixelrnn.ModelError);
    }
    await assert.rejects(load(new Uint8Array(1 << 16).fill(255)), pixelrnn.ModelError);
    await assert.rejects(load(new TextEncoder().encode("<!doctype html>".repeat(100))), /PRNN|blob/);
    for (let n = 0; n < 200; n += 1) {
        const bytes = digits.slice();
        bytes[(n * 127) % (n < 100 ? 512 : bytes.length)] ^= 1 << n % 8;
        await assert.rejects(load(bytes), (error) => error instanceof pixelrnn.ModelError && /^\S.+\S$/.test(error.message));
    }
});

test("damaged files are errors of a sentence", async () => {
    const model = await pixelrnn.load(digits);
    const image = half(model.info);
    const file = model.compress(image);
    for (let length = 0; length < file.length; length += 1) {
        assert.throws(() => model.decompress(file.slice(0, length)), pixelrnn.CompressedError);
    }
    for (let n = 0; n < file.length; n += 1) {
        const bytes = file.slice();
        bytes[n] ^= 16;
        try {
            assert.deepEqual(model.decompress(bytes).data, image);
        } catch (error) {
            assert.ok(error instanceof pixelrnn.CompressedError, error);
        }
    }
    const many = file.slice();
    many.fill(255, 24, 28);
    assert.throws(() => model.decompress(many), pixelrnn.CompressedError);
    assert.throws(() => model.decompress("text"), pixelrnn.ArgumentError);
});

test("wrong arguments are typed errors that name them", async () => {
    const model = await pixelrnn.load(digits);
    const image = half(model.info);
    const { ArgumentError, ImageError, LabelError } = pixelrnn;
    const wrong = [
        [() => model.sample({ temperature: 0 }), ArgumentError, /temperature/],
        [() => model.sample({ temperature: NaN }), ArgumentError, /temperature/],
        [() => model.sample({ seed: -1 }), ArgumentError, /seed/],
        [() => model.sample({ seed: 0.5 }), ArgumentError, /seed/],
        [() => model.sample({ count: -1 }), ArgumentError, /count/],
        [() => model.sample({ count: 1 << 20 }), pixelrnn.MemoryError, /MiB/],
        [() => model.sample({ label: 1 }), LabelError, /no classes/],
        [() => model.complete(image, { rows: 29 }), ArgumentError, /rows/],
        [() => model.complete(image.slice(1), {}), ImageError, /783/],
        [() => model.score(image.slice(1)), ImageError, /783/],
        [() => model.score(image.map((value) => 2 * value)), ImageError, /value 2/],
        [() => model.score([0, 1, -1]), ImageError, /-1/],
        [() => model.compress(image.map((value) => 2 * value)), ImageError, /value 2/],
        [() => model.compress(image, { labels: [1] }), LabelError, /no classes/],
        [() => model.depend(image, { row: 28, column: 0, places: [] }), ArgumentError, /row/],
        [() => model.depend(image, { row: 0, column: 1, places: [1] }), ArgumentError, /after/],
    ];
    for (const [call, kind, text] of wrong) assert.throws(call, (error) => error instanceof kind && text.test(error.message), call.toString());
    const classes = await pixelrnn.load(blob("mnist-class-pixelcnn"));
    assert.throws(() => classes.sample(), LabelError);
    assert.throws(() => classes.sample({ label: 10 }), LabelError);
    assert.equal(model.sample({ seed: 2n ** 64n - 1n }).count, 1);
    assert.equal(model.sample({ count: 0 }).count, 0);
    model.free();
    assert.throws(() => model.sample(), ArgumentError);
});

test("a prediction depends on pixels near it, and on none out of its reach", async () => {
    const model = await pixelrnn.load(digits);
    const image = half(model.info);
    const at = { row: 14, column: 14, places: [14 * 28 + 13, 13 * 28 + 14, 0] };
    const [left, above, far] = model.depend(image, at);
    assert.ok(left > 0.01 && above > 0 && far === 0, `${left} ${above} ${far}`);
});

test("1,000 images, and drawings that were not finished, leave memory flat", async () => {
    const model = await pixelrnn.load(digits);
    const image = half(model.info);
    const work = async (count) => {
        for (let n = 0; n < count; n += 20) {
            model.sample({ count: 20, seed: n });
            model.score(image);
            model.decompress(model.compress(image));
            for await (const { row } of model.pixels({ seed: n })) if (row === 1) break;
        }
    };
    await work(60);
    const before = model.memoryBytes;
    await work(1000);
    assert.equal(model.memoryBytes, before);
});

test("the package works in a worker", async () => {
    const source = `
        import { parentPort, workerData } from "node:worker_threads";
        import { load } from ${JSON.stringify(import.meta.resolve("pixelrnn"))};
        const model = await load(workerData);
        parentPort.postMessage(model.sample({ count: 1, seed: 7 }).data);`;
    const worker = new Worker(new URL(`data:text/javascript,${encodeURIComponent(source)}`), { workerData: digits });
    const data = await new Promise((resolve, reject) => worker.once("message", resolve).once("error", reject));
    assert.deepEqual(data, (await pixelrnn.load(digits)).sample({ count: 1, seed: 7 }).data);
});
