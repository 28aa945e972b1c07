// @ts-check
/** The field to draw in: pointer, touch and keyboard. It changes levels and tells the page. */

/** Pixels on the line between two pixels, both included. */
function* line(/** @type {number[]} */ [fromRow, fromColumn], /** @type {number[]} */ [toRow, toColumn]) {
    const steps = Math.max(Math.abs(toRow - fromRow), Math.abs(toColumn - fromColumn), 1);
    for (let n = 0; n <= steps; n += 1) {
        yield [Math.round(fromRow + ((toRow - fromRow) * n) / steps), Math.round(fromColumn + ((toColumn - fromColumn) * n) / steps)];
    }
}

export class Field {
    /**
     * @param {HTMLCanvasElement} canvas
     * @param {{ changed(): void, stroke(): void, pointed(at: [number, number] | undefined): void, moved(at: [number, number]): void }} page
     */
    constructor(canvas, page) {
        this.canvas = canvas;
        this.page = page;
        this.shape = { channels: 1, height: 28, width: 28, levels: 2 };
        this.values = new Uint8Array(784);
        /** Levels that the pen leaves, one for each channel. */
        this.pen = [1];
        /** @type {"draw" | "erase" | "look"} */
        this.tool = "draw";
        /** Pixel of the keyboard, shown while the field has the focus. */
        this.cursor = [7, 14];
        this.focused = false;
        /** @type {number[] | undefined} */
        this.last = undefined;
        /** Drawings before the last strokes. @type {Uint8Array[]} */
        this.history = [];
        canvas.addEventListener("pointerdown", (event) => this.#down(event));
        canvas.addEventListener("pointermove", (event) => this.#move(event));
        for (const name of ["pointerup", "pointercancel"]) canvas.addEventListener(name, () => this.#up());
        canvas.addEventListener("pointerleave", () => this.tool === "look" && page.pointed(undefined));
        canvas.addEventListener("keydown", (event) => this.#key(event));
        canvas.addEventListener("focus", () => this.#focus(canvas.matches(":focus-visible")));
        canvas.addEventListener("blur", () => this.#focus(false));
    }

    /** @param {import("./paint.js").Shape} shape */
    reshape({ channels, height, width, levels }) {
        this.shape = { channels, height, width, levels };
        this.values = new Uint8Array(channels * height * width);
        this.history = [];
        this.cursor = [Math.floor(height / 4), Math.floor(width / 2)];
    }

    /** Keeps the drawing, to be undone to. */
    remember() {
        this.history.push(this.values.slice());
        if (this.history.length > 50) this.history.shift();
    }

    undo() {
        const before = this.history.pop();
        if (before === undefined) return;
        this.values = before;
        this.page.changed();
        this.page.stroke();
    }

    clear() {
        this.remember();
        this.values = new Uint8Array(this.values.length);
        this.page.changed();
        this.page.stroke();
    }

    /** @param {PointerEvent} event */
    #at(event) {
        const box = this.canvas.getBoundingClientRect();
        const { height, width } = this.shape;
        return [Math.floor(((event.clientY - box.top) / box.height) * height), Math.floor(((event.clientX - box.left) / box.width) * width)];
    }

    /** @param {PointerEvent} event */
    #down(event) {
        if (event.button !== 0) return;
        const at = this.#at(event);
        if (this.tool === "look") {
            this.page.pointed([at[0], at[1]]);
            return;
        }
        this.canvas.setPointerCapture(event.pointerId);
        this.remember();
        this.last = at;
        this.#mark(at, event.pointerType !== "mouse");
        this.page.changed();
    }

    /** @param {PointerEvent} event */
    #move(event) {
        if (this.tool === "look") {
            const [row, column] = this.#at(event);
            const { height, width } = this.shape;
            if (row >= 0 && row < height && column >= 0 && column < width) this.page.pointed([row, column]);
            return;
        }
        if (this.last === undefined) return;
        const events = event.getCoalescedEvents?.() ?? [];
        for (const each of events.length > 0 ? events : [event]) {
            const at = this.#at(each);
            for (const point of line(this.last, at)) this.#mark(point, true);
            this.last = at;
        }
        this.page.changed();
    }

    #up() {
        if (this.last === undefined) return;
        this.last = undefined;
        this.page.stroke();
    }

    /**
     * One touch of the pen. A stroke is two pixels wide, as digits of MNIST are about that.
     * @param {number[]} at
     * @param {boolean} wide
     */
    #mark([row, column], wide) {
        const { height, width } = this.shape;
        const near = wide ? [[0, 0], [0, 1], [1, 0], [1, 1]] : [[0, 0]];
        for (const [down, right] of near) {
            const [r, c] = [row + down, column + right];
            if (r < 0 || r >= height || c < 0 || c >= width) continue;
            this.pen.forEach((level, channel) => {
                this.values[(channel * height + r) * width + c] = this.tool === "erase" ? 0 : level;
            });
        }
    }

    /** @param {KeyboardEvent} event */
    #key(event) {
        const { height, width } = this.shape;
        const steps = { ArrowUp: [-1, 0], ArrowDown: [1, 0], ArrowLeft: [0, -1], ArrowRight: [0, 1] };
        const step = steps[/** @type {keyof typeof steps} */ (event.key)];
        if (step !== undefined) {
            const to = [this.cursor[0] + step[0], this.cursor[1] + step[1]];
            this.cursor = [Math.min(Math.max(to[0], 0), height - 1), Math.min(Math.max(to[1], 0), width - 1)];
            this.focused = true;
            this.page.moved([this.cursor[0], this.cursor[1]]);
            if (this.tool === "look") this.page.pointed([this.cursor[0], this.cursor[1]]);
        } else if (event.key === " " || event.key === "Enter") {
            if (this.tool === "look") {
                this.page.pointed([this.cursor[0], this.cursor[1]]);
            } else {
                this.remember();
                const at = this.cursor[0] * width + this.cursor[1];
                const marked = this.pen.every((level, channel) => this.values[channel * height * width + at] === level);
                this.pen.forEach((level, channel) => {
                    this.values[channel * height * width + at] = marked || this.tool === "erase" ? 0 : level;
                });
                this.page.changed();
                this.page.moved([this.cursor[0], this.cursor[1]]);
                this.page.stroke();
            }
        } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) {
            this.undo();
        } else {
            return;
        }
        event.preventDefault();
    }

    /** @param {boolean} focused */
    #focus(focused) {
        this.focused = focused;
        this.page.changed();
    }
}
