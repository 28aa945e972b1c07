/** Kinds of errors, for programs. */
export type ErrorKind = "model" | "image" | "label" | "argument" | "compressed" | "memory" | "engine" | "fetch";

/** Error of the package; its message is one sentence. */
export class PixelrnnError extends Error {
    constructor(kind: ErrorKind, message: string, options?: ErrorOptions);
    readonly kind: ErrorKind;
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

/** Levels of the model, `[N, C, H, W]` or, for one image, `[C, H, W]`. */
export type ImageData = Uint8Array | Uint8ClampedArray | number[];

/** Facts of a model. */
export interface ModelInfo {
    readonly height: number;
    readonly width: number;
    /** 1 or 3. */
    readonly channels: number;
    /** Levels of a value, 2 to 256. */
    readonly levels: number;
    /** Classes; 0 if the model takes no label. */
    readonly classes: number;
    /** The same for all layouts of a model's weights, 16 hexadecimal digits. Compressed files store it. */
    readonly identity: string;
    /** `I8`, `I8A16`, `F16` or `F32`. */
    readonly format: string;
    /** Distribution of a value. */
    readonly output: string;
    /** Operations a pixel. */
    readonly ops: number;
    readonly multiplyAdds: number;
    readonly blobBytes: number;
    /** Memory of an image that is drawn pixel by pixel. */
    readonly stateBytes: number;
    /** True if images are drawn together; models of floats are run one pixel of one image at a time. */
    readonly batched: boolean;
    /** True if the module has SIMD instructions. */
    readonly simd: boolean;
}

export interface BeginOptions {
    /** 0 to 2⁶⁴ − 1; beyond 2⁵³ as a BigInt. The default is 0. */
    seed?: number | bigint;
    /** 0.01 to 100: below 1 for likelier images, above 1 for more varied ones. The default is 1. */
    temperature?: number;
    /** Takes the likeliest value at each step, without randomness. */
    argmax?: boolean;
    /** Class, for a model that has classes. */
    label?: number;
    /** Image whose first rows are kept. */
    given?: ImageData;
    /** Rows that are kept; the default is half of them. */
    rows?: number;
}

export interface DrawOptions extends Omit<BeginOptions, "given" | "rows"> {
    /** Number of images; the default is 1. Image `n` has the seed `seed + n`. */
    count?: number;
}

export interface LoadOptions {
    /** Takes the module with SIMD or without; by default, the one that runs here. */
    simd?: boolean;
    /** Rows and columns of the images, if not the model's own. Graphs keep their size. */
    size?: [number, number];
    /** A compiled module, to be used in the place of the package's own. */
    module?: WebAssembly.Module | Promise<WebAssembly.Module>;
}

/** A pixel that was drawn or taken from the given rows. */
export interface Pixel {
    readonly row: number;
    readonly column: number;
    /** One level for each channel. */
    readonly values: Uint8Array;
    /** Cost of the pixel. */
    readonly nats: number;
}

/** Images of one size: levels of the model, `[N, C, H, W]`. */
export class Images implements Iterable<Uint8Array> {
    constructor(
        shape: { channels: number; height: number; width: number; levels: number },
        data: Uint8Array,
        nats?: Float64Array,
        labels?: Uint32Array,
    );
    readonly count: number;
    readonly channels: number;
    readonly height: number;
    readonly width: number;
    readonly levels: number;
    readonly data: Uint8Array;
    /** Cost of each image, where it was computed. */
    readonly nats: Float64Array | undefined;
    /** Labels of restored images, for a model with classes. */
    readonly labels: Uint32Array | undefined;
    /** Values of image `n`, `[C, H, W]`, without a copy. */
    image(n: number): Uint8Array;
    [Symbol.iterator](): Generator<Uint8Array, void, void>;
}

export interface Score {
    /** Exact negative log-likelihood of each image. */
    readonly nats: Float64Array;
    /** The same for each value, `[N, C, H, W]`. */
    readonly each: Float32Array;
    /** Mean over all values, in bits. */
    readonly bitsPerValue: number;
}

/** An image that is being drawn. It can be iterated once. */
export class Drawing implements AsyncIterable<Pixel> {
    private constructor();
    /** Pixels that are drawn. */
    get position(): number;
    /** Draws up to `pixels` further pixels, in raster order; fewer at the end of the image. */
    step(pixels?: number): Pixel[];
    /** Frees the image, finished or not. The end of an iteration does it, too. */
    free(): void;
    [Symbol.asyncIterator](): AsyncGenerator<Pixel, void, void>;
}

/** A loaded model. Its methods compute before they return: call them in a worker where that takes too long. */
export class Model {
    private constructor();
    static instantiate(module: WebAssembly.Module, blob: Uint8Array, size?: [number, number]): Promise<Model>;
    readonly info: ModelInfo;
    /** Bytes of memory that the instance has. */
    get memoryBytes(): number;
    /** Draws images. */
    sample(options?: DrawOptions): Images;
    /** Keeps the first rows of an image and draws the rest, `count` times. */
    complete(image: ImageData, options?: DrawOptions & { rows?: number }): Images;
    /** Begins an image that is drawn pixel by pixel. */
    begin(options?: BeginOptions): Drawing;
    /** Draws an image pixel by pixel. */
    pixels(options?: BeginOptions): AsyncGenerator<Pixel, void, void>;
    /** Exact likelihoods. */
    score(images: ImageData | Images, options?: { label?: number }): Score;
    /** Compresses images to a `.prnz` file; `bare` to the code of one image, without a header. */
    compress(
        images: ImageData | Images,
        options?: { labels?: ArrayLike<number>; label?: number; bare?: boolean },
    ): Uint8Array;
    /** Restores the images of a compressed file, or of a bare code. */
    decompress(file: Uint8Array, options?: { label?: number; bare?: boolean }): Images;
    /** Measures how far the prediction at a pixel depends on each of the earlier pixels `places`, 0 to 1. */
    depend(
        image: ImageData,
        options: { row: number; column: number; label?: number; places: ArrayLike<number> },
    ): Float32Array;
    /** Lets go of all memory. Later calls are errors. */
    free(): void;
}

/** True if this browser or Node.js runs WebAssembly with SIMD instructions. */
export function simdSupported(): boolean;

/** The compiled module, for `LoadOptions.module`; a worker can be sent it. */
export function compile(options?: { simd?: boolean }): Promise<WebAssembly.Module>;

/** Loads a model from its bytes or from an address; in Node.js also from a `file:` address. */
export function load(
    source: Uint8Array | ArrayBuffer | Blob | Response | string | URL,
    options?: LoadOptions,
): Promise<Model>;
