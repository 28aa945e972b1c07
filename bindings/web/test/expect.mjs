// Writes test/expected.json: what the command line makes of the cases. Run it where models or cases change:
//
//   cargo build --release && node bindings/web/test/expect.mjs target/release/pixelrnn
import { execFileSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { draws, half, label, names, root, rows, sha256 } from "./cases.mjs";
import { npy, values } from "./npy.mjs";

const [program, out = fileURLToPath(new URL("expected.json", import.meta.url))] = process.argv.slice(2);
const folder = mkdtempSync(join(tmpdir(), "pixelrnn-"));
const file = (name) => join(folder, name);
const run = (...words) => execFileSync(program, words.map(String), { encoding: "utf8", stdio: ["ignore", "pipe", "inherit"] });

const expected = {};
for (const name of names) {
    const model = fileURLToPath(new URL(`models/${name}/model.prnn`, root));
    // Such as "28x28x1, 2 levels, bernoulli, 10 classes".
    const { image: facts } = JSON.parse(run("inspect", "--json", model));
    const [height, width, channels, levels] = facts.match(/^(\d+)x(\d+)x(\d+), (\d+) levels/).slice(1).map(Number);
    const classes = Number(facts.match(/(\d+) classes/)?.[1] ?? 0);
    const of = classes > 0 ? ["--label", label] : [];
    const image = half({ height, width, channels, levels });
    writeFileSync(file("half.npy"), npy(image, [1, channels, height, width]));
    writeFileSync(file("labels.npy"), npy(Uint8Array.of(label), [1]));
    const labels = classes > 0 ? ["--labels", file("labels.npy")] : [];
    const { count, seed, temperature } = draws;
    const how = ["--seed", seed, "--temperature", temperature, "-m", model, ...of];
    run("sample", "-n", count, ...how, "-o", file("sample.npy"));
    run("complete", file("half.npy"), "-n", count, "--rows", rows(height), "--levels-in", levels, ...how, "-o", file("complete.npy"));
    run("score", file("half.npy"), "-m", model, "--levels-in", levels, ...labels, "--nats", file("nats.npy"));
    run("compress", file("half.npy"), "-m", model, "--levels-in", levels, ...labels, "-o", file("half.prnz"));
    run("compress", file("half.npy"), "-m", model, "--levels-in", levels, "--bare", ...of, "-o", file("bare"));
    expected[name] = {
        sample: sha256(values(readFileSync(file("sample.npy")))),
        complete: sha256(values(readFileSync(file("complete.npy")))),
        nats: values(readFileSync(file("nats.npy")))[0],
        compress: sha256(readFileSync(file("half.prnz"))),
        bare: readFileSync(file("bare")).toString("hex"),
    };
}
rmSync(folder, { recursive: true });
writeFileSync(out, `${JSON.stringify(expected, null, 2)}\n`);
