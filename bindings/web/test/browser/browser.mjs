// Chromium with the built page, for tests and screenshots.
import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { createInterface } from "node:readline";
import { fileURLToPath } from "node:url";
import { chromium } from "playwright-core";

const candidates = [process.env.CHROMIUM, "/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];
export const executablePath = candidates.find((path) => path !== undefined && existsSync(path));

export const launch = () => chromium.launch({ executablePath, args: ["--no-sandbox", "--headless", "--disable-gpu"] });

/** Starts `./serve` on a free port; returns the page's address and a function that stops it. */
export async function serve() {
    const server = spawn(process.execPath, [fileURLToPath(new URL("../../serve", import.meta.url)), "0"], { stdio: ["ignore", "pipe", "inherit"] });
    for await (const line of createInterface({ input: server.stdout })) {
        return { address: line.split(" ")[0], stop: () => server.kill() };
    }
    throw new Error("no server");
}

/** Waits until all completions of the latest request are there, and returns their levels. */
export async function completions(page, request = 1) {
    await page.waitForFunction((least) => Number(document.body.dataset.completed) >= least, request, { timeout: 120_000 });
    return page.$$eval("#completions canvas", (all) => all.map((canvas) => canvas.dataset.values));
}
