// @ts-check
/** Levels of a model on a canvas. */

/** @typedef {{ channels: number, height: number, width: number, levels: number }} Shape */

/** Colours of the page, as `[r, g, b]`, read from its style once for each theme. */
export const theme = { paper: [255, 255, 255], ink: [0, 0, 0], accent: [200, 60, 30] };

/** Reads the colours of the current theme. */
export function readTheme() {
    const style = getComputedStyle(document.documentElement);
    for (const name of /** @type {const} */ (["paper", "ink", "accent"])) {
        const hex = style.getPropertyValue(`--${name}`).trim();
        theme[name] = [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
    }
}

/**
 * @param {readonly number[]} from
 * @param {readonly number[]} to
 * @param {number} share
 */
export const mix = (from, to, share) => from.map((value, n) => Math.round(value + (to[n] - value) * share));

/**
 * Colour of a pixel.
 * @param {ArrayLike<number>} values the image, `[C, H, W]`
 * @param {Shape} shape
 * @param {number} pixel
 */
export function colourOf(values, { channels, height, width, levels }, pixel) {
    if (channels === 3) return [0, 1, 2].map((channel) => Math.round((values[channel * height * width + pixel] * 255) / (levels - 1)));
    return mix(theme.paper, theme.ink, values[pixel] / (levels - 1));
}

/**
 * Paints an image one canvas pixel a pixel; the style enlarges it.
 * @param {HTMLCanvasElement} canvas
 * @param {ArrayLike<number>} values
 * @param {Shape} shape
 * @param {{ known?: number, overlay?: ArrayLike<number>, faint?: number, cursor?: number }} [options] `known` pixels of the beginning are
 *   shown; `overlay` is a share of the accent for each pixel; pixels from `faint` on are paler
 */
export function paint(canvas, values, shape, { known = Infinity, overlay, faint = Infinity, cursor } = {}) {
    const { height, width } = shape;
    if (canvas.width !== width || canvas.height !== height) {
        canvas.width = width;
        canvas.height = height;
    }
    const context = canvas.getContext("2d");
    if (context === null) return;
    const image = context.createImageData(width, height);
    for (let pixel = 0; pixel < height * width; pixel += 1) {
        let colour = pixel < known ? colourOf(values, shape, pixel) : theme.paper;
        if (pixel >= faint) colour = mix(theme.paper, colour, 0.22);
        if (overlay !== undefined && overlay[pixel] > 0) colour = mix(colour, theme.accent, Math.min(1, overlay[pixel]));
        if (pixel === cursor) colour = theme.accent;
        image.data.set([...colour, 255], 4 * pixel);
    }
    context.putImageData(image, 0, 0);
}
