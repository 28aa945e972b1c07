// @ts-check
/** Errors of the package. `kind` is for programs, `message` is one sentence for people. */

export class PixelrnnError extends Error {
    /**
     * @param {import("./index.js").ErrorKind} kind
     * @param {string} message
     * @param {ErrorOptions} [options]
     */
    constructor(kind, message, options) {
        super(message, options);
        this.name = new.target.name;
        this.kind = kind;
    }
}

/** The bytes are no model that this version can run. */
export class ModelError extends PixelrnnError {}
/** An image has another size than the model's, or a value that is no level. */
export class ImageError extends PixelrnnError {}
/** The label does not fit the model. */
export class LabelError extends PixelrnnError {}
/** Another argument is out of range, or the object was freed. */
export class ArgumentError extends PixelrnnError {}
/** The bytes are no compressed file, a damaged one, or one of another model. */
export class CompressedError extends PixelrnnError {}
/** There is not enough memory. */
export class MemoryError extends PixelrnnError {}
/** The engine stopped in an image. */
export class EngineError extends PixelrnnError {}
/** A model or the WebAssembly module could not be fetched. */
export class FetchError extends PixelrnnError {}

const CLASSES = {
    model: ModelError,
    image: ImageError,
    label: LabelError,
    argument: ArgumentError,
    compressed: CompressedError,
    memory: MemoryError,
    engine: EngineError,
    fetch: FetchError,
};

/**
 * The error of a kind.
 * @param {string} kind
 * @param {string} message
 * @param {ErrorOptions} [options]
 */
export function errorOf(kind, message, options) {
    const known = /** @type {keyof typeof CLASSES} */ (Object.hasOwn(CLASSES, kind) ? kind : "engine");
    return new CLASSES[known](known, message, options);
}
